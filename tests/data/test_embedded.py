"""The drawing side of the embedded data

Only where the drawing packages are installed, in their pinned versions.
"""
import json
from importlib.util import find_spec
from pathlib import Path
import pytest
from tok1d.data.drawing import build, need_packages, word
from tok1d.data.embedded import check_split, read_tar, styles, table

pytestmark = pytest.mark.skipif(
    not all(map(find_spec, ('dicebear','dicebear_styles','resvg_py'))),
    reason='no drawing packages')

def definition(style):
    import dicebear_styles
    return json.loads(
        (Path(dicebear_styles.__path__[0])/f'{style}.json').read_text(encoding='utf-8'))

@pytest.mark.parametrize('style', styles())
def test_every_option_has_words(style):
    "Whatever the generator may choose, the caption can say"
    d, words = definition(style), table('words')['styles'][style]['words']
    said = {k for k in words if k.endswith('Variant')}
    assert {k.removesuffix('Variant') for k in said}<=set(d['components'])
    for part in (k.removesuffix('Variant') for k in said):
        for v in d['components'][part]['variants']:
            assert word(style, part+'Variant', {part+'Variant': v}, bare=True)
    silent = {
        'ink', 'stroke', 'shade', 'screen', 'mouth', 'eyes', 'glasses', 'accessories', 'shoes'}
    for name,c in d['colors'].items():
        for v in c['values']*(name not in silent):
            assert word(style, name+'Color', {name+'Color': v.lstrip('#')})

def test_licences_are_those_of_the_definitions():
    for style,s in table('sources')['A']['styles'].items():
        meta = definition(style)['meta']
        assert meta['license']['name']=={'CC0-1.0': 'CC0 1.0',
                                         'CC-BY-4.0': 'CC BY 4.0'}[s['licence']]
        assert s['author'] in meta['creator']['name']

@pytest.mark.long
def test_build_is_repeatable_and_resumes(tmp_path):
    """Three drawings

    The same bytes in two folders; a lost shard comes back, the other is not touched.
    """
    need_packages()
    a, b = (build(tmp_path/d, n=3, jobs=1, sources='A') for d in 'ab')
    shards = sorted(f.name for f in a.glob('*.tar'))
    assert shards==['A-heldout-00000.tar', 'A-train-00000.tar']
    for f in shards: assert (a/f).read_bytes()==(b/f).read_bytes()
    assert check_split([a/shards[1]], [a/shards[0]])['train']==len(list(read_tar(a/shards[1])))
    whole = (a/shards[1]).read_bytes()
    (a/shards[1]).unlink()
    (a/'.tmp-dead-A-train-00000.tar').write_bytes(b'half a shard')
    build(a, n=3, jobs=1, sources='A')
    assert (a/shards[1]).read_bytes()==whole
    with pytest.raises(ValueError, match='seed=0'): build(a, n=3, jobs=1, sources='A', seed=1)

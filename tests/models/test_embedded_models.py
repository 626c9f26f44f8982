"""What ships draws pictures at once

No network, the same for the same seed, within the budget of bytes.
"""
import json
from pathlib import Path

import pytest
from tok1d.cli import app
from typer.testing import CliRunner

WEIGHTS = Path(__file__).parents[2]/'tok1d'/'weights'
MAX_SIZE = 60e6  # bytes

def draw(out, *args):
    r = CliRunner().invoke(app, ['generate', *map(str, args), '-o', str(out)])
    assert r.exit_code == 0, r.output
    return json.loads((out/'tokens.json').read_text())['pictures'], r.output

@pytest.mark.parametrize('model', ['tok1d-tiny-maskgit', 'tok1d-tiny-rar'])
def test_classes(model, tmp_path):
    four, _ = draw(tmp_path/'a', '-m', model, '-c', 'critters', '-c', 'twemoji', '-n', 2, '-s', 5)
    assert [p['seed'] for p in four] == [5, 6, 7, 8] and len({tuple(p['ids']) for p in four}) == 4
    last, _ = draw(tmp_path/'b', '-m', model, '-c', 'twemoji', '-n', 1, '-s', 8)
    assert last[0]['ids'] == four[3]['ids']

@pytest.mark.parametrize('model,key,n,different', [('tok1d-tiny-maskgen-vq', 'ids', 8, 5),
                                                   ('tok1d-tiny-maskgen-kl', 'vectors', 3, 3)])
def test_prompts(model, key, n, different, tmp_path):
    ask = ('-m', model, '--steps', 8, '--prompt',
           'a yellow round face with a big smile, on a blue background')
    drawn, _ = draw(tmp_path/'a', *ask, '--seed', 3, '-n', n)
    assert len({str(p[key]) for p in drawn}) >= different and (tmp_path/'a/grid.png').exists()
    again, _ = draw(tmp_path/'b', *ask, '--seed', 4, '-n', 1)
    assert again[0][key] == drawn[1][key]

def test_unknown_words_are_announced(tmp_path):
    _, said = draw(tmp_path, '--prompt', 'a qwyjibo heart', '-n', 1, '--steps', 1)
    assert 'qwyjibo' in said

def test_every_model_has_its_papers():
    for d in filter(Path.is_dir, WEIGHTS.iterdir()):
        assert (d/'README.md').is_file() and list(d.glob('*.safetensors')), d
        if d.name != 'tok1d-tiny-probe':
            assert {'recipe.yaml', 'log.jsonl', 'curve.png'} <= {f.name for f in d.iterdir()}, d

def test_budget():
    assert sum(f.stat().st_size for f in WEIGHTS.rglob('*') if f.is_file()) < MAX_SIZE

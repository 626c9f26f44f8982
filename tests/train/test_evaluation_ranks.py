"What a run is evaluated on is shared by its processes, and its figures do not depend on them"
import json
from types import SimpleNamespace

import pytest
from ranks import launch

from tok1d.basics import to_pil
from tok1d.data.embedded import heldout

def config(folder):
    from tok1d.config import load_config
    return load_config('rar_tiny', [
        f'dataset.params.eval_shards_path_or_url={folder}', 'experiment.eval_images=11',
        'experiment.eval_samples=3', 'dataset.params.dataset_with_class_label=false'
    ])

def measure(folder, out):
    "The records of one evaluation of a tokenizer, and of a generator"
    from tok1d.hub.pretrained import load
    from tok1d.train import heldout as given
    from tok1d.train.callbacks import Distance, Evaluation
    from tok1d.train.generators import ARTask, HeldOut
    from tok1d.train.loop import leave, make_accelerator
    from tok1d.sample.pipeline import Pipeline
    cfg, acc, records = config(folder), make_accelerator(cpu=True), []
    tokenizer, generator = load('tok1d-tiny-vq'), load('tok1d-tiny-rar')
    def state(task):
        return SimpleNamespace(acc=acc, task=task, ema=None,
                               log=lambda kind, **values: records.append(dict(values, kind=kind)))
    sources = {name: given.image_batches(cfg, spec, 11, size=4)
               for name, spec in given.heldout_specs(cfg).items()}
    Evaluation(sources, ks=[4, 32]).work(state(SimpleNamespace(model=tokenizer)))
    lines = given.heldout_lines(cfg, tokenizer)
    for batch in lines.values(): batch['cls'] = batch['cls'].clamp(min=0)
    st = state(ARTask(generator))
    HeldOut(lines, batch_size=4).work(st)
    held = given.heldout_pictures(cfg, lines)
    look = given.extractor_here()
    Distance(lambda model: Pipeline(model, tokenizer, ()), held, look, batch_size=1).work(st)
    if acc.is_main_process: out.write_text(json.dumps(records))
    leave(SimpleNamespace(acc=acc, nets={}, optimizers={}, schedulers={}))

@pytest.fixture(scope='module')
def pictures(tmp_path_factory):
    folder = tmp_path_factory.mktemp('some')
    for i, x in enumerate(heldout(13)): to_pil(x).save(folder/f'{i:02}.png')
    return folder

def test_processes_share_an_evaluation(tmp_path, pictures):
    found = []
    for world in (1, 2):
        codes, said = launch(measure, (pictures, tmp_path/f'{world}.json'), world,
                             tmp_path/f'run-{world}', 500)
        assert codes == [0]*world, said
        found.append(json.loads((tmp_path/f'{world}.json').read_text()))
    one, two = ([r for r in records if r['kind'] == 'eval'] for records in found)
    assert [r.get('images') for r in one] == [11, 11, None, 3]
    assert 'cross_entropy' in one[2] and one[3]['reference'] == '11 pictures'
    assert one[3]['FD(tok1d-probe)'] > 0 and 'FID' not in one[3]
    for a, b in zip(one, two, strict=True):
        assert a.keys() == b.keys()
        for key, value in a.items():
            assert b[key] == (pytest.approx(value, rel=1e-5) if isinstance(value, float) else value)

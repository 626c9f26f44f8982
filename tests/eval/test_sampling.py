"Sets of samples: any number of processes, killed or not, one file"
import json
import time

import pytest
from ranks import ctx, work

EACH, PART = 2, 16  # 38 pictures of 19 classes, in 3 parts

def sample(*args):
    "`tok1d sample`"
    from tok1d.cli import app
    app(['sample', 'tok1d-tiny-rar', *map(str, args)])

def start(out, rank=0, world=1, batch=16):
    env = dict(RANK=str(rank), WORLD_SIZE=str(world), LOCAL_RANK=str(rank))
    args = '-n', EACH, '--part', PART, '--batch-size', batch, '-o', out
    p = ctx.Process(target=work, args=(sample, args, env, f'{out}-said-{rank}.txt'))
    p.start()
    return p

def finish(*processes):
    for p in processes:
        p.join(300)
        assert p.exitcode == 0

@pytest.fixture(scope='module')
def alone(tmp_path_factory):
    out = tmp_path_factory.mktemp('alone')
    finish(start(out, batch=32))
    assert json.loads((out/'samples.json').read_text())['complete']
    return (out/'samples.npz').read_bytes()

def test_two_processes(tmp_path, alone):
    out = tmp_path/'set'
    finish(start(out, 1, 2), start(out, 0, 2, batch=5))
    assert (out/'samples.npz').read_bytes() == alone

@pytest.mark.long
def test_killed_and_continued(tmp_path, alone):
    out = tmp_path/'set'
    first = start(out)
    deadline = time.monotonic() + 200
    while not list(out.glob('parts/[0-9]*.npy')) and time.monotonic() < deadline: time.sleep(.02)
    first.kill()
    first.join()
    assert list(out.glob('parts/[0-9]*.npy')) and not (out/'samples.npz').exists()
    finish(*(start(out, r, 2) for r in range(2)))
    assert (out/'samples.npz').read_bytes() == alone
    assert sorted(p.name for p in out.iterdir()) == ['samples.json', 'samples.npz']

"One, two or four processes give one number, and the last batch counts once"
import json

import numpy as np
import pytest
from ranks import launch

from tok1d.data.embedded import heldout

SHOWN = 'figures', 'rows', 'protocol', 'unavailable'

def evaluate(*args):
    "`tok1d eval`"
    from typer.testing import CliRunner
    from tok1d.eval.commands import eval_app
    r = CliRunner().invoke(eval_app, [str(a) for a in args])
    print(r.stdout)
    if r.exception: raise r.exception

def result(folder, world, *args):
    "The stored result of so many processes"
    out = folder/f'{world}.json'
    codes, said = launch(evaluate, (*args, '-o', out), world, folder/f'run-{world}', 500)
    assert codes == [0]*world, said
    assert sum('Written' in text for text in said) == 1
    return {key: value for key, value in json.loads(out.read_text()).items() if key in SHOWN}

def assert_same(a, b):
    "Equal; a distance has roots of eigenvalues that are zero, so rounding of 1e-16 becomes 1e-8"
    if isinstance(a, dict):
        assert a.keys() == b.keys()
        for key in a: assert_same(a[key], b[key])
    elif isinstance(a, list):
        assert len(a) == len(b)
        for x, y in zip(a, b): assert_same(x, y)
    elif isinstance(a, float): assert a == pytest.approx(b, rel=1e-7)
    else: assert a == b

# 19 pictures in batches of 4: five batches, the last of three; with four, one has two batches
RECONSTRUCTION = 'reconstruction', '-n', 19, '--batch-size', 4, '-k', 8, '-k', 32

@pytest.fixture(scope='module')
def alone(tmp_path_factory): return result(tmp_path_factory.mktemp('alone'), 1, *RECONSTRUCTION)

@pytest.mark.parametrize('world', [2, 4])
def test_reconstruction(tmp_path, alone, world):
    assert [row['images'] for row in alone['rows']] == [19, 19]
    assert_same(alone, result(tmp_path, world, *RECONSTRUCTION))

@pytest.fixture(scope='module')
def samples(tmp_path_factory):
    path = tmp_path_factory.mktemp('samples')/'some.npz'
    np.savez(path, (heldout(45, 'B')*255).round().byte().permute(0, 2, 3, 1).numpy())
    return path

def test_generation(tmp_path, samples):
    args = 'generation', samples, '--reference-count', 37, '--batch-size', 8
    alone = result(tmp_path, 1, *args)
    assert {'KID(tok1d-probe)', 'precision(tok1d-probe)'} <= alone['figures'].keys()
    assert alone['protocol']['count'] == 45
    assert_same(alone, result(tmp_path, 2, *args))

def test_more_processes_than_batches(tmp_path, samples):
    args = 'generation', samples, '--reference-count', 20, '--batch-size', 45
    assert_same(result(tmp_path, 1, *args), result(tmp_path, 2, *args))

def fail(rank_of_trouble):
    from tok1d.eval.metrics import in_every, joined, place
    with joined():
        def work():
            if place().rank == rank_of_trouble: raise ValueError('a broken picture')
            return 1

        in_every(work)

def test_one_fails(tmp_path):
    codes, said = launch(fail, (1,), 2, tmp_path/'run')
    assert codes == [1, 1]
    assert 'process 1 failed: a broken picture' in said[0] and 'ValueError: a broken' in said[1]

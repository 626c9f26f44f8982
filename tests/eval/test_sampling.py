"Sets of samples: any number of processes, killed or not, one file"
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

EACH, PART = 4, 16  # 76 pictures of 19 classes, in 5 parts

def start(out, rank=0, world=1, batch=16):
    env = os.environ | dict(RANK=str(rank), WORLD_SIZE=str(world), LOCAL_RANK=str(rank),
                            OMP_NUM_THREADS='1', PYTHONPATH=str(Path(__file__).parents[2]))
    command = [
        sys.executable, '-m', 'tok1d', 'sample', 'tok1d-tiny-rar', '-n',
        str(EACH), '--part',
        str(PART), '--batch-size',
        str(batch), '-o',
        str(out)
    ]
    return subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            text=True)

def finish(*processes):
    for p in processes:
        out, err = p.communicate(timeout=300)
        assert p.returncode == 0, err

@pytest.fixture(scope='module')
def alone(tmp_path_factory):
    out = tmp_path_factory.mktemp('alone')
    finish(start(out, batch=32))
    assert json.loads((out/'samples.json').read_text())['complete']
    return (out/'samples.npz').read_bytes()

def test_two_processes(tmp_path, alone):
    finish(start(tmp_path, 1, 2), start(tmp_path, 0, 2, batch=5))
    assert (tmp_path/'samples.npz').read_bytes() == alone

@pytest.mark.long
def test_killed_and_continued(tmp_path, alone):
    first = start(tmp_path)
    deadline = time.monotonic() + 200
    while not list((tmp_path/'parts').glob('[0-9]*.npy')) and time.monotonic() < deadline:
        time.sleep(.05)
    first.send_signal(signal.SIGKILL)
    first.communicate()
    assert list((tmp_path/'parts').glob('[0-9]*.npy')) and not (tmp_path/'samples.npz').exists()
    finish(*(start(tmp_path, r, 2) for r in range(2)))
    assert (tmp_path/'samples.npz').read_bytes() == alone
    assert sorted(p.name for p in tmp_path.iterdir()) == ['samples.json', 'samples.npz']

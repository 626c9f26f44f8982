"A run that is killed again and again equals one that never was"
import os
import random
import signal
import time

import pytest
from tiny_runs import arguments, finish, kill_when, pictures, records, same_run, start, STEPS

@pytest.fixture(scope='module')
def whole(tmp_path_factory):
    "Pictures, and a run over them that nobody disturbs"
    base = tmp_path_factory.mktemp('resume')
    data = pictures(base/'data')
    finish(arguments(data, base/'whole'))
    return data,base/'whole'

def test_killed_at_any_step(whole, tmp_path):
    data,want = whole
    out = tmp_path/'run'
    args = arguments(data, out)
    rng = random.Random(time.time_ns())
    print('killed at', steps := sorted(rng.sample(range(2, STEPS, 2), 2)))
    for step in steps:
        wait = rng.random()*.1
        logged = lambda: (out/'log.jsonl').exists() and f'"step": {step},' in (out/'log.jsonl'
                                                                               ).read_text()
        kill_when(args, lambda: logged() and (time.sleep(wait) or True))
    finish(args)
    same_run(want, out)

def test_killed_while_saving(whole, tmp_path):
    data,want = whole
    out = tmp_path/'run'
    args = arguments(data, out)
    hidden = lambda: list(out.glob('.checkpoint-*'))
    assert kill_when(args, hidden)
    left = hidden()
    finish(args)
    assert not hidden(), 'what an interrupted save leaves is swept'
    same_run(want, out)
    print('left behind by the kill:', [p.name for p in left])

def test_log_has_every_step_once(whole):
    _,out = whole
    assert [r['step'] for r in records(out) if r['kind']=='train']==list(range(2, STEPS+1, 2))
    assert len(list(out.glob('checkpoint-*')))==2  # training.keep_checkpoints of the preset

def test_terminated(whole, tmp_path):
    "SIGTERM: the step is finished, a checkpoint saved, and the exit is clean"
    data,want = whole
    out = tmp_path/'run'
    args = arguments(data, out)
    p = start(args)
    while p.is_alive() and not (out/'log.jsonl').exists(): time.sleep(.005)
    while p.is_alive() and '"step": 2' not in (out/'log.jsonl').read_text(): time.sleep(.005)
    os.kill(p.pid, signal.SIGTERM)
    p.join(60)
    assert p.exitcode==0 and list(
        out.glob('checkpoint-*')) and not (out/'model.safetensors').exists()
    finish(args)
    same_run(want, out)

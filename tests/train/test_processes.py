"Two processes train one model, and continue where they were killed"
import os, signal, subprocess, sys, time
import pytest, torch
from pathlib import Path
from ranks import finish, places
from safetensors.torch import load_file
from tiny_runs import arguments, pictures, start

MORE = ('training.max_train_steps=6', 'experiment.save_every=2', 'training.quantizer_start=3',
        'training.gradient_accumulation_steps=1', 'losses.discriminator_start=2',
        'losses.discriminator_weight=0.1', 'losses.lecam_regularization_weight=0.001')

def pair(args): return [start(args, **env) for env in places(2)]

@pytest.fixture
def data(tmp_path): return pictures(tmp_path/'data')

@pytest.mark.long
def test_killed_pair(data, tmp_path):
    "Both are killed, both start again, and the model is that of an undisturbed pair"
    whole,killed = tmp_path/'whole',tmp_path/'killed'
    finish(pair(arguments(data, whole, *MORE)))
    assert sorted(p.name for p in (whole/'checkpoint-00000006').glob('process-*'))==[
        'process-0.pt', 'process-1.pt']
    ps = pair(arguments(data, killed, *MORE))
    while all(p.is_alive() for p in ps) and not (killed/'checkpoint-00000004').exists():
        time.sleep(.001)
    for p in ps: os.kill(p.pid, signal.SIGKILL)
    for p in ps: p.join()
    assert not (killed/'model.safetensors').exists()
    finish(pair(arguments(data, killed, *MORE)))
    assert (killed/'model.safetensors').read_bytes()==(whole/'model.safetensors').read_bytes()

def test_as_many_as_one(data, tmp_path):
    "Two processes of two images take the step of one process of four"
    more = ('training.max_train_steps=2', 'model.vq_model.elastic=false',
            'training.gradient_accumulation_steps=1', 'training.quantizer_start=0',
            'training.revive_until=0', 'losses.spread_weight=0'
            ) # which compares the pictures of a process
    finish(pair(arguments(data, tmp_path/'two', *more)))
    finish([start(arguments(data, tmp_path/'one', *more, 'training.per_gpu_batch_size=4'))])
    two,one = (load_file(tmp_path/n/'checkpoint-00000002'/'model.safetensors')
               for n in ('two', 'one'))
    for k in one:
        torch.testing.assert_close(one[k], two[k], rtol=1e-3, atol=1e-4, msg=lambda m: f'{k}: {m}')

@pytest.mark.long
def test_accelerate_launch(data, tmp_path):
    "The documented command, for real"
    env = os.environ | dict(OMP_NUM_THREADS='1', ACCELERATE_USE_CPU='true', PYTHONPATH=str(
        Path(__file__).parents[2]))
    cmd = [
        sys.executable, '-m', 'accelerate.commands.launch', '--multi_gpu', '--num_processes', '2',
        '--num_machines', '1', '--mixed_precision', 'no', '--dynamo_backend', 'no',
        '--main_process_port', '0', '-m', 'tok1d.train.run',
        *arguments(data, tmp_path/'run', *MORE, 'training.max_train_steps=2',
                   'training.quantizer_start=1')
    ]
    done = subprocess.run(cmd, env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode==0, done.stderr[-3000:]
    assert '2 processes' in done.stdout and '2 of 4 images' in done.stdout and (
        tmp_path/'run'/'model.safetensors').exists()

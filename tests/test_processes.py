"Two processes train one model, and continue where they were killed"
import os, signal, subprocess, sys, time
import torch
from pathlib import Path
from safetensors.torch import load_file
from test_resume import arguments, pictures

STEPS = 6

def launch(args, n=2, **kw):
    "Start `n` processes on this machine, in a process group of their own"
    env = os.environ | dict(OMP_NUM_THREADS='1', PYTHONPATH=str(Path(__file__).parents[1]))
    cmd = [sys.executable, '-m', 'torch.distributed.run', '--standalone', f'--nproc_per_node={n}', '-m', 'tok1d.train.run', *args]
    return subprocess.Popen(cmd, env=env, start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **kw)

def finish(args, n=2):
    p = launch(args, n); out,_ = p.communicate(timeout=300)
    assert p.returncode==0, out[-3000:]
    return out

def test_two_processes(tmp_path):
    data = pictures(tmp_path/'data')
    more = (f'training.max_train_steps={STEPS}', 'experiment.save_every=2', 'training.quantizer_start=3', 'training.gradient_accumulation_steps=1')
    args = lambda name, *extra: arguments(data, tmp_path/name, *more, *extra)
    printed = finish(args('whole'))
    assert '2 processes' in printed and f'{STEPS} of 4 images' in printed
    assert sorted(p.name for p in (tmp_path/'whole'/f'checkpoint-{STEPS:08d}').glob('process-*'))==['process-0.pt', 'process-1.pt']

    p = launch(args('killed'))
    while p.poll() is None and not (tmp_path/'killed'/'checkpoint-00000004').exists(): time.sleep(.01)
    os.killpg(p.pid, signal.SIGKILL); p.communicate()
    finish(args('killed'))
    assert (tmp_path/'killed'/'model.safetensors').read_bytes()==(tmp_path/'whole'/'model.safetensors').read_bytes()

def test_as_many_as_one(tmp_path):
    "Two processes of two images take the step of one process of four"
    data = pictures(tmp_path/'data')
    more = ('training.max_train_steps=2', 'model.vq_model.elastic=false', 'training.gradient_accumulation_steps=1', 'training.quantizer_start=0', 'training.revive_until=0')
    finish(arguments(data, tmp_path/'two', *more))
    finish(arguments(data, tmp_path/'one', *more, 'training.per_gpu_batch_size=4'), n=1)
    two,one = (load_file(tmp_path/n/'checkpoint-00000002'/'model.safetensors') for n in ('two', 'one'))
    for k in one: torch.testing.assert_close(one[k], two[k], rtol=1e-3, atol=1e-4, msg=lambda m: f'{k}: {m}')

"Tiny training runs of which everything is random, that are started, killed and compared"
import os
import random
import signal
import time
from pathlib import Path

import torch
from PIL import Image
from ranks import ctx
from small import vit

STEPS, SAVE = 14, 3

def pictures(folder:Path, n=12, size=20):
    "`n` small pictures of two colours"
    rng = random.Random(0)
    folder.mkdir()
    for i in range(n):
        im = Image.new('RGB', (size,size), tuple(rng.randrange(256) for _ in 'rgb'))
        im.paste(tuple(rng.randrange(256) for _ in 'rgb'),
                 (rng.randrange(8), rng.randrange(8), 16, 16))
        im.save(folder/f'{i}.png')
    return folder

def arguments(data, out, *more):
    "A tiny recipe in which everything is random: elastic tokens, flips, shifts, k-means, revival"
    return [
        'config=titok_tiny_debug', f'experiment.output_dir={out}',
        f'dataset.params.train_shards_path_or_url={data}',
        'dataset.params.dataset_with_class_label=false', 'dataset.preprocessing.crop_size=16',
        'dataset.preprocessing.resize_shorter_edge=16', 'model.vq_model.vit_enc_patch_size=8',
        'model.vq_model.vit_dec_patch_size=8', f'training.max_train_steps={STEPS}',
        f'experiment.save_every={SAVE}', 'experiment.log_every=2', 'training.quantizer_start=5',
        'training.revive_until=12', 'training.revive_every=2', 'training.codebook_average=0.9',
        'losses.spread_weight=0.01', 'training.gradient_accumulation_steps=2',
        'training.per_gpu_batch_size=2', *vit(), *more
    ]

def child(args, env):
    os.environ.update(env)
    torch.set_num_threads(1)
    from tok1d.train.run import main
    main(args)

def start(args, **env):
    p = ctx.Process(target=child, args=(args, env))
    p.start()
    return p

def finish(args):
    p = start(args)
    p.join(240)
    assert p.exitcode==0, f'the run ended with exit code {p.exitcode}'

def records(out):
    from tok1d.train.callbacks import TIMES, read_log
    return [{k: v for k,v in r.items() if k not in TIMES} for r in read_log(out/'log.jsonl')]

def kill_when(args, ready, timeout=120):
    "Start a run and send SIGKILL as soon as `ready()`; was it still running?"
    p = start(args)
    end = time.time()+timeout
    while p.is_alive() and not ready() and time.time()<end: time.sleep(.001)
    alive = p.is_alive()
    if alive: os.kill(p.pid, signal.SIGKILL)
    p.join()
    return alive

def same_run(a, b):
    assert (a/'model.safetensors').read_bytes()==(b/'model.safetensors').read_bytes()
    assert records(a)==records(b)
    last = f'checkpoint-{STEPS:08d}'
    for f in ('model', 'ema'):
        assert (a/last/f'{f}.safetensors').read_bytes()==(b/last/f'{f}.safetensors').read_bytes()
    one,two = (torch.load(x/last/'process-0.pt', weights_only=True) for x in (a, b))
    assert torch.equal(one['rng']['torch'], two['rng']['torch']) and one['data']==two['data']

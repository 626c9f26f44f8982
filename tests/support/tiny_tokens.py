"Small pictures, one of them broken, and tokenizers that turn them into four tokens"
import random
from pathlib import Path

import torch
from PIL import Image
from small import vit

N, BROKEN = 60, 7

def pictures(folder:Path, n=N):
    "Two classes of small pictures, one of them broken"
    rng = random.Random(0)
    for i in range(n):
        im = Image.new('RGB', (24, 20), tuple(rng.randrange(256) for _ in 'rgb'))
        im.paste(tuple(rng.randrange(256) for _ in 'rgb'), (4, 4, 12, 14))
        f = folder/f'class-{i%2}'/f'{i:02}.png'
        f.parent.mkdir(parents=True, exist_ok=True)
        im.save(f)
        if i == BROKEN: f.write_bytes(f.read_bytes()[:40])
    return folder

def tokenizer(folder:Path, seed=0, kind='vq'):
    "An untrained tokenizer of 16 × 16 pixels, 4 tokens, 32 codes or 4 channels"
    from tok1d.config import load_config
    from tok1d.models.titok import TiTok
    torch.manual_seed(seed)
    cfg = load_config('titok_tiny_debug', [
        'dataset.preprocessing.crop_size=16', 'dataset.preprocessing.resize_shorter_edge=16',
        'model.vq_model.vit_enc_patch_size=8', 'model.vq_model.vit_dec_patch_size=8',
        'model.vq_model.num_latent_tokens=4', 'model.vq_model.codebook_size=32',
        f'model.vq_model.quantize_mode={kind}', *vit()])
    TiTok(cfg).save_pretrained(folder)
    return folder

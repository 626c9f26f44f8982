"""Published files as they are

A configuration by its own keys, weights and shards where its paths say, settings of the figures.
"""
import io
import json
import tarfile

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from ranks import ctx
from small import vit

from tok1d.config import load_config, nested, read_file, to_config
from tok1d.hub import pretrained
from tok1d.hub.pretrained import FoundFiles, load, row_in_repository
from tok1d.models.maskgit import ImageBert
from tok1d.sample import masked

OURS = {  # keys of our presets that the published files do not have
    'experiment': {'tokenizer_checkpoint'},
    'generator': {'model_type', 'guidance_decay', 'softmax_temperature_annealing'}
}
SHORT = [
    'training.max_train_steps=2', 'training.per_gpu_batch_size=2', 'experiment.save_every=2',
    'experiment.eval_every=2', 'experiment.generate_every=2', 'experiment.log_every=1',
    'experiment.log_grad_norm_every=1', 'lr_scheduler.params.warmup_steps=1',
    'experiment.eval_samples=2', 'experiment.eval_images=4', 'dataset.params.num_workers_per_gpu=0',
    'dataset.preprocessing.resize_shorter_edge=32',
    'dataset.preprocessing.crop_size=32', 'training.enable_wandb=false']
CLASSES = [
    'model.generator.hidden_size=32', 'model.generator.num_hidden_layers=1',
    'model.generator.num_attention_heads=2', 'model.generator.intermediate_size=64',
    'model.generator.condition_num_classes=2']
VAL = 'dataset.params.eval_shards_path_or_url=imagenet_sharded/val/imagenet-val-{0000..0001}.tar'
TRAIN = ('dataset.params.train_shards_path_or_url='
         'imagenet_sharded/train/imagenet-train-{0000..0001}.tar')


def as_published(name):
    "A preset without the keys that are ours"
    raw = nested(read_file(name))
    for key in OURS['experiment']: raw['experiment'].pop(key, None)
    for key in OURS['generator']: raw['model'].get('generator', {}).pop(key, None)
    return raw


def child(folder, args):
    import os
    os.chdir(folder)
    torch.set_num_threads(1)
    from tok1d.train.run import main
    main(args)


def run(folder, *args):
    p = ctx.Process(target=child, args=(folder, [str(a) for a in args]))
    p.start()
    p.join(300)
    assert p.exitcode == 0


def shard(path, samples):
    "A tar of samples: name → ending → bytes"
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, 'w') as tar:
        for name, parts in samples.items():
            for ending, content in parts.items():
                info = tarfile.TarInfo(f'{name}.{ending}')
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))


def jpeg(i, side=40):
    f = io.BytesIO()
    Image.new('RGB', (side, side+4), (20*i % 256, 90, 250-20*i % 256)).save(f, 'JPEG')
    return f.getvalue()


@pytest.fixture(scope='module')
def place(tmp_path_factory):
    "A folder laid out as the published files name it"
    from tok1d.models.vqgan import PixelVQGAN
    base = tmp_path_factory.mktemp('published')
    for split in 'train', 'val':
        for k in range(2):
            shard(base/f'imagenet_sharded/{split}/imagenet-{split}-{k:04}.tar',
                  {f'{k}-{i}': dict(jpg=jpeg(i), cls=str(i % 2).encode()) for i in range(2)})
    torch.save(PixelVQGAN().state_dict(), base/'maskgit-vqgan-imagenet-f16-256.bin')
    return base


def ended(out):
    "What a finished run leaves"
    assert (out/'model.safetensors').is_file() and (out/'config.json').is_file()
    log = [json.loads(line) for line in (out/'log.jsonl').read_text().splitlines()]
    assert {r['kind'] for r in log} >= {'train', 'eval'}
    assert list((out/'previews').iterdir())


@pytest.mark.long
def test_rar(place):
    """It names no tokenizer but the weights of the MaskGIT-VQGAN, trains on lines, and is measured
    on images"""
    raw = as_published('rar_b')
    (place/'rar.yaml').write_text(yaml.safe_dump(raw))
    lines = [dict(class_id=i % 2, tokens=[i, 1, 2, 1023]*64) for i in range(12)]
    (place/raw['dataset']['params']['pretokenization']).write_text(''.join(
        json.dumps(x)+'\n' for x in lines))
    run(
        place, 'config=rar.yaml', *SHORT, *CLASSES, 'experiment.output_dir=rar',
        'model.generator.randomness_anneal_start=0', 'model.generator.randomness_anneal_end=2',
        'dataset.preprocessing.crop_size=256', 'dataset.preprocessing.resize_shorter_edge=256',
        'dataset.params.eval_shards_path_or_url=imagenet_sharded/val/imagenet-val-{0000..0000}.tar')
    ended(place/'rar')
    cfg = load(place/'rar').config.model.generator
    assert (cfg.guidance_scale, cfg.guidance_scale_pow) == (16., 2.75)


@pytest.mark.long  # two stages in plain runs: tests/train/test_two_stages.py
def test_titok_stage2(place):
    "Stage 1's file and the MaskGIT-VQGAN's lie beside the configuration"
    from tok1d.models.titok import TiTok
    tiny = ['model.vq_model.num_latent_tokens=4', 'model.vq_model.codebook_size=16',
            *vit('64x1x2')]
    size = ['dataset.preprocessing.crop_size=32', 'dataset.preprocessing.resize_shorter_edge=32']
    stage1 = TiTok(load_config('titok_l32_stage1', [*tiny, *size]))
    raw = as_published('titok_l32_stage2')
    torch.save(stage1.state_dict(), place/raw['experiment']['init_weight'])
    (place/'stage2.yaml').write_text(yaml.safe_dump(raw))
    run(place, 'config=stage2.yaml', *SHORT, *tiny, TRAIN, VAL, 'experiment.output_dir=stage2',
        'losses.perceptual_weight=0', 'losses.perceptual_loss=null', 'losses.discriminator_start=1')
    ended(place/'stage2')
    from safetensors.torch import load_file
    after = load_file(place/'stage2/model.safetensors')
    for name in 'quantize.embedding.weight', 'latent_tokens':
        assert after[name].equal(stage1.state_dict()[name]), name


@pytest.fixture(scope='module')
def words(place):
    "A text tower, captioned pictures, and lines of tokens with captions, as published"
    from tok1d.models.clip import build_tower
    from tok1d.models.text import TextEncoder
    from tok1d.models.vocabulary import Vocabulary
    said = [
        f'a {colour} {thing}' for colour in ('red', 'green', 'pale')
        for thing in ('hat', 'cat', 'sky')
    ]
    book = Vocabulary.build(said)
    cfg = dict(embed_dim=16, text_cfg=dict(context_length=8, vocab_size=len(book), width=16,
                                           heads=2, layers=1))
    TextEncoder(build_tower(cfg), book, cfg).save(place/'tower')
    meta = json.dumps(dict(original_height=300, original_width=320)).encode()
    for split, name in ('train', 'datacomp'), ('val', 'coco'):
        shard(place/f'{name}.tar', {
            f'{i}': dict(jpg=jpeg(i), txt=text.encode(), json=meta)
            for i, text in enumerate(said)
        })
    lines = {
        f'{i}': {
            'token.npy': np.array([i, 1, 2, 15], np.float16).tobytes(), 'txt': text.encode(),
            'recap_txt': f'The image depicts {text}.'.encode(), 'aes_score': b'5.5'}
        for i, text in enumerate(said)
    }
    shard(place/'tokens.tar', lines)
    return [
        'model.vq_model.text_encoder=tower', 'model.vq_model.text_embed_dim=16',
        'model.vq_model.text_context_length=8', 'model.vq_model.num_latent_tokens=4',
        'model.vq_model.codebook_size=16', *vit('64x1x2')]


@pytest.mark.long
def test_tatitok_and_maskgen(place, words):
    """A text-aware tokenizer from captioned shards, then a generator over stored tokens that names
    the tokenizer's file"""
    raw = as_published('tatitok_bl128_vq')
    (place/'tatitok.yaml').write_text(yaml.safe_dump(raw))
    run(place, 'config=tatitok.yaml', *SHORT, *words, 'experiment.output_dir=tatitok',
        'losses.perceptual_weight=0', 'losses.perceptual_loss=null', 'losses.discriminator_start=1',
        'dataset.params.train_shards_path_or_url=datacomp.tar',
        'dataset.params.eval_shards_path_or_url=coco.tar')
    ended(place/'tatitok')
    from safetensors.torch import load_file
    torch.save(load_file(place/'tatitok/model.safetensors'), place/'tatitok_bl128_vq.bin')
    raw = as_published('maskgen_vq_l')
    raw['experiment']['tokenizer_checkpoint'] = 'tatitok_bl128_vq.bin'
    (place/'maskgen.yaml').write_text(yaml.safe_dump(raw))
    run(place, 'config=maskgen.yaml', *SHORT, *words, 'experiment.output_dir=maskgen',
        'model.maskgen.decoder_embed_dim=32', 'model.maskgen.decoder_depth=1',
        'model.maskgen.decoder_num_heads=2', 'model.maskgen.num_iter=2',
        'model.maskgen.condition_num_classes=2',
        'dataset.params.train_shards_path_or_url=tokens.tar',
        'dataset.params.eval_shards_path_or_url=coco.tar')
    ended(place/'maskgen')


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A hub whose every repository holds one tiny MaskGIT, whose configuration tells as much as the
    published ones"""
    cfg = load_config('maskgit_l32', [
        *CLASSES, 'model.generator.image_seq_len=4', 'model.vq_model.num_latent_tokens=4',
        'model.vq_model.codebook_size=16'])
    ImageBert(cfg).save_pretrained(tmp_path/'repo')
    asked = []

    def fetch(repo, file=None, config=None):
        asked.append(repo)
        told = json.loads((tmp_path/'repo/config.json').read_text())
        for key in ('softmax_temperature_annealing', 'guidance_decay', 'guidance_scale',
                    'randomize_temperature', 'num_steps'):
            told['model']['generator'].pop(key, None)
        told['model']['generator']['softmax_temperature_annealing'] = False
        return FoundFiles(tmp_path/'repo/model.safetensors', told if config is None else config)
    monkeypatch.setattr(pretrained, '_hub', fetch)
    return asked


@pytest.mark.parametrize('name', ['maskgit-l32', 'yucornetto/generator_titok_l32_imagenet',
                                  'https://huggingface.co/yucornetto/generator_titok_l32_imagenet'])
def test_a_published_name_draws_with_its_settings(repository, name, tmp_path):
    wanted = masked.MaskedSettings(**masked.PRESETS['maskgit-l32'])
    model = load(name)
    assert masked.settings_of(model) == wanted
    assert masked.settings_of(model, annealing=False,
                              steps=4) == wanted._replace(annealing=False, steps=4)
    model.save_pretrained(tmp_path/'copy')  # and so does a copy
    assert masked.settings_of(load(tmp_path/'copy')) == wanted
    assert repository == ['yucornetto/generator_titok_l32_imagenet']


def test_a_configuration_that_is_given_goes_before(repository):
    cfg = load_config('maskgit_l32', [
        *CLASSES, 'model.generator.image_seq_len=4', 'model.vq_model.num_latent_tokens=4',
        'model.vq_model.codebook_size=16', 'model.generator.guidance_scale=2'])
    assert masked.settings_of(load('maskgit-l32', config=cfg)).guidance == 2.


@pytest.mark.parametrize('name', ['l32', 'b64', 's128'])
def test_the_published_file_anneals(name):
    "Its keys, as published, say nothing of annealing, which the published script forces on"
    raw = as_published(f'maskgit_{name}')
    preset = masked.PRESETS[f'maskgit-{name}']
    # which the published inference file has
    raw['model']['generator'] |= {'guidance_decay': preset['guidance_decay']}
    cfg = to_config(raw)
    got = masked.settings_of(type('Model', (), dict(config=cfg)))
    assert got == masked.MaskedSettings(**preset)


def test_the_numbers_behind_the_figures():
    "Guidance, temperature and steps as the published scripts have them"
    want = {
        'maskgit-l32': (8, 4.5, 'linear', 9.5), 'maskgit-b64': (8, 3., 'linear', 11.),
        'maskgit-s128': (64, 6.9, 'power-cosine', 2.8)
    }
    for name, numbers in want.items():
        s = masked.MaskedSettings(**masked.PRESETS[name])
        assert (s.steps, s.guidance, s.guidance_decay, s.temperature) == numbers and s.annealing
        assert row_in_repository(pretrained.known_row(name).repo).name == name
    assert row_in_repository('yucornetto/RAR') is None and row_in_repository('titok') is None

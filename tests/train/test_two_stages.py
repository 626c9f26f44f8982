"The published path, tiny: a pixel tokenizer, both stages of TiTok over it, RAR over its grid"
import shutil

import pytest
import torch
from small import vit
from tiny_runs import pictures

from tok1d.config import load_config
from tok1d.eval.reconstruction import evaluate
from tok1d.explore.tokens import TokenImage
from tok1d.hub.pretrained import load, load_pipeline
from tok1d.models.vqgan import PixelVQGAN
from tok1d.train.given import check_teacher, teacher
from tok1d.train.run import train

GRID = ['model.vqgan.channels=[8,8,16,16]', 'model.vqgan.codebook_size=24',
        'model.vqgan.token_size=4']

def common(data, out, *more):
    return [f'experiment.output_dir={out}', f'dataset.params.train_shards_path_or_url={data}',
            f'dataset.params.eval_shards_path_or_url={data}', 'experiment.log_every=2',
            'experiment.eval_every=2', 'experiment.generate_every=2', 'training.max_train_steps=4',
            'training.per_gpu_batch_size=2', 'training.num_generated_images=2',
            'dataset.params.dataset_with_class_label=false', 'losses.perceptual_weight=0',
            'lr_scheduler.scheduler=cosine', *more]

def codes(model, x):
    with torch.no_grad(): return model.encode(x).tokens

@pytest.fixture(scope='module')
def place(tmp_path_factory):
    "A folder with pictures, and the four runs over them"
    base = tmp_path_factory.mktemp('stages')
    data = pictures(base/'data', 8, 64)
    for kind in ('red', 'blue'): (base/f'kinds/{kind}').mkdir(parents=True)
    for i, f in enumerate(sorted(data.iterdir())):
        shutil.copy(f, base/'kinds'/('red', 'blue')[i%2])
    started = ['training.quantizer_start=2', 'training.revive_until=3']
    train(load_config('vqgan_tiny', [*common(data, base/'vqgan', *started), *GRID]))
    line = [*GRID, *vit(), 'model.vq_model.codebook_size=16', 'model.vq_model.num_latent_tokens=4',
            f'model.vq_model.pretrained_tokenizer_weight={base}/vqgan']
    train(load_config('titok_tiny_stage1', [*common(data, base/'one', *started), *line]))
    train(load_config('titok_tiny_stage2', [*common(data, base/'two'), *line,
                                            f'experiment.init_weight={base}/one']))
    return base

@pytest.fixture
def x(): return torch.rand(2, 3, 64, 64)

def test_vqgan_is_a_tokenizer_like_any_other(place, x):
    model = load(place/'vqgan')
    assert type(model) is PixelVQGAN
    assert (model.num_tokens, model.codebook_size, model.token_size) == (64, 24, 4)
    ids = codes(model, x)
    with torch.no_grad(): assert model.decode(ids).shape == x.shape
    assert [row.k for row in evaluate(model, x)] == [64]
    held = TokenImage.from_image(model, x[0]).keep(8).decode()
    assert held.shape == (3, 64, 64), 'a grid that was cut short is filled up'

def test_stage_1_names_the_codes_of_the_grid(place, x):
    model = load(place/'one')
    ids = codes(model, x)
    with torch.no_grad():
        assert model.proxy_logits(ids).shape == (2, 24, 8, 8)
        model.attach_pixel_tokenizer(load(place/'vqgan'))
        assert model.decode(ids).shape == x.shape

def test_stage_2_keeps_the_tokens(place, x):
    one, two = load(place/'one'), load(place/'two')
    assert torch.equal(codes(one, x), codes(two, x))
    with torch.no_grad(): assert two.decode(codes(two, x)).shape == x.shape
    grid = load(place/'vqgan').state_dict()
    moved = [k for k, v in two.state_dict().items()
             if k.startswith('pixel_') and not torch.equal(v, grid[k.removeprefix('pixel_')])]
    assert {k.split('.')[0] for k in moved} == {'pixel_decoder', 'pixel_quantize'}
    same = [k for k in one.state_dict() if k.startswith(('encoder.', 'quantize.'))]
    assert all(torch.equal(one.state_dict()[k], two.state_dict()[k]) for k in same)

def test_a_teacher_of_other_sizes_is_refused(place, tmp_path):
    other = ['model.vqgan.codebook_size=32',
             f'model.vq_model.pretrained_tokenizer_weight={place}/vqgan']
    for preset in ('titok_tiny_stage1', 'titok_tiny_stage2'):
        cfg = load_config(preset, [*common(place/'data', tmp_path/'run'), *GRID, *vit(), *other,
                                   'experiment.init_weight=null'])
        with pytest.raises(ValueError, match='codebook_size is 24, model.vqgan.codebook_size=32'):
            train(cfg)

def test_rar_over_the_grid(place):
    cfg = load_config('rar_tiny', [
        *common(place/'kinds', place/'rar', 'dataset.params.dataset_with_class_label=true'),
        f'experiment.tokenizer_checkpoint={place}/vqgan', 'model.vq_model.codebook_size=24',
        'model.vq_model.num_latent_tokens=64', 'model.generator.condition_num_classes=2',
        'model.generator.hidden_size=32', 'model.generator.intermediate_size=64',
        'model.generator.num_hidden_layers=2', 'model.generator.randomness_anneal_start=1',
        'model.generator.randomness_anneal_end=3'])
    train(cfg)
    pipe = load_pipeline(place/'rar')
    assert pipe.tokens(['red', 'blue'], seed=3).shape == (2, 64)
    assert pipe(['blue'], seed=3)[0].size == (64, 64)

def test_presets_name_the_grid_that_ships():
    for name in ('titok_tiny_stage1', 'titok_tiny_stage2'):
        cfg = load_config(name)
        check_teacher(cfg, teacher(cfg))
    cfg = load_config('rar_tiny_grid')
    grid = load(cfg.experiment.tokenizer_checkpoint)
    assert type(grid) is PixelVQGAN
    assert (grid.num_tokens, grid.codebook_size) == (cfg.model.vq_model.num_latent_tokens,
                                                     cfg.model.vq_model.codebook_size)

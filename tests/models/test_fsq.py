"A tokenizer through FSQ does all that one through a codebook does"
import pytest
import torch
from small import vit
from tiny_tokens import pictures
from torch.testing import assert_close

CODES = 2*3*5
TOKENIZER = [
    'model.vq_model.fsq_levels=[2,3,5]', f'model.vq_model.codebook_size={CODES}',
    'model.vq_model.token_size=3', 'model.vq_model.num_latent_tokens=4', *vit()]
SMALL = [
    'dataset.preprocessing.crop_size=16', 'dataset.preprocessing.resize_shorter_edge=16',
    'training.per_gpu_batch_size=4', 'training.max_train_steps=6', 'training.mixed_precision=no',
    'training.num_generated_images=2', 'experiment.save_every=3', 'experiment.eval_every=3',
    'experiment.generate_every=3', 'experiment.log_every=1', 'lr_scheduler.params.warmup_steps=1',
    'lr_scheduler.params.decay_steps=1']


@pytest.fixture(scope='module')
def base(tmp_path_factory):
    folder = tmp_path_factory.mktemp('fsq')
    pictures(folder/'data', 6)
    return folder


@pytest.fixture(scope='module')
def trained(base):
    "Output folder of the preset, made small"
    from tok1d.config import load_config
    from tok1d.train.run import train
    data = base/'data'
    return train(load_config('titok_tiny_fsq', [
        *TOKENIZER, *SMALL, f'experiment.output_dir={base}/run', 'losses.perceptual_weight=0',
        'losses.perceptual_loss=null',
        f'dataset.params.train_shards_path_or_url={data}',
        f'dataset.params.eval_shards_path_or_url={data}']))


@pytest.fixture(scope='module')
def model(trained):
    from tok1d.hub.pretrained import load
    return load(trained)


@pytest.fixture(scope='module')
def images(): return torch.rand(3, 3, 16, 16, generator=torch.Generator().manual_seed(0))


def test_training_learns(trained):
    from tok1d.train.callbacks import read_log
    rows = [r['loss'] for r in read_log(trained/'log.jsonl') if 'loss' in r]
    assert len(rows) >= 6 and rows[-1] < rows[0]


def test_encode_decode(model, images):
    assert not any(k.startswith('quantize') for k in model.state_dict())
    enc = model.encode(images)
    assert enc.tokens.shape == (3, 4) and model.codebook_size == CODES and not model.is_vae
    with torch.no_grad():
        assert_close(model.decode(enc.tokens), model.decode(enc.z), atol=1e-5, rtol=1e-4)
    with pytest.raises(ValueError, match=f'{CODES}'): model.decode(enc.tokens*0 + CODES)


def test_save_load(model, images, tmp_path):
    from tok1d.hub.pretrained import load
    model.save_pretrained(tmp_path/'copy')
    again = load(tmp_path/'copy')
    assert again.encode(images).tokens.equal(model.encode(images).tokens)
    assert again.quantize.levels == (2, 3, 5)


def test_evaluate(model, images):
    from tok1d.eval.reconstruction import evaluate
    *_, row = evaluate(model, images)
    assert row.bits == pytest.approx(model.bits_per_image)


def test_explore_and_search(model, images):
    from tok1d.explore.search import encode_best
    from tok1d.explore.tokens import TokenImage
    best = encode_best(model, images, candidates=6, prefix=0., bf16=False)
    def error(tokens):
        with torch.no_grad():
            return (model.decode(tokens).clamp(0, 1)-images).square().mean((1, 2, 3))
    assert (error(best) <= error(model.encode(images).tokens) + 1e-6).all()
    view = TokenImage(model, images[0], best[0])
    assert view.decode().shape == (3, 16, 16)


def test_tokens_file(model, images, tmp_path):
    from tok1d.data.tokens import TokenSet, check_source, load_tokens, save_tokens, source
    own = source(model, 'fsq')
    tokens = model.encode(images).tokens
    again = load_tokens(save_tokens(TokenSet(tokens, ['a', 'b', 'c'], own), tmp_path/'t.json'))
    check_source(again, own)
    assert again.tokens.equal(tokens) and own.codebook_size == CODES


def test_generator(base, trained, model):
    from tok1d.config import load_config
    from tok1d.hub.pretrained import load
    from tok1d.sample.pipeline import Pipeline
    from tok1d.train.pretokenize import pretokenize
    from tok1d.train.run import train
    pretokenize(str(base/'data'), base/'tokens', str(trained), cpu=True)
    cfg = load_config('rar_tiny', [
        *TOKENIZER[1:], *SMALL, f'experiment.output_dir={base}/rar',
        f'experiment.tokenizer_checkpoint={trained}',
        f'dataset.params.train_shards_path_or_url={base}/tokens', 'training.cpu=true',
        'model.generator.hidden_size=32', 'model.generator.num_hidden_layers=1',
        'model.generator.num_attention_heads=2', 'model.generator.intermediate_size=64',
        'model.generator.condition_num_classes=2', 'model.generator.randomness_anneal_start=2',
        'model.generator.randomness_anneal_end=4'])
    rar = load(train(cfg))
    x = Pipeline(rar, model, ['zero', 'one']).tensor([0, 1], seed=0, progress=False)
    assert x.shape == (2, 3, 16, 16) and x.isfinite().all()


def test_powers(model):
    from tok1d.models.bottleneck import POWERS, powers
    from tok1d.models.quantizer import VQ
    assert powers(model.quantize) == set() and powers(VQ(8, 2)) == set(POWERS)


def test_text_aware(base, images):
    from tok1d.config import load_config
    from tok1d.models.tatitok import TATiTok
    cfg = load_config('titok_tiny_fsq', [*TOKENIZER, *SMALL])
    ta = TATiTok(cfg).eval()
    text = torch.randn(3, 5, ta.text_dim)
    with torch.no_grad(): assert ta.decode(ta.encode(images).tokens, text).shape == images.shape


def test_refused(images):
    from tok1d.config import load_config
    from tok1d.models.titok import TiTok
    for change, why in {
            'quantize_mode=rvq': 'vq, vae, fsq', 'fsq_levels=null': 'fsq_levels is not set',
            'codebook_size=1024': 'make 1000'}.items():
        with pytest.raises(ValueError, match=why):
            TiTok(load_config('titok_tiny_fsq', [f'model.vq_model.{change}']))

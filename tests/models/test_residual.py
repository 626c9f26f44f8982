"A finished tokenizer, continued by further lines, does all that one of a single line does"
import pytest
import torch
from small import vit
from test_fsq import SMALL
from tiny_tokens import pictures
from tok1d.config import load_config
from tok1d.data.token_shards import TokenDataset
from tok1d.eval.reconstruction import evaluate
from tok1d.explore.interpolate import WAYS, interpolate
from tok1d.explore.search import encode_best
from tok1d.explore.tokens import TokenImage
from tok1d.hub.pretrained import load
from tok1d.train.pretokenize import pretokenize
from tok1d.train.run import train

LINE, LINES = 4, 3
TOKENIZER = [f'model.vq_model.num_latent_tokens={LINE}', 'losses.perceptual_weight=0', *vit()]
MORE = [f'model.residual.lines={LINES}', 'model.residual.vit_model_size=64x1x2']
BOTTLENECKS = {
    'vq': ['model.vq_model.codebook_size=32', 'training.quantizer_start=0'],
    'fsq': ['model.vq_model.quantize_mode=fsq', 'model.vq_model.fsq_levels=[2,3,5]',
            'model.vq_model.codebook_size=30', 'model.vq_model.token_size=3']}

@pytest.fixture(scope='module', params=BOTTLENECKS)
def runs(request, tmp_path_factory):
    "Output folders of the first line's training and of the further lines', and their images"
    base = tmp_path_factory.mktemp(request.param)
    pictures(base/'data', 6)
    def run(preset, name, *more):
        return train(load_config(preset, [
            *TOKENIZER, *SMALL, *BOTTLENECKS[request.param], *more,
            f'experiment.output_dir={base/name}',
            f'dataset.params.train_shards_path_or_url={base}/data',
            f'dataset.params.eval_shards_path_or_url={base}/data']))
    first = run('titok_tiny_vq', 'first')
    return first, run('titok_tiny_residual', 'more', f'experiment.init_weight={first}', *MORE), base

@pytest.fixture(scope='module')
def models(runs): return load(runs[0]), load(runs[1])

@pytest.fixture(scope='module')
def images(): return torch.rand(3, 3, 16, 16, generator=torch.Generator().manual_seed(0))

def error(model, tokens, images):
    with torch.no_grad(): return (model.decode(tokens).clamp(0, 1)-images).square().mean((1, 2, 3))

def test_first_line_stays(models, images):
    first, more = models
    assert more.num_tokens == LINE*LINES and more.bits_per_token == first.bits_per_token
    tokens, known = more.encode(images).tokens, first.encode(images).tokens
    assert tokens.shape == (3, LINE*LINES) and tokens[:, :LINE].equal(known)
    assert more.decode(known).equal(first.decode(known))

def test_training_moved_the_further_lines(runs):
    first, more, _ = runs
    before, after = load(first).state_dict(), load(more).state_dict()
    assert all(after[name].equal(value) for name, value in before.items())
    name = 'decoder.transformer.0.mlp.c_fc.weight'
    assert not after[f'residual.{name}'].equal(before[name])

def test_search_and_explore(models, images):
    model = models[1]
    best = encode_best(model, images, candidates=4, prefix=0., bf16=False)
    assert best.shape == (3, LINE*LINES)
    line, plain = best[:, :LINE], model.encode(images).tokens[:, :LINE]
    assert (error(model, line, images) <= error(model, plain, images) + 1e-6).all()
    with torch.no_grad(): assert model.encode(images, first=line).tokens.equal(best)
    ends = [TokenImage(model, image, ids) for image, ids in zip(images, best)]
    for how in WAYS: assert interpolate(*ends[:2], 3, how).pictures.shape == (3, 3, 16, 16)
    holes = ends[0].drop(1, LINE, LINE+2)
    assert holes.decode().isfinite().all() and not holes.decode().equal(ends[0].decode())

def test_evaluate(models, images):
    rows = evaluate(models[1], images)
    assert [r.k for r in rows] == [1, 2, 4, 8, 12]
    assert rows[-1].bits == pytest.approx(models[1].bits_per_image)

def test_pretokenize(runs, models):
    base = runs[2]
    pretokenize(str(base/'data'), base/'tokens', str(runs[1]), cpu=True)
    lines = TokenDataset(str(base/'tokens'))
    assert len(lines) == 12 and len(lines[0]['tokens']) == LINE*LINES

def test_save_load(models, images, tmp_path):
    model = models[1]
    model.save_pretrained(tmp_path/'copy')
    assert load(tmp_path/'copy').encode(images).tokens.equal(model.encode(images).tokens)

def test_bf16(runs, images):
    model = load(runs[1], dtype='bf16')
    with torch.no_grad(): back = model.decode(model.encode(images).tokens)
    assert back.dtype == torch.bfloat16 and back.isfinite().all()

def test_refused(runs, images):
    model = load(runs[1])
    with pytest.raises(ValueError, match='1 to 12'): model.decode(torch.zeros(1, 13).long())
    with pytest.raises(ValueError, match='16×16'): model.encode(torch.rand(1, 3, 32, 32))

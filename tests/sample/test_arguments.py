"What is given for a number, a share, a word or a label: taken as meant, or refused by its name"
import math

import numpy as np
import pytest
import torch

from tok1d.config import load_config
from tok1d.explore.attribution import attribution, neighbours
from tok1d.explore.interpolate import between_classes, between_guidance, blended_class, interpolate
from tok1d.explore.search import encode_best, search, tokens_and_curve
from tok1d.explore.tokens import TokenImage, curve_counts, explore_tokens, token_curve
from tok1d.models.layers import resize_positions, sincos_positions
from tok1d.models.maskgen import MaskGenKL, MaskGenVQ
from tok1d.models.maskgit import ImageBert
from tok1d.models.rar import RAR
from tok1d.models.clip import TextEncoding
from tok1d.models.titok import TiTok
from tok1d.sample.pipeline import Pipeline, TextPipeline

LINE = ['model.vq_model.num_latent_tokens=8']
CODES = [*LINE, 'model.vq_model.codebook_size=64']
CLASSES = [*CODES, 'model.generator.condition_num_classes=3', 'model.generator.hidden_size=32',
           'model.generator.num_hidden_layers=1', 'model.generator.intermediate_size=64',
           'model.generator.num_attention_heads=2']
WORDS = [
    *LINE, 'model.vq_model.text_embed_dim=16', 'model.maskgen.decoder_embed_dim=32',
    'model.maskgen.decoder_depth=1', 'model.maskgen.decoder_num_heads=2', 'model.maskgen.num_iter=4'
]
VECTORS = ['model.vq_model.token_size=4']


class Letters(torch.nn.Module):
    "A prompt is its first four letters"
    width, name, table = 16, 'letters', torch.randn(128, 16)

    def forward(self, prompts, want=()):
        x = torch.stack([self.table[[ord(c) % 128 for c in f'{p:4}'[:4]]] for p in prompts])
        return TextEncoding(x, x, x.mean(1, keepdim=True), None)

    def null(self, want=()): return self([''])


@pytest.fixture(scope='module')
def tokenizer(): return TiTok(load_config('titok_tiny_debug', CODES)).eval()


@pytest.fixture(scope='module')
def pipes(tokenizer):
    vae = TiTok(load_config('titok_tiny_vae', [*LINE, *VECTORS])).eval()
    vq = MaskGenVQ(load_config('maskgen_vq_tiny', [*WORDS, 'model.vq_model.codebook_size=64']))
    kl = MaskGenKL(
        load_config('maskgen_kl_tiny', [
            *WORDS, *VECTORS, 'losses.num_sampling_steps="2"', 'losses.diffloss_w=32',
            'losses.diffloss_d=1']))
    return dict(maskgit=Pipeline(ImageBert(load_config('maskgit_tiny', CLASSES)), tokenizer),
                rar=Pipeline(RAR(load_config('rar_tiny', CLASSES)), tokenizer),
                vq=TextPipeline(vq, tokenizer, Letters()), kl=TextPipeline(kl, vae, Letters()))


FAMILIES = 'maskgit', 'rar', 'vq', 'kl'
NUMBERS = dict(steps=[0, 2.5, True, '8', math.nan, -1,
                      [3]], guidance=['abc', math.nan, math.inf, -1, True, [1],
                                      1j], temperature=['x', -1, math.nan, True],
               start=[1.5, True, 'x', 99, -1], batch_size=[2.5, 0, True, '3',
                                                           None], seed=['x', 1.5, -1, True, [1, 2]],
               top_k=[2.5, 0, True, 'x', math.nan], top_p=['x', 0, 1.5, math.nan,
                                                           True], guidance_pow=['x', -1],
               annealing=['no', 1], prob_sorting=['no', 1], guidance_decay=['flat', 3, ['linear']],
               schedule=['acos', 3], order=['spiral', {},
                                            [0, 1]], aesthetic_score=['x', math.nan, True, [1, 2]])
BAD = [(name, value) for name, values in NUMBERS.items() for value in values]


def asked(pipe): return 'a cat' if isinstance(pipe, TextPipeline) else 1


@pytest.mark.parametrize('family', FAMILIES)
def test_bad_settings(pipes, family, monkeypatch):
    pipe = pipes[family]
    def never(*args, **kwargs): raise AssertionError('a pass over the network')
    monkeypatch.setattr(type(pipe.generator), 'forward', never)
    for name, value in BAD:
        with pytest.raises(ValueError, match=name):
            pipe.tokens(asked(pipe), **{'seed': 0, name: value})


@pytest.mark.parametrize('family', FAMILIES)
def test_numbers_of_other_libraries(pipes, family):
    pipe, plain = pipes[family], dict(guidance=2., temperature=.5)
    theirs = dict(guidance=np.float32(2), temperature=torch.tensor(.5))
    if family != 'rar': plain, theirs = plain | dict(steps=3), theirs | dict(steps=np.int64(3))
    want = pipe.tokens(asked(pipe), seed=3, **plain)
    assert pipe.tokens(asked(pipe), seed=np.uint8(3), batch_size=np.int32(2), **theirs).equal(want)


def test_labels(pipes):
    pipe = pipes['maskgit']
    for good in np.int64(2), torch.tensor(2), '2', [2], np.array([2]), torch.tensor([2]):
        assert pipe.tokens(good, seed=0).equal(pipe.tokens(2, seed=0))
    for bad in '²', '1.0', 1.0, True, None, b'1', [None], math.nan, 3, -1, '٣', [[1]]:
        with pytest.raises(ValueError, match='class|asked'): pipe.tokens(bad, seed=0)
    for bad in 3, None, ['a', 3], b'cat':
        with pytest.raises(ValueError, match='prompt|asked'): pipes['vq'].tokens(bad, seed=0)
    with pytest.raises(ValueError, match='condition'): pipe.generator.generate('fox')
    with pytest.raises(ValueError, match='generator'): pipe.generator.generate([1], generator=3)


def test_settings_of_each_family(pipes):
    takes = {family: {*pipe.settings} for family, pipe in pipes.items()}
    assert 'steps' not in takes['rar'] and 'annealing' not in takes['rar'] | takes['kl']
    assert 'prob_sorting' in takes['vq'] and 'top_k' not in takes['kl']
    for family, pipe in pipes.items():  # each that is named is accepted
        some = dict(steps=2, guidance=2., guidance_decay='linear', guidance_pow=1., temperature=1.,
                    annealing=False, schedule='cosine', order='raster', prob_sorting=False, top_k=5,
                    top_p=.9, aesthetic_score=5.)
        pipe.tokens(asked(pipe), seed=0, **{k: v for k, v in some.items() if k in takes[family]})
        for idle in some.keys() - takes[family]:
            with pytest.raises(ValueError,
                               match=f'{idle}: .* draws without it; what one may choose is'):
                pipe.check_settings([idle])


def test_help_tells_the_truth():
    "Which families use a flag, in its help and in the samplers"
    from tok1d.eval.commands import CONTROLS
    from tok1d.sample import autoregressive, masked, maskgen_kl, maskgen_vq
    uses = {
        'MaskGIT': masked, 'RAR': autoregressive, 'MaskGen-VQ': maskgen_vq, 'MaskGen-KL': maskgen_kl
    }
    for name, control in CONTROLS.items():
        said = {*control.families.split(', ')}
        if 'MaskGen' in said: said = said - {'MaskGen'} | {'MaskGen-VQ', 'MaskGen-KL'}
        if said == {'every generator'}: said = {*uses}
        assert said == {family for family, module in uses.items() if name in module.SETTINGS}, name
    assert {*CONTROLS} == {name for module in uses.values() for name in module.SETTINGS}


def test_positions():
    table = torch.randn(17, 8)
    for bad in 0, -1, 2.5, True, '4', None:
        with pytest.raises(ValueError, match='grid'): resize_positions(table, bad)
        with pytest.raises(ValueError, match='grid'): sincos_positions(bad, 8)
    assert resize_positions(table, np.int64(8)).shape == (65, 8)


def test_image_sizes(tokenizer):
    "The truth about what is wrong with a size, and what would help"
    s, patch = tokenizer.image_size, tokenizer.config.model.vq_model.vit_enc_patch_size
    for h, w, do in ((s, s+s//2, 'crop the longer side'), (s//2, s, 'pad the shorter side'),
                     (s+1, s+2, 'resize them'), (2*s, 2*s, 'resize_positions')):
        with pytest.raises(ValueError, match=f'{h}×{w} pixels.*{do}'):
            tokenizer.encode(torch.rand(1, 3, h, w))
    with pytest.raises(ValueError) as e: tokenizer.encode(torch.rand(1, 3, s+patch-1, s+patch-1))
    assert 'resize_positions' not in str(e.value)  # which would refuse it
    for bad in 0, 1.5, True, 's':
        with pytest.raises(ValueError, match='image_size'): tokenizer.resize_positions(bad)
        with pytest.raises(ValueError, match='keep'): tokenizer(torch.rand(1, 3, s, s), keep=bad)


def test_workbench(tokenizer):
    s, rng = tokenizer.image_size, torch.Generator().manual_seed(0)
    images = torch.rand(2, 3, s, s, generator=rng)
    a, b = (TokenImage.from_image(tokenizer, x) for x in images)
    bad = 1.5, True, 'x', -1, None
    calls = dict(code=lambda v: a.put(0, v), c=lambda v: a.neighbours(0, v),
                 step=lambda v: a.nudge(0, v), among=lambda v: a.nudge(0, 1, 'pixels', v),
                 steps=lambda v: interpolate(a, b, v),
                 seed=lambda v: interpolate(a, b, 3, how='tokens', order='random', seed=v),
                 passes=lambda v: [*search(tokenizer, images, 2, v)],
                 candidates=lambda v: [*search(tokenizer, images, v)],
                 batch_size=lambda v: encode_best(tokenizer, images, 2, batch_size=v),
                 points=lambda v: curve_counts(8, v))
    for name, call in calls.items():
        for value in bad:
            with pytest.raises(ValueError, match=f'{name}='): call(value)
    for value in bad:
        with pytest.raises(ValueError, match='no token at'): a.drop(value)
        with pytest.raises(ValueError, match='no token at'): a.take(b, value)
        with pytest.raises(ValueError, match='candidates='):
            tokens_and_curve(tokenizer, images[0], value)
    for value in 1.5, True, 'x', 0:
        with pytest.raises(ValueError, match='k='): explore_tokens(tokenizer, images[0], value)
        with pytest.raises(ValueError, match='k='): token_curve(tokenizer, images, [value])
    assert a.take(b, np.int64(1)).tokens[1] == b.tokens[1] and len(a.drop(np.int64(2)).dropped) == 1


def test_workbench_of_fractions(tokenizer, pipes):
    images = torch.rand(2, 3, tokenizer.image_size, tokenizer.image_size)
    a, b = (TokenImage.from_image(tokenizer, x) for x in images)
    v = TokenImage.from_image(pipes['kl'].tokenizer, torch.rand(3, 64, 64))
    for bad in 'x', math.nan, None, True:
        with pytest.raises(ValueError, match='db='): a.fewest(bad)
        with pytest.raises(ValueError, match='amount='): v.move(0, 1, bad)
        with pytest.raises(ValueError, match='low='): between_guidance(pipes['maskgit'], 0, bad, 3.)
        with pytest.raises(ValueError, match='t='):
            blended_class(pipes['maskgit'].generator, 0, 1, bad).__enter__()
    for bad in 'x', 9, -1, torch.ones(2), True, 1.5, None:
        with pytest.raises(ValueError, match='direction'): v.move(0, bad)
    assert v.move(0, np.int64(1)).tokens[0].sub(v.tokens[0]).count_nonzero() == 1
    for bad in 'size', None, 3:
        with pytest.raises(ValueError, match='by='): attribution(a, bad)
        with pytest.raises(ValueError, match='how='): interpolate(a, b, 3, how=bad)
    with pytest.raises(ValueError, match='c='): neighbours(a, 0)
    with pytest.raises(ValueError, match='steps='): between_classes(pipes['maskgit'], 0, 1, 1.5)


def test_nothing_is_written_for_a_bad_setting(tmp_path):
    "A set of samples keeps its protocol from its first moment, so that must be a good one"
    from tok1d.eval.sampling import sample_set
    for bad in (dict(guidance_decay='flat'), dict(prob_sorting=True), dict(temperature=-1.),
                dict(order='spiral'), dict(each=0), dict(part=8), dict(part=24), dict(seed=-1),
                dict(batch_size=2.5), dict(pngs='x')):
        with pytest.raises(ValueError, match=[*bad][0]):
            sample_set(tmp_path/'x', 'tok1d-tiny-maskgit', **{'each': 1, 'progress': False} | bad)
    assert not (tmp_path/'x').exists()

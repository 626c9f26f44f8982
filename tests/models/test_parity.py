"What the published models compute, on weights that anyone can redraw (tests/support/parity)"
import pytest
import generator_cases as cases
from parity_case import Case
from tok1d.models.quantizer import VQ
from tok1d.models.tatitok import TATiTok
from tok1d.models.titok import TiTok
from tok1d.models.vqgan import PixelVQGAN
from tok1d.ops.backend import triton


def line(x): return x.flatten(2).transpose(1, 2)  # published `b c 1 n` to our `b n c`


@pytest.mark.parametrize('name', ['titok_vq', 'titok_vq_legacy', 'titok_vq_stage2'])
def test_titok_vq(name):
    case = Case(name)
    model = case.fill(TiTok(case.config))
    enc = model.encode(case['image'])
    case.close(enc.aux['latents'], line(case['z']), 'z')
    case.close(enc.z, line(case['z_quantized']), 'z_quantized')
    assert enc.tokens.equal(case['indices'].flatten(1))
    for k in 'quantizer_loss', 'commitment_loss', 'codebook_loss':
        case.close(enc.aux[k], case[k], k)
    decode = model.proxy_logits if model.stage == 1 else model.decode
    case.close(decode(enc.tokens), case['decoded'], 'decoded')
    case.close(decode(enc.z), case['decoded'], 'decoded')
    case.close(model(case['image']).decoded, case['decoded'], 'decoded')


def test_titok_vae():
    case = Case('titok_vae')
    model = case.fill(TiTok(case.config))
    enc = model.encode(case['image'])
    post = enc.aux['posterior']
    case.close(enc.aux['latents'], line(case['z']), 'z')
    case.close(post.mean, line(case['mean']), 'mean')
    case.close(post.logvar, line(case['logvar']), 'logvar')
    case.close(post.kl(), case['kl'].sum(1), 'kl')  # the published sum runs over channels alone
    case.close(enc.tokens, line(case['mode']), 'mode')
    case.close(model.decode(enc.tokens), case['decoded'], 'decoded')


def test_tatitok_vq():
    case = Case('tatitok_vq')
    model = case.fill(TATiTok(case.config))
    text = case['text_guidance']
    enc = model.encode(case['image'])
    case.close(enc.z, line(case['z_quantized']), 'z_quantized')
    assert enc.tokens.equal(case['indices'].flatten(1))
    case.close(enc.aux['quantizer_loss'], case['quantizer_loss'], 'quantizer_loss')
    case.close(model.decode(enc.tokens, text), case['decoded'], 'decoded')
    case.close(model(case['image'], text=text)[0], case['decoded'], 'decoded')


def test_tatitok_vae():
    case = Case('tatitok_vae')
    model = case.fill(TATiTok(case.config))
    enc = model.encode(case['image'])
    post = enc.aux['posterior']
    case.close(post.mean, line(case['mean']), 'mean')
    case.close(post.logvar, line(case['logvar']), 'logvar')
    case.close(post.kl(), case['kl'].sum(1), 'kl')
    case.close(model.decode(enc.tokens, case['text_guidance']), case['decoded'], 'decoded')


def test_pixel_vqgan():
    case = Case('maskgit_vqgan')
    model = case.fill(PixelVQGAN())
    enc = model.encode(case['image'])
    case.close(enc.aux['latents'], line(case['hidden']), 'hidden')
    assert enc.tokens.equal(case['codes'])
    case.close(model.decode(enc.tokens), case['decoded'], 'decoded')


# interpreted, the kernels take minutes for whole models; test_ops has them by themselves
INTERPRETED = [pytest.mark.long,
               pytest.mark.skipif(triton is None, reason='no Triton on this platform')]
BACKENDS = pytest.mark.parametrize(
    'backend', ['auto', 'reference', pytest.param('triton', marks=INTERPRETED)])

@BACKENDS
@pytest.mark.parametrize('name', ['maskgit_vit', 'maskgit_uvit'])
def test_maskgit(call, backend, name): call(backend, cases.maskgit, name)

@BACKENDS
def test_rar(call, backend): call(backend, cases.rar)

@BACKENDS
@pytest.mark.parametrize('name', ['maskgen_vq_tied', 'maskgen_vq_untied'])
def test_maskgen_vq(call, backend, name): call(backend, cases.maskgen_vq, name)

@BACKENDS
def test_maskgen_kl(call, backend): call(backend, cases.maskgen_kl)

@BACKENDS
@pytest.mark.parametrize('name', cases.GRADIENTS)
def test_gradients(call, backend, name): call(backend, cases.gradients, name)

@BACKENDS
@pytest.mark.parametrize('name', cases.SAMPLERS)
def test_same_tokens(call, backend, name): call(backend, cases.same_tokens, name)


def test_clustering():
    case = Case('vq_clustering')
    vq = VQ(32, 4, commitment_cost=.25, use_l2_norm=False, clustering_vq=True).train()
    case.check_names(vq)
    vq.embedding.weight.data.copy_(case['weight_before'])
    out = vq(line(case['z']))
    assert out.tokens.equal(case['indices'].flatten(1))
    case.close(out.aux['quantizer_loss'], case['quantizer_loss'], 'quantizer_loss')
    case.close(vq.embed_prob, case['embed_prob_after'], 'embed_prob')
    case.close(vq.embedding.weight, case['weight_after'], 'weight')

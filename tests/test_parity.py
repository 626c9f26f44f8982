"What the published models compute, on weights that anyone can redraw (tests/parity)"
import pytest, torch
from parity_case import Case
from tok1d.models.diffloss import posterior
from tok1d.models.maskgen import MaskGenKL, MaskGenVQ
from tok1d.models.maskgit import ImageBert, UViTBert
from tok1d.models.quantizer import VQ
from tok1d.models.rar import RAR
from tok1d.models.tatitok import TATiTok
from tok1d.models.titok import TiTok
from tok1d.models.vqgan import PixelVQGAN
from tok1d.sample.autoregressive import sample, sample_plain


def line(x): return x.flatten(2).transpose(1, 2)  # published `b c 1 n` to our `b n c`


@pytest.mark.parametrize('name', ['titok_vq', 'titok_vq_legacy', 'titok_vq_stage2'])
def test_titok_vq(name):
    case = Case(name)
    model = case.fill(TiTok(case.config))
    enc = model.encode(case['image'])
    case.close(enc.aux['latents'], line(case['z']), 'z')
    case.close(enc.z, line(case['z_quantized']), 'z_quantized')
    assert enc.tokens.equal(case['indices'].flatten(1))
    for k in 'quantizer_loss', 'commitment_loss', 'codebook_loss': case.close(enc.aux[k], case[k], k)
    case.close(model.decode(enc.tokens), case['decoded'], 'decoded')
    case.close(model.decode(enc.z), case['decoded'], 'decoded')
    case.close(model(case['image'])[0], case['decoded'], 'decoded')


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


@pytest.mark.parametrize('name, kind', [('maskgit_vit', ImageBert), ('maskgit_uvit', UViTBert)])
def test_maskgit(name, kind):
    case = Case(name)
    model = case.fill(kind(case.config))
    null = torch.full_like(case['condition'], model.null_class)
    case.close(model(case['input_ids'], case['condition']), case['logits_cond'], 'logits_cond')
    case.close(model(case['input_ids'], null), case['logits_uncond'], 'logits_uncond')


def test_rar():
    case = Case('rar')
    model = case.fill(RAR(case.config))
    ids, cls, orders = case['ids'], case['class_id'], case['orders']
    null = torch.full_like(cls, model.null_class)
    def first(name): return case[name][:, :-1]  # the published logits go on behind the last token
    case.close(model(ids, cls), first('logits_raster'), 'logits_raster')
    case.close(model(ids, null), first('logits_uncond'), 'logits_uncond')
    case.close(model(ids, cls, orders), first('logits_shuffled'), 'logits_shuffled')
    case.close(ids.gather(1, orders), case['labels_shuffled'], 'labels_shuffled')
    case.close(model(ids, cls), case['logits_stepwise'], 'logits_stepwise')
    for draw in sample, sample_plain:
        *_, last = draw(model, cls, temperature=0., guidance=4., guidance_pow=2.5)
        case.close(last.tokens, case['greedy_ids'], 'greedy_ids')
        steps = draw(model, cls, guidance=0., tokens=ids, known=torch.arange(ids.shape[1]) < ids.shape[1]-1)
        case.close(torch.stack([s.logits for s in steps], 1), case['logits_stepwise'], 'logits_stepwise')


@pytest.mark.parametrize('name', ['maskgen_vq_tied', 'maskgen_vq_untied'])
def test_maskgen_vq(name):
    case = Case(name)
    model = case.fill(MaskGenVQ(case.config))
    case.close(model(case['ids'], case['condition'], case['condition_pooled'], case['aesthetic_score']), case['logits'], 'logits')


def test_maskgen_kl():
    case = Case('maskgen_kl')
    model = case.fill(MaskGenKL(case.config))
    case.close(model.waves(case['aesthetic_score'], 32), case['micro_condition'], 'micro_condition')
    z = model(case['tokens'], case['condition'], case['condition_pooled'], case['aesthetic_score'], case['mask'])
    case.close(z, case['z'], 'z')
    close = lambda actual, name: case.close(actual, case[name], name, tol=1e-3)
    head, x, t, z = model.diffloss, case['diff_x'], case['diff_t'], case['z'][:, :3]
    xt = head.noisy(x, t, case['diff_noise'])
    close(xt, 'diff_q_sample')
    close(torch.cat(head.noise_and_variance(x, t, z[0]), -1), 'diff_out')
    eps, v = head.noise_and_variance(x.repeat(2, 1), t.repeat(2), z.flatten(0, 1))
    guided = eps[3:] + 3.0*(eps[:3] - eps[3:])
    close(torch.cat([guided.repeat(2, 1), v], -1), 'diff_out_cfg')
    for actual, name in zip(head.terms(x, t, z[0], case['diff_noise']), ('loss', 'mse', 'vb')): close(actual, f'diff_{name}')
    walk = head.walk
    assert torch.from_numpy(walk.levels).equal(case['gen_timestep_map'])
    close(torch.from_numpy(head.levels.betas), 'train_betas')
    close(torch.from_numpy(walk.betas), 'gen_betas')
    p = posterior(walk, x, case['gen_t'], *head.noise_and_variance(x, case['gen_timestep_map'][case['gen_t']], z[0]))
    for actual, name in zip(p, ('mean', 'log_variance', 'pred_xstart')): close(actual, f'gen_{name}')


def test_clustering():
    case = Case('vq_clustering')
    vq = VQ(32, 4, commitment_cost=.25, use_l2_norm=False, clustering_vq=True).train()
    case.check_names(vq)
    vq.embedding.weight.data.copy_(case['weight_before'])
    out = vq(line(case['z']))
    assert out.ids.equal(case['indices'].flatten(1))
    case.close(out.losses['quantizer_loss'], case['quantizer_loss'], 'quantizer_loss')
    case.close(vq.embed_prob, case['embed_prob_after'], 'embed_prob')
    case.close(vq.embedding.weight, case['weight_after'], 'weight')

"""Generators against the parity cases, and with ops against without

For tests/models/test_parity.py, which runs them in a process where Triton interprets kernels, too.
"""
from functools import wraps
from importlib import import_module
from unittest.mock import patch

import torch
from parity_case import Case
from torch.testing import assert_close
from torch.utils._python_dispatch import TorchDispatchMode
from tok1d.models.diffloss import posterior
from tok1d.models.maskgen import MaskGenKL, MaskGenVQ
from tok1d.models.maskgit import ImageBert, UViTBert
from tok1d.models.rar import RAR
from tok1d.ops import skinny
from tok1d.ops.backend import interpreting, use_ops
from tok1d.sample.autoregressive import sample, sample_plain

KINDS = dict(rar=RAR, maskgit_vit=ImageBert, maskgit_uvit=UViTBert, maskgen_vq_tied=MaskGenVQ,
             maskgen_vq_untied=MaskGenVQ, maskgen_kl=MaskGenKL)
# that a sampler calls
OPS = dict(rar={'guided', 'skinny'}, maskgit_vit={'guided', 'remask'},
           maskgen_vq_tied={'adaln', 'guided', 'remask'}, maskgen_kl={'adaln'})
GRADIENTS = ['rar', 'maskgen_vq_tied', 'maskgen_kl']
SAMPLERS = dict(
    rar=[
        dict(guidance=4., guidance_pow=1.),
        dict(guidance=0., temperature=1.3, top_k=5, top_p=.9),
        dict(temperature=0., top_p=.5)
    ], maskgit_vit=[
        dict(steps=3, guidance=3., annealing=True),
        dict(steps=2, order='random', top_p=.9),
        dict(steps=2, temperature=0.)
    ], maskgen_vq_tied=[dict(steps=2),
                        dict(steps=2, guidance=0., top_k=5, prob_sorting=False)],
    maskgen_kl=[dict(steps=2)])


def filled(name):
    case = Case(name)
    return case, case.fill(KINDS[name](case.config))


class Called(TorchDispatchMode):
    "The ops of ours that were called"
    def __init__(self):
        super().__init__()
        self.ops = set()
    def __torch_dispatch__(self, f, types, args=(), kwargs=None):
        if f.namespace == 'tok1d': self.ops.add(f._schema.name.split('::')[1])
        return f(*args, **(kwargs or {}))


def under(case):
    "`case(backend, …)`: within the backend"
    @wraps(case)
    def run(backend, *args):
        assert backend != 'triton' or interpreting(), 'started without TRITON_INTERPRET=1'
        # an interpreter takes as long for few outputs as for many
        with use_ops(backend), patch.object(skinny, 'OUTPUTS', 256): return case(*args)
    return run


@under
def maskgit(name):
    case, model = filled(name)
    null = torch.full_like(case['condition'], model.null_class)
    case.close(model(case['input_ids'], case['condition']), case['logits_cond'], 'logits_cond')
    case.close(model(case['input_ids'], null), case['logits_uncond'], 'logits_uncond')


@under
def rar():
    case, model = filled('rar')
    ids = case['ids']
    cls = case['class_id']
    orders = case['orders']
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
        steps = draw(model, cls, guidance=0., tokens=ids, known=torch.arange(ids.shape[1])
                     < ids.shape[1]-1)
        case.close(torch.stack([s.logits for s in steps], 1), case['logits_stepwise'],
                   'logits_stepwise')


@under
def maskgen_vq(name):
    case, model = filled(name)
    case.close(
        model(case['ids'], case['condition'], case['condition_pooled'], case['aesthetic_score']),
        case['logits'], 'logits')


@under
def maskgen_kl():
    case, model = filled('maskgen_kl')
    case.close(model.waves(case['aesthetic_score'], 32), case['micro_condition'], 'micro_condition')
    z = model(case['tokens'], case['condition'], case['condition_pooled'], case['aesthetic_score'],
              case['mask'])
    case.close(z, case['z'], 'z')
    close = lambda actual, name: case.close(actual, case[name], name, tol=1e-3)
    head = model.diffloss
    x = case['diff_x']
    t = case['diff_t']
    z = case['z'][:, :3]
    xt = head.noisy(x, t, case['diff_noise'])
    close(xt, 'diff_q_sample')
    close(torch.cat(head.noise_and_variance(x, t, z[0]), -1), 'diff_out')
    eps, v = head.noise_and_variance(x.repeat(2, 1), t.repeat(2), z.flatten(0, 1))
    guided = eps[3:] + 3.0*(eps[:3] - eps[3:])
    close(torch.cat([guided.repeat(2, 1), v], -1), 'diff_out_cfg')
    for actual, name in zip(head.terms(x, t, z[0], case['diff_noise']), ('loss', 'mse', 'vb')):
        close(actual, f'diff_{name}')
    walk = head.walk
    assert torch.from_numpy(walk.levels).equal(case['gen_timestep_map'])
    close(torch.from_numpy(head.levels.betas), 'train_betas')
    close(torch.from_numpy(walk.betas), 'gen_betas')
    p = posterior(walk, x, case['gen_t'],
                  *head.noise_and_variance(x, case['gen_timestep_map'][case['gen_t']], z[0]))
    for actual, name in zip(p, ('mean', 'log_variance', 'pred_xstart')):
        close(actual, f'gen_{name}')


def loss(case, model):
    "A number that every parameter has a part in"
    if isinstance(model, RAR):
        return model(case['ids'], case['class_id'], case['orders']).square().mean()
    words = case['condition'], case['condition_pooled'], case['aesthetic_score']
    if isinstance(model, MaskGenVQ): return model(case['ids'], *words).square().mean()
    z = model(case['tokens'], *words, case['mask'])
    return model.diffloss(case['tokens'].flatten(0, 1), z.flatten(0, 1),
                          generator=torch.Generator().manual_seed(0)).loss


def gradients(backend, name):
    "With the op as without"
    found = []
    for b in 'plain', backend:
        case, model = filled(name)
        with Called() as called: under(lambda: loss(case, model).backward())(b)
        assert called.ops == (set() if b in ('plain', 'auto') else {'adaln', 'adaln_grad'})
        found.append({k: p.grad for k, p in model.named_parameters() if p.grad is not None})
    want, got = found
    assert want.keys() == got.keys() and len(want) > 20
    # the bias of the keys has no gradient: softmax does not see it, and what is left is rounding
    floor = 1e-7*max(g.abs().max().item() for g in want.values())
    for k, g in want.items():
        assert_close(got[k], g, rtol=1e-4, atol=max(floor, 1e-4*g.abs().max().item()),
                     msg=lambda m: f'{k}: {m}')


def same_tokens(backend, name):
    "A sampler draws the same with the ops as without"
    case, model = filled(name)
    words, pooled = case['condition'], case.tensors.get('condition_pooled')
    if name.startswith('maskgen'):
        ask = dict(condition=(words[:, :9], pooled), null=(words[:1, :9]*0, pooled[:1]*0))
    else: ask = dict(condition=[0, 1])
    if name == 'maskgen_kl': model.diffloss.steps = 4
    called = Called()
    for how in SAMPLERS[name]:
        draw = under(lambda: list(import_module(model.sampler).sample(model, **ask, seed=1, **how)))
        plain = draw('plain')
        with called: ours = draw(backend)
        for a, b in zip(plain, ours, strict=True):
            assert a.known.equal(b.known)
            if not a.tokens.is_floating_point(): assert a.tokens.equal(b.tokens)
            if a.tokens.is_floating_point(): case.close(b.tokens, a.tokens, 'tokens', tol=1e-3)
            for x, y in (a.confidence, b.confidence), (a.logits, b.logits):
                if x is not None: assert_close(x, y, rtol=1e-4, atol=1e-4)
    assert called.ops == (set() if backend == 'auto' else OPS[name])

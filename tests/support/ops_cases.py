"""Calls of the fused ops

For tests/ops/test_ops.py, which runs them in a process where Triton interprets kernels.
"""
import torch
from torch.testing import assert_close
from tok1d.ops.adaln import adaln, adaln_op
from tok1d.ops.backend import interpreting, use_ops
from tok1d.ops.guided import guided, guided_op, philox, remask, remask_op
from tok1d.ops.nearest import nearest, nearest_both, nearest_dist, nearest_op, sq_distances
from tok1d.ops.skinny import linear_or_plain, skinny, skinny_op
from tok1d.sample.masked import surest

TOL = {torch.float64: 1e-9, torch.float32: 1e-5, torch.bfloat16: 2e-2, torch.float16: 2e-3}


def draw(*shape, dtype=torch.float32, seed=0, strided=False):
    "Normal numbers; `strided`: lying apart in memory, in both of the last directions"
    g = torch.Generator().manual_seed(seed + sum(shape))
    if not strided: return torch.randn(shape, generator=g).to(dtype)
    *lead, n, d = shape
    return torch.randn(*lead, d*2, n + 1, generator=g).to(dtype).transpose(-1, -2)[..., :n, ::2]


class NaNs:
    """Within this block, new tensors are full of NaN (integers

    Of a huge number), so that what a kernel leaves out shows.
    """
    def __enter__(self):
        self.old = torch.are_deterministic_algorithms_enabled(
        ), torch.utils.deterministic.fill_uninitialized_memory
        torch.use_deterministic_algorithms(True)
        torch.utils.deterministic.fill_uninitialized_memory = True
        assert torch.empty(3).isnan().all()
    def __exit__(self, *_):
        torch.use_deterministic_algorithms(self.old[0])
        torch.utils.deterministic.fill_uninitialized_memory = self.old[1]


def run(backend, f, *args, **kw):
    assert backend != 'triton' or interpreting(), 'started without TRITON_INTERPRET=1'
    with use_ops(backend), NaNs(): return f(*args, **kw)


def assert_nearest(ids, d, tol):
    """`ids` are the lowest in each row of `d`, but for rounding

    Exactly, wherever the second is not as near.
    """
    assert ids.min() >= 0 and ids.max() < d.shape[1]
    best = d.amin(1)
    assert_close(d.gather(1, ids[:, None])[:, 0], best, rtol=0, atol=tol)
    if d.shape[1] > 1:
        clear = d.topk(2, largest=False).values.diff()[:, 0] > tol
        assert torch.equal(ids[clear], d.argmin(1)[clear])


def nearest_case(backend, m, k, d, dtype, l2, strided):
    z = draw(m, d, dtype=dtype, strided=strided)
    emb = draw(k, d, dtype=dtype, seed=1, strided=strided)
    unit = lambda x: torch.nn.functional.normalize(x, dim=-1) if l2 else x
    zz, ee = [x.double().requires_grad_() for x in (z, emb)]
    D = sq_distances(unit(zz), unit(ee))
    tol = (1e-6 if dtype != torch.float64 else 1e-13)*D.max().item()
    two = run(backend, nearest_both, z, emb, l2)
    assert_nearest(two.ids, D.detach(), tol)
    assert_nearest(two.rows, D.detach().T, tol)
    assert torch.equal(run(backend, nearest, z, emb, l2), two.ids)
    assert_close(2*two.scores.double() + unit(ee).pow(2).sum(-1), D.amin(0), rtol=0, atol=2*tol)
    z.requires_grad_(), emb.requires_grad_()
    found = run(backend, nearest_dist, z, emb, l2)
    chosen = D.gather(1, found.ids[:, None])[:, 0]
    assert_close(found.dist.double(), chosen, rtol=1e-5, atol=tol)
    w = draw(m).to(found.dist.dtype)
    run(backend, (found.dist*w).sum().backward)
    (chosen*w).sum().backward()
    for ours, ref in (z.grad, zz.grad), (emb.grad, ee.grad):
        assert_close(ours.double(), ref, rtol=TOL[dtype], atol=TOL[dtype]*ref.abs().max().item())


def nearest_ties(backend, dtype):
    """Small integers, and random vectors several times over

    On a grid, so that distances are exact in every order of sums.
    """
    z, emb = [
        torch.randint(-1, 2, (n, 3), generator=torch.Generator().manual_seed(n)).to(dtype)
        for n in (150, 131)
    ]
    some = (draw(37, 19)*8).round().div(8).clamp(-2, 2).to(dtype)
    for a, b in (z, emb), (torch.cat([some]*4), torch.cat([some]*3)):
        D = torch.cdist(a.double(), b.double(), compute_mode='donot_use_mm_for_euclid_dist')
        two = run(backend, nearest_both, a, b)
        assert torch.equal(two.ids, D.argmin(1)) and torch.equal(two.rows, D.argmin(0))


def nearest_library(backend):
    z, emb = draw(20, 7).requires_grad_(), draw(9, 7, seed=1).requires_grad_()
    with use_ops(backend):
        for both in False, True:
            torch.library.opcheck(
                nearest_op, (z, emb, both),
                test_utils=('test_schema', 'test_autograd_registration', 'test_faketensor'))
        for f in nearest, nearest_both, nearest_dist:
            for l2 in False, True:
                fast = torch.compile(f, fullgraph=True, backend='aot_eager')
                for ours, ref in zip(fast(z, emb, l2), f(z, emb, l2)): assert_close(ours, ref)
        with torch.autocast('cpu', torch.bfloat16):
            assert torch.equal(nearest(z, emb), sq_distances(z.double(), emb.double()).argmin(1))
    if backend == 'reference':
        z, emb = z.double().detach().requires_grad_(), emb.double().detach().requires_grad_()
        for l2 in False, True:
            torch.autograd.gradcheck(lambda *x: nearest_dist(*x, l2).dist, (z, emb))


ADALN = 'x shift scale branch gate weight bias'.split()

def adaln_case(backend, shape, mod, d, dtype, gated, affine, strided, mixed=False):
    names = ADALN[:3] + ADALN[3:5]*gated + ADALN[5:]*affine
    shapes = dict.fromkeys(ADALN, (*mod, d)) | dict(x=(*shape, d), branch=(*shape, d),
                                                    weight=(1, d), bias=(1, d))
    ins = {k: draw(*shapes[k], dtype=dtype, seed=i, strided=strided) for i, k in enumerate(names)}
    if mixed: ins['x'] = ins['x'].float()
    if affine: ins |= {k: ins[k][0] for k in ('weight', 'bias')}
    wide = {k: v.double().requires_grad_() for k, v in ins.items()}
    for v in ins.values(): v.requires_grad_()
    r = wide['x'] + wide['gate']*wide['branch'] if gated else wide['x']
    if gated: r = r + (r.to(ins['x'].dtype).double() - r).detach()  # the norm sees what was stored
    a = (r - r.mean(-1, keepdim=True))*(r.var(-1, correction=0, keepdim=True) + 1e-6).rsqrt()
    if affine: a = a*wide['weight'] + wide['bias']
    want = r, a*(1 + wide['scale']) + wide['shift']
    ours = run(backend, adaln, **ins)
    g = [draw(*shape, d, seed=9 + i).to(o.dtype) for i, o in enumerate(ours)]
    grads = run(backend, torch.autograd.grad, ours, list(ins.values()), g)
    ref = torch.autograd.grad(want, list(wide.values()), [t.double() for t in g])
    for name, o, w in zip(['out.x', 'out.y', *names], [*ours, *grads], [*want, *ref]):
        assert name[0] == 'o' or (o.dtype, o.shape) == (ins[name].dtype, ins[name].shape), name
        tol = 4*TOL[dtype]
        assert_close(o.double(), w, rtol=tol, atol=tol*w.abs().max().item(),
                     msg=lambda m: f'{name}: {m}')


def adaln_library(backend):
    x = draw(2, 3, 5)
    branch = draw(2, 3, 5, seed=1)
    w = draw(5)
    for mod in (2, 1, 5), (1, 3, 5), (2, 3, 5):
        ins = [x, branch, *[draw(*mod, seed=i) for i in (3, 4, 5)], w, w + 1]
        for t in ins: t.requires_grad_()
        with use_ops(backend):
            torch.library.opcheck(
                adaln_op, (*ins, 1e-6),
                test_utils=('test_schema', 'test_autograd_registration', 'test_faketensor'))
            f = lambda x, b, g, sh, sc, w, bi: torch.stack(adaln(x, sh, sc, b, g, w, bi)).pow(
                3).mean()
            fast = torch.compile(f, fullgraph=True, backend='aot_eager')
            for o, r in zip(torch.autograd.grad(fast(*ins), ins), torch.autograd.grad(f(*ins),
                                                                                      ins)):
                assert_close(o, r)
            with torch.autocast('cpu', torch.bfloat16):
                assert_close(
                    adaln(x, ins[3], ins[4], branch, ins[2]).y,
                    adaln(x, ins[3], ins[4], branch, ins[2]).y.float())
        if backend == 'reference':
            wide = [t.detach().double().requires_grad_() for t in ins]
            torch.autograd.gradcheck(lambda *a: adaln_op(*a, 1e-6)[:2], wide)
            torch.autograd.gradcheck(lambda x, sh, sc: adaln(x, sh, sc).y, [wide[0], *wide[3:5]])


def guided_case(backend, r, k, dtype, rule, top_k, top_p, given, strided):
    cond = draw(r, k, dtype=dtype, strided=strided)
    unc = draw(r, k, dtype=dtype, seed=1, strided=strided) if rule else None
    s, t, noise = draw(3, r, seed=2).abs() + .1
    u = torch.rand(r, k, generator=torch.Generator().manual_seed(r)) if given else philox(
        torch.tensor(2**35 + 3), r, k)
    out = run(backend, guided, cond, unc, s, rule or 'uncond', t, noise, top_k, top_p, logits=given,
              **(dict(uniforms=u) if given else dict(seed=2**35 + 3)))
    c = cond.double()
    s, t, noise = [x.double()[:, None] for x in (s, t, noise)]
    l = (c if unc is None else (c if rule == 'cond' else unc.double()) + s*(c - unc.double()))/t
    keep, rank = torch.ones_like(l, dtype=torch.bool), l.argsort(-1, descending=True)
    if top_k: keep &= l >= l.gather(1, rank)[:, min(top_k, k) - 1:][:, :1]
    if top_p:
        p = (l/noise).masked_fill(~keep, -torch.inf).softmax(-1).gather(1, rank)
        keep &= torch.zeros_like(keep).scatter(1, rank, p.cumsum(-1) - p < top_p)
    score = (l + noise*-(-u.double().clamp(min=1e-20).log()).log()).masked_fill(~keep, -torch.inf)
    assert torch.equal(out.ids, score.argmax(-1))  # the seeds leave no draw open at float32
    assert_close(out.logit.double(), l.gather(1, out.ids[:, None])[:, 0], rtol=1e-5, atol=1e-5)
    if given:
        assert_close(out.logits.double(), l.masked_fill(~keep, -torch.inf), rtol=1e-5, atol=1e-5)
    else: assert out.logits is None


def philox_case(backend):
    """A known answer from the paper's authors, the generator of zeros

    And the same numbers in the kernel.
    """
    assert philox(torch.tensor(0), 1, 1).item() == (torch.tensor(0x6627e8d5).float()*
                                                    torch.tensor(4.6566127342e-10)).item()
    flat = torch.zeros(40, 300)
    for seed in 0, 2**62 + 12345, torch.tensor(-7):
        ids = run(backend, guided, flat, seed=seed).ids
        assert torch.equal(ids, philox(torch.as_tensor(seed), 40, 300).argmax(-1))


def remask_case(backend, b, n, dtype, given):
    g = torch.Generator().manual_seed(n)
    logit = draw(b, n, dtype=dtype)
    known = torch.rand(b, n, generator=g) < .4
    noise = torch.rand(b, generator=g)
    u = torch.rand(b, n, generator=g) if given else philox(torch.tensor(11), b, n, 1)
    for hidden in 0, 1, n//2, n, torch.randint(n + 1, (b,), generator=g):
        out = run(backend, remask, logit, known, hidden, noise,
                  **(dict(uniforms=u) if given else dict(seed=11)))
        conf = (logit.double() +
                noise.double()[:, None]*-(-u.double().clamp(min=1e-20).log()).log()).masked_fill(
                    known, torch.inf)
        lowest = torch.zeros_like(known).scatter(
            1, conf.argsort(-1),
            torch.arange(n) < torch.as_tensor(hidden).reshape(-1, 1).expand(b, n))
        assert torch.equal(out.known, ~lowest | known)
        assert_close(out.confidence.double(), conf, rtol=1e-5, atol=1e-5)


def remask_ties(backend):
    "What ties with the last that has to stay hidden stays hidden, too, as in the samplers"
    g = torch.Generator().manual_seed(0)
    logit = torch.randint(5, (40, 33), generator=g).float()
    known = torch.rand(40, 33, generator=g) < .3
    hidden = torch.randint(12, (40,), generator=g)
    out = run(backend, remask, logit, known, hidden)
    conf = logit.masked_fill(known, torch.inf)
    assert torch.equal(out.known, surest(conf, hidden)) and torch.equal(out.confidence, conf)


def guided_library(backend):
    c = draw(2, 6, 33)
    u = draw(2, 6, 33, seed=1)
    known = draw(2, 6, seed=2) > 0
    def step(c, u, s):
        d = guided(c, u, s, seed=5, top_k=9, top_p=.7)
        return d.ids, d.logit, *remask(d.logit, known, 3, 2., seed=5)
    fast = torch.compile(step, fullgraph=True, backend='aot_eager')
    one, seed = torch.ones(1), torch.tensor(3)
    with use_ops(backend):
        for s in 3., torch.tensor(2.5):
            for o, r in zip(fast(c, u, s), step(c, u, s)): assert_close(o, r)
        for args in (c[0], u[0], one, one, one, seed, None, 'cond', 5, .9,
                     False), (c[0], None, one, one, one, seed, u[0].abs() % 1, 'cond', 0, 1., True):
            torch.library.opcheck(
                guided_op, args,
                test_utils=('test_schema', 'test_autograd_registration', 'test_faketensor'))
        torch.library.opcheck(
            remask_op, (c[0], u[0] > 0, torch.tensor([3]), one, seed, None),
            test_utils=('test_schema', 'test_autograd_registration', 'test_faketensor'))


def skinny_case(backend, r, n, d, dtype, wdtype, gelu, strided):
    x = draw(r, d, dtype=dtype, strided=strided)
    w = draw(n, d, seed=1, strided=strided)
    scale = w.abs().amax(1)/127 + 1e-3 if wdtype == torch.int8 else draw(
        n, seed=2) if strided else None
    w = (w/scale[:, None]).round().to(torch.int8) if wdtype == torch.int8 else w.to(wdtype)
    if strided: scale = torch.stack([scale, scale*torch.nan], 1)[:, 0]
    bias = draw(n, 1, dtype=dtype, seed=3, strided=True)[:, 0] if gelu else None
    y = run(backend, skinny, x, w, bias, scale, gelu)
    want = x.double() @ w.double().T
    if scale is not None: want = want*scale.double()
    if bias is not None: want = want + bias.double()
    if gelu: want = torch.nn.functional.gelu(want)
    assert (y.dtype, y.shape) == (dtype, (r, n))
    tol = TOL[dtype]/4
    assert_close(y.double(), want, rtol=tol, atol=tol*want.abs().max().item())


def skinny_library(backend):
    x = draw(2, 3, 29)
    w = draw(7, 29, seed=1)
    b = draw(7, seed=2)
    eight, s = (w*20).round().to(torch.int8), b.abs()
    with use_ops(backend):
        for args in (x[0], w, b, None, True), (x[0], eight, None, s, False):
            torch.library.opcheck(
                skinny_op, args,
                test_utils=('test_schema', 'test_autograd_registration', 'test_faketensor'))
        step = lambda x, *args: linear_or_plain(linear_or_plain(x, *args, gelu=True), b.expand(
            3, 7))
        fast = torch.compile(step, fullgraph=True, backend='aot_eager')
        for args in (w, b), (eight, b, s): assert_close(fast(x, *args), step(x, *args))
        grad = lambda f: torch.autograd.grad(
            f(x.clone().requires_grad_(), *(p := [w.clone().requires_grad_(), b])).sum(), p[0])[0]
        # whoever wants a gradient is given PyTorch's
        assert torch.equal(grad(linear_or_plain), grad(torch.nn.functional.linear))
        many = draw(17, 29)
        assert torch.equal(linear_or_plain(many, w, b), torch.nn.functional.linear(many, w, b))
        assert_close(skinny(many, w, b), torch.nn.functional.linear(many, w, b))
        assert skinny(x[:0], w, b).shape == (0, 3, 7)

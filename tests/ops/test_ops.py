"""The fused ops compute what they say

Kernels in Triton's interpreter and references, against float64; and every kernel compiles for
real chips.
"""
import importlib
from itertools import product
from pathlib import Path

import pytest, torch
import ops_cases as cases
from tok1d.ops import backend as ops
from tok1d.terminal import columns

MODULES = sorted(f'tok1d.ops.{p.stem}' for p in Path(ops.__file__).parent.glob('*.py')
                 if 'def variants' in p.read_text())
HALF = torch.bfloat16, torch.float16
FLOATS = torch.float32, *HALF
needs_triton = pytest.mark.skipif(ops.triton is None, reason='no Triton on this platform')
BACKENDS = ['reference', pytest.param('triton', marks=needs_triton)]

def corners(sizes, *few):
    """Every size at float32, the `few` in half precision, too

    Types differ in how numbers are read and stored, sizes in which of them are read: one loop.
    """
    return [(*size, torch.float32) for size in sizes] + [(*size, t) for size in few for t in HALF]


NEAREST = [(1, 1, 1), (1, 67, 16), (67, 1, 5), (31, 97, 12), (65, 130, 33), (3, 5, 515)]

@pytest.mark.parametrize('backend', BACKENDS)
@pytest.mark.parametrize('m, k, d, dtype', corners(NEAREST, (31, 97, 12), (3, 5, 515)))
def test_nearest(call, backend, m, k, d, dtype):
    for l2, strided in (False, False), (True, True):
        call(backend, cases.nearest_case, m, k, d, dtype, l2, strided)

@pytest.mark.parametrize('backend', BACKENDS)
@pytest.mark.parametrize('dtype', FLOATS, ids=str)
def test_nearest_ties(call, backend, dtype): call(backend, cases.nearest_ties, dtype)

@pytest.mark.parametrize('backend', BACKENDS)
def test_nearest_library(call, backend): call(backend, cases.nearest_library)

def test_nearest_blocks(monkeypatch):
    "Several blocks of vectors, the last one shorter"
    nearest = importlib.import_module('tok1d.ops.nearest')
    monkeypatch.setattr(nearest, 'BLOCK', 1000)
    for l2 in False, True: cases.nearest_case('reference', 333, 70, 9, torch.float64, l2, True)
    cases.nearest_ties('reference', torch.float32)


SHAPES = [((1, 1), (1, 1), 1), ((2, 19), (2, 1), 67), ((3, 5), (1, 5), 130), ((2, 7), (2, 7), 33),
          ((17,), (17,), 64), ((2, 2), (2, 1), 2051)]

@pytest.mark.parametrize('backend', BACKENDS)
@pytest.mark.parametrize('shape, mod, d, dtype', corners(SHAPES, SHAPES[3], SHAPES[5]))
def test_adaln(call, backend, shape, mod, d, dtype):
    for gated, affine in product((False, True), repeat=2):
        call(backend, cases.adaln_case, shape, mod, d, dtype, gated, affine, gated == affine)

@pytest.mark.parametrize('backend', BACKENDS)
def test_adaln_mixed(call, backend):
    "A float32 stream with bfloat16 layers, as under autocast"
    call(backend, cases.adaln_case, (2, 5), (2, 1), 12, torch.bfloat16, True, False, False, True)

@pytest.mark.parametrize('backend', BACKENDS)
def test_adaln_library(call, backend): call(backend, cases.adaln_library)


GUIDED = [(1, 1, None, None, None), (5, 67, 'cond', None, None), (4, 130, 'uncond', 7, None),
          (3, 1000, 'uncond', None, .8), (6, 97, 'cond', 50, .5), (2, 33, None, 500, .999)]

@pytest.mark.parametrize('backend', BACKENDS)
@pytest.mark.parametrize('r, k, rule, top_k, top_p, dtype', corners(GUIDED, GUIDED[1], GUIDED[5]))
def test_guided(call, backend, r, k, rule, top_k, top_p, dtype):
    for given in False, True:
        call(backend, cases.guided_case, r, k, dtype, rule, top_k, top_p, given, given)

@pytest.mark.parametrize('backend', BACKENDS)
def test_philox(call, backend): call(backend, cases.philox_case)

@pytest.mark.parametrize('backend', BACKENDS)
@pytest.mark.parametrize('dtype', FLOATS, ids=str)
def test_remask(call, backend, dtype):
    sizes = [(3, 67, False)] if dtype in HALF else [(1, 1, True), (3, 67, False), (2, 128, True)]
    for b, n, given in sizes:
        call(backend, cases.remask_case, b, n, dtype, given)

@pytest.mark.parametrize('backend', BACKENDS)
def test_remask_ties(call, backend): call(backend, cases.remask_ties)

@pytest.mark.parametrize('backend', BACKENDS)
def test_guided_library(call, backend): call(backend, cases.guided_library)


SKINNY = [(1, 1, 1), (2, 67, 130), (2, 3, 2051), (5, 13, 97), (16, 9, 300), (3, 64, 64)]

@pytest.mark.parametrize('backend', BACKENDS)
@pytest.mark.parametrize('wdtype', [*FLOATS, torch.int8], ids=str)
@pytest.mark.parametrize('r, n, d, dtype', corners(SKINNY, SKINNY[3]))
def test_skinny(call, backend, r, n, d, dtype, wdtype):
    for gelu, strided in (False, False), (True, True):
        call(backend, cases.skinny_case, r, n, d, dtype, wdtype, gelu, strided)

@pytest.mark.parametrize('backend', BACKENDS)
def test_skinny_library(call, backend): call(backend, cases.skinny_library)


def compiles(variants):
    rows = [ops.compiled(v, chip) for v in variants for chip in ops.CHIPS]
    assert rows and all(r['code'] > 1000 and 0 < r['registers'] <= 255 for r in rows)
    print(columns(rows))

@needs_triton
@pytest.mark.parametrize('module', MODULES)
def test_compiles(module):
    "Each kernel for every chip with all that can be switched on; others in the notebooks"
    compiles({id(v.kernel): v for v in importlib.import_module(module).variants()}.values())

@needs_triton
@pytest.mark.long
@pytest.mark.parametrize('module', MODULES)
def test_all_compile(module): compiles(importlib.import_module(module).variants())

"""From which size `auto` calls a kernel: on measured cards, similar ones, unknown ones, and CPUs

The cards are made up; nothing here needs one.
"""
import json
import math
from types import SimpleNamespace

import pytest, torch
from tok1d.ops import backend
from tok1d.ops.backend import GPU, Measured, expected_gate, gate, read_measured
from tok1d.ops.backend import set_gate, use_triton
from tok1d.ops.bench import gate_record, gates_of

MB = 2**20
HOPPER = GPU('Made-up H', (9, 0), 132, 50*MB)
WIDER = GPU('Made-up H2', (9, 0), 198, 50*MB)
AMPERE = GPU('Made-up A', (8, 0), 108, 40*MB)
ADA = GPU('Made-up L', (8, 9), 58, 48*MB)
OTHER = GPU('Made-up B', (12, 0), 170, 96*MB)
SHIPPED = (Measured(HOPPER, dict(adaln=dict(float32=1000, bfloat16=None),
                                 nearest=dict(bfloat16=10**6))),
           Measured(AMPERE, dict(adaln=dict(float32=500))))

def vectors(m, d=12, dtype=torch.float32): return torch.empty(m, d, device='meta', dtype=dtype)

def expect(op, gpu, x=vectors(65536), shipped=SHIPPED): return expected_gate(op, x, gpu, shipped)

def test_measured_card():
    assert expect('adaln', HOPPER) == 1000
    assert expect('adaln', HOPPER, vectors(9, dtype=torch.bfloat16)) == math.inf  # never faster
    assert expect('nearest', HOPPER, vectors(9, dtype=torch.bfloat16)) == 10**6

def test_similar_card():
    "The same generation, the closest number of processors, with a margin"
    assert expect('adaln', WIDER) == 1000*2*198/132
    assert expect('adaln', ADA) == 500*2  # no smaller than twice what a bigger card needs
    assert expect('adaln', WIDER, vectors(9, dtype=torch.bfloat16)) == math.inf

def test_unknown_card():
    "Of another generation: only the rule, and only for the nearest code"
    for op in 'adaln', 'guided', 'remask', 'skinny', 'skinny_int8':
        assert expect(op, OTHER) == math.inf
    assert expect('nearest', OTHER) == 12*2*96*MB/4
    assert expect('nearest', OTHER, shipped=()) == expect('nearest', OTHER)

@pytest.mark.parametrize('gpu', [HOPPER, AMPERE, ADA, OTHER], ids=lambda g: g.name)
def test_rule(gpu):
    "Many narrow vectors call the kernel; few, or wide ones, do not"
    for dtype in torch.float32, torch.bfloat16, torch.float16:
        def calls(m, k, d): return m*k*d >= expect('nearest', gpu, vectors(m, d, dtype), ())
        assert calls(65536, 4096, 12) and calls(32768, 8192, 16)
        assert not calls(64, 4096, 12) and not calls(1024, 1024, 12)
        assert not calls(65536, 4096, 256)
        assert calls(65536, 4096, backend.NARROW) and not calls(65536, 4096, backend.NARROW + 1)

def test_rule_grows_with_the_cache():
    x, large = vectors(65536), OTHER._replace(cache=4*OTHER.cache)
    assert expect('nearest', large, x, ()) == 4*expect('nearest', OTHER, x, ())

@pytest.fixture
def on(monkeypatch, tmp_path):
    "A tensor on a made-up card, as far as `gate` looks at it; gates go into a file of its own"
    monkeypatch.setenv('TOK1D_OPS_GATES', str(tmp_path/'ops.json'))
    def tensor(gpu, m=65536, d=12, dtype=torch.float32):
        monkeypatch.setattr(torch.cuda, 'get_device_name', lambda device: gpu.name)
        monkeypatch.setattr(backend, 'gpu_of', lambda device: gpu)
        monkeypatch.setattr(backend, 'shipped_gates', lambda: SHIPPED)
        return SimpleNamespace(is_cuda=True, dtype=dtype, shape=(m, d), device='cuda:0')
    yield tensor
    backend.read_gates.cache_clear()

def test_own_measurement_comes_first(on):
    assert gate('adaln', on(HOPPER)) == 1000
    set_gate('adaln', on(HOPPER), 70)
    assert gate('adaln', on(HOPPER)) == 70
    assert gate('adaln', on(WIDER)) == 3000
    set_gate('adaln', on(HOPPER), None)
    assert gate('adaln', on(HOPPER)) == math.inf

def test_auto_calls_by_the_gate(on, monkeypatch):
    monkeypatch.setattr(backend, 'obstacle', lambda *xs: '')
    for gpu in HOPPER, OTHER: assert use_triton('nearest', 65536*4096*12, on(gpu))
    assert not use_triton('nearest', 65536*12, on(OTHER))
    assert not use_triton('guided', 10**12, on(OTHER))

def test_cpu_stays_plain(monkeypatch, tmp_path):
    monkeypatch.setenv('TOK1D_OPS_GATES', str(tmp_path/'none.json'))
    monkeypatch.setattr(backend, 'shipped_gates', lambda: pytest.fail('no card here'))
    x = torch.empty(65536, 12)
    for op in 'nearest', 'adaln', 'guided', 'remask', 'skinny':
        assert gate(op, x) == math.inf and not use_triton(op, 10**15, x)

def test_record_can_ship():
    rows = [dict(op='adaln', dtype='float32', case=str(s), size=s, form=f, ms=ms)
            for s, plain, fast in ((10, 1, 2), (100, 3, 2)) for f, ms in (('plain', plain),
                                                                        ('triton', fast))]
    text = json.dumps(gate_record(rows, HOPPER))
    assert read_measured(text) == Measured(HOPPER, gates_of(rows))
    assert gates_of(rows) == dict(adaln=dict(float32=100))

def test_what_ships_can_be_read():
    for measured in backend.shipped_gates():
        assert measured.gpu.processors > 0 and len(measured.gpu.capability) == 2
        for sizes in measured.gates.values():
            assert set(sizes) <= {'float32', 'bfloat16', 'float16'}

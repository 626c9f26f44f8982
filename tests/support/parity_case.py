"""Parity cases: what the published models compute

On weights and inputs that anyone can draw again (`parity/README.md`).
"""
import json
from pathlib import Path

import torch
from safetensors.torch import load_file

from parity import weights

FOLDER = Path(__file__).parent/'parity'
# `drawn_inputs` says in words what happens after the draw; a new phrase is added here, never
# guessed
THEN = {'': lambda x: x, 'add 0.5, clamp to [0, 1]': lambda x: (x + .5).clamp(0, 1)}

class Case:
    "One parity case; `case[name]` is a drawn input, or a stored input or output"
    def __init__(self, name):
        spec = json.loads((FOLDER/f'{name}.json').read_text())
        self.name, self.config, self.notes = name, spec['config'], spec['notes']
        self.manifest = {
            k: (tuple(shape), getattr(torch, dtype))
            for k, (shape, dtype) in spec['state_dict'].items()
        }
        drawn = {
            k: THEN[d['then']](weights.tensor_for(d['name'], d['shape'], d['scale']))
            for k, d in spec['drawn_inputs'].items()
        }
        self.tensors = load_file(FOLDER/f'{name}.safetensors') | drawn

    def __getitem__(self, key): return self.tensors[key]

    def check_names(self, module):
        "`module` has exactly the published state dict: every name, shape and dtype"
        ours = {k: (tuple(v.shape), v.dtype) for k, v in module.state_dict().items()}
        theirs = self.manifest
        missing, extra = sorted(theirs.keys() - ours), sorted(ours.keys() - theirs)
        differ = {k: (ours[k], theirs[k]) for k in ours.keys() & theirs if ours[k] != theirs[k]}
        assert not (
            missing or extra or differ
        ), f'{self.name}: missing {missing}; not published {extra}; (ours, published) {differ}'

    def fill(self, module):
        "`module` with the drawn weights, in eval mode, once its names are checked"
        self.check_names(module)
        weights.fill(module)
        return module.eval()

    def close(self, actual, expected, what, tol=1e-4):
        """Integers agree exactly

        Floats within `tol` of the spread of `expected` (of its size, for a single number).
        """
        what = f'{self.name}, {what}'
        assert actual.shape == expected.shape, (f'{what}: shape {tuple(actual.shape)}, published '
                                                f'{tuple(expected.shape)}')
        if not expected.is_floating_point():
            wrong = (actual != expected).sum().item()
            assert not wrong, f'{what}: {wrong} of {expected.numel()} differ'
            return
        assert actual.dtype == expected.dtype, f'{what}: {actual.dtype}, published {expected.dtype}'
        spread = (expected.std() if expected.numel() > 1 else expected.abs()).item()
        error = (actual.detach() - expected).abs().max().item()
        assert error <= tol*spread, f'{what}: off by {error:.3g} where {tol*spread:.3g} is allowed'

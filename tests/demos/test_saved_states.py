"Saved states of the workbench's page: a large picture fits, and what does not is told why"
from types import SimpleNamespace

import pytest
import torch
from tok1d.config import load_config
from tok1d.explore.tokens import TokenImage
from tok1d.models.titok import TiTok

def test_noise_of_256_pixels_fits(common):
    "The picture that compresses worst, with the tokens of a VAE"
    model = TiTok(load_config('titok_tiny_vae')).eval()
    ti = TokenImage.from_image(model, torch.rand(3, 64, 64))
    large = SimpleNamespace(**vars(ti) | dict(image=torch.rand(3, 256, 256)))
    text = TokenImage.to_json(large)
    assert len(text) > 200_000 and common.saved_state(text) is text

def test_what_is_too_long(common):
    with pytest.raises(ValueError, match=r'has 2,000,001 letters, .* at most 2,000,000'):
        common.saved_state(' '*(common.LONGEST+1))
    for nothing in (None, 3, ['{}']): assert common.saved_state(nothing) == ''

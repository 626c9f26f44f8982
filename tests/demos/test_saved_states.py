"Saved states of the workbench's page: a large picture fits, and what does not is told why"
import importlib.util
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from tok1d.config import load_config
from tok1d.explore.tokens import TokenImage
from tok1d.models.titok import TiTok

APP = Path(__file__).parents[2]/'demos/workbench/app.py'

@pytest.fixture(scope='module')
def app():
    spec = importlib.util.spec_from_file_location('workbench_app', APP)
    app = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(app)
    return app

def test_noise_of_256_pixels_fits(app):
    "The picture that compresses worst, with the tokens of a VAE"
    model = TiTok(load_config('titok_tiny_vae')).eval()
    ti = TokenImage.from_image(model, torch.rand(3, 64, 64))
    large = SimpleNamespace(**vars(ti) | dict(image=torch.rand(3, 256, 256)))
    text = TokenImage.to_json(large)
    assert len(text) > 200_000 and app.short_enough(text) is text

def test_what_is_too_long(app):
    with pytest.raises(ValueError, match=r'has 2,000,001 letters, .* at most 2,000,000'):
        app.short_enough(' '*(app.TOO_LONG+1))
    for nothing in (None, 3, ['{}']): assert app.short_enough(nothing) == ''

"The import rule of the house holds, and the test of it would notice if it did not"
import re
import subprocess
import sys
from configparser import ConfigParser
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from import_rule import imported, sources, violations

ROOT = Path(__file__).parents[2]
HEAVY = ('gradio IPython ipykernel ipywidgets jupyter_client jupyterlab open_clip '
         'webdataset accelerate').split(
)

def test_rule():
    assert len(sources(ROOT)) > 20
    assert not violations(ROOT)

PLANTED = {
    'a later room':            ('models/a.py', 'from tok1d.hub.pretrained import load'),
    'inside a function':       ('models/a.py', 'def f():\n    import tok1d.train.loop'),
    'relative':                ('models/a.py', 'from ..eval import reconstruction'),
    'relative, to the top':    ('models/a.py', 'from .. import hub'),
    'from the package':        ('basics.py', 'from tok1d import models'),
    'what the package offers': ('models/a.py', 'from tok1d import load'),
    'by name':                 ('models/a.py', 'import importlib\nm = '
                                               'importlib.import_module("tok1d.cli")'),
    'only for its types':      (
        'models/a.py',
        'from typing import TYPE_CHECKING\nif TYPE_CHECKING: from tok1d.train import loop'),
    'models take tensors':     ('models/a.py', 'from tok1d.data.images import ImageFolder'),
    'data knows no model':     ('data/a.py', 'from tok1d.models.titok import TiTok'),
    'demos come last':         ('cli.py', 'import demos.token_count.app'),
    'accelerate':              ('eval/a.py', 'from accelerate import Accelerator'),
    'ipywidgets':              ('explore/tokens.py', 'import ipywidgets as W'),
    'anywidget':               ('explore/show.py', 'import anywidget'),
    'gradio':                  ('cli.py', 'def demo():\n    import gradio.themes'),
    'webdataset':              ('train/a.py', 'import webdataset'),
    'an unknown room':         ('utils/a.py', 'import torch'),
}
@pytest.mark.parametrize('path, source', PLANTED.values(), ids=PLANTED)
def test_notices(tmp_path, path, source):
    file = tmp_path/'tok1d'/path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(source)
    assert len(violations(tmp_path)) == 1

def test_notices_circle(tmp_path):
    for here, there in ('train', 'eval'), ('eval', 'explore'), ('explore', 'train'):
        (tmp_path/'tok1d'/here).mkdir(parents=True)
        (tmp_path/'tok1d'/here/'a.py').write_text(f'from tok1d.{there} import a')
    assert 'circle' in violations(tmp_path)[0]

@pytest.mark.parametrize('path, source', [
    ('models/a.py',
     'from tok1d.models.layers import Block\nfrom .layers import Block\nfrom tok1d import '
     '__version__'), ('hub/a.py', 'from tok1d.data.embedded import photos'),
    ('explore/strip.py', 'import anywidget'),
    ('explore/widgets.py',
     'import ipywidgets, anywidget\nfrom tok1d.eval.reconstruction import psnr'),
    ('train/a.py', 'from accelerate import Accelerator\nfrom ..eval import reconstruction'),
    ('data/shards.py', 'import webdataset as wds\nfrom tok1d.basics import load_image'),
    ('cli.py', 'from tok1d.train.run import main'),
    ('../demos/token_count/app.py',
     'import gradio as gr\nfrom tok1d.explore.tokens import TokenImage')
])
def test_allows(tmp_path, path, source):
    file = tmp_path/'tok1d'/path
    (tmp_path/'tok1d').mkdir()
    file.parent.mkdir(parents=True, exist_ok=True)
    file.resolve().write_text(source)
    assert not violations(tmp_path)

def test_declared():
    ini = ConfigParser(delimiters=['='])
    ini.read(ROOT/'settings.ini', encoding='utf-8')
    plain = lambda name: re.sub('[-_.]+', '-', name).lower()
    declared = {
        plain(re.match(r'[\w.-]+', r)[0])
        for key in ('requirements', 'dev_requirements')
        for r in ini['DEFAULT'][key].split()
    }
    found = packages_distributions()
    # what is asked for by name where it is wanted, and whose absence is a message; Triton comes
    # with PyTorch
    optional = {'triton', 'flash_kmeans', 'wandb', 'imageio_ffmpeg', 'torch_fidelity'}
    tops = {name.split('.')[0] for path in sources(ROOT) for _, name in imported(path, ROOT)}
    pages = {path.name for path in (ROOT/'demos').iterdir() if path.is_dir()}
    tops -= {*sys.stdlib_module_names, 'tok1d', 'demos', 'demo_common', *pages, *optional}
    assert not {top
                for top in tops if not declared & {plain(d)
                                                   for d in found.get(top, [top])}
                }, 'in settings.ini these are no requirement'

def test_model_alone():
    code = ('import tok1d.models.titok, tok1d.models.tatitok, tok1d.models.text, sys; '
            f'print([m for m in {HEAVY} if m in sys.modules])')
    out = subprocess.run([sys.executable, '-c', code], cwd=ROOT, capture_output=True, text=True,
                         check=True).stdout
    assert out.strip() == '[]'

def test_one_conftest():
    "A second module of that name would hide the root's from the processes of notebooks"
    more = [*(ROOT/'tests').rglob('conftest.py')]
    assert not more, 'put fixtures into tests/support, see tabs.py'

"""What a saved reference, a name and a path lead to, wherever one stands

And what a stranger's configuration may cost.
"""
import json, os, shutil, subprocess, sys
from pathlib import Path
import pytest, torch
from torch.testing import assert_close
from tok1d.config import load_config, to_config
from tok1d.hub.pretrained import find_weights, load, load_pipeline, tokenizer_name
from tok1d.models.maskgit import ImageBert
from tok1d.models.titok import TiTok
from tok1d.train.given import load_tokenizer, teacher
from tok1d.train.tasks import init_weights

TINY = [
    'model.vq_model.codebook_size=64', 'model.vq_model.num_latent_tokens=8',
    'model.generator.image_seq_len=8', 'model.generator.hidden_size=32',
    'model.generator.num_hidden_layers=1', 'model.generator.intermediate_size=64',
    'model.generator.condition_num_classes=4']

@pytest.fixture
def place(tmp_path, monkeypatch):
    "A project with a tokenizer in `outputs/mytok`, and the current folder there"
    project = tmp_path/'project'
    TiTok(load_config('titok_tiny_debug')).save_pretrained(project/'outputs/mytok')
    monkeypatch.chdir(project)
    return project

def generator(**settings):
    return load_config('maskgit_tiny',
                       [*TINY, *(f'experiment.{k}={v}' for k,v in settings.items())])

def test_a_generator_finds_its_tokenizer_from_anywhere(place, monkeypatch):
    cfg = generator(tokenizer_checkpoint='outputs/mytok')
    ImageBert(cfg).save_pretrained('outputs/gen')
    monkeypatch.chdir('/')
    tokens = load_pipeline(place/'outputs/gen').tokens([0, 1], seed=0)
    with pytest.warns(UserWarning, match="relative to the generator's folder"):
        moved = shutil.move(place, place.parent/'elsewhere')
        assert load_pipeline(Path(moved)/'outputs/gen').tokens([0, 1], seed=0).equal(tokens)

def test_a_relative_reference_of_an_old_run(place, monkeypatch):
    cfg = generator()
    cfg.experiment.tokenizer_checkpoint = 'outputs/mytok'
    ImageBert(cfg).save_pretrained('outputs/gen')
    monkeypatch.chdir('/')
    with pytest.warns(UserWarning, match='is loaded from'): load_pipeline(place/'outputs/gen')

def test_the_published_rar_configuration_has_its_tokenizer(place, monkeypatch):
    "It names the weights of the MaskGIT-VQGAN alone, in the current folder"
    from tok1d.models.vqgan import PixelVQGAN
    torch.save(PixelVQGAN().state_dict(), 'maskgit-vqgan-imagenet-f16-256.bin')
    cfg = load_config('rar_b', {'experiment.tokenizer_checkpoint': None})
    assert tokenizer_name(cfg)==str(place/'maskgit-vqgan-imagenet-f16-256.bin')
    assert type(load_tokenizer(cfg)).__name__=='PixelVQGAN'
    assert type(teacher(cfg)).__name__=='PixelVQGAN'
    monkeypatch.chdir('/')
    # training on tokens needs none
    assert load_tokenizer(load_config('rar_b', {'experiment.tokenizer_checkpoint': None})) is None

def test_starting_weights_have_names(place):
    model = TiTok(load('tok1d-tiny-vq').config)
    report = init_weights(model, 'tok1d-tiny-vq')
    assert_close(model.state_dict(),
                 {k: v.float()
                  for k,v in find_weights('tok1d-tiny-vq').items()})
    n = len(model.state_dict())
    assert f'{n} of {n} tensors used' in report
    assert 'tensors used' in init_weights(TiTok(load_config('titok_tiny_debug')), 'outputs/mytok')
    with pytest.raises(ValueError, match='pretrained_tokenizer_weight: there is no file'):
        teacher(to_config({'model': {'vq_model': {'pretrained_tokenizer_weight': 'gone.bin'}}}))

HOSTILE = [
    dict(num_hidden_layers=1000),
    dict(num_hidden_layers=100_000),
    dict(hidden_size=2**20, num_attention_heads=2**20),
    dict(intermediate_size=2**24),
    dict(condition_num_classes=2**24, hidden_size=2**14),
    dict(image_seq_len=10**9),
    dict(hidden_size=10**9)
]

def test_a_hostile_configuration_costs_nothing(tmp_path):
    "Each is refused within 3 GB of address space beyond what importing takes"
    cfg = load_config('maskgit_tiny', TINY)
    ImageBert(cfg).save_pretrained(tmp_path/'good')
    text = json.loads((tmp_path/'good/config.json').read_text())
    for i,bad in enumerate(HOSTILE):
        shutil.copytree(tmp_path/'good', tmp_path/f'bad{i}')
        worse = text | {'model': text['model'] | {'generator': text['model']['generator'] | bad}}
        (tmp_path/f'bad{i}/config.json').write_text(json.dumps(worse))
    code = f"""
import resource
from tok1d.hub.pretrained import load
load({str(tmp_path/'good')!r})
try: load({str(tmp_path/'bad0')!r})
except ValueError as e: print(e)
used = int(open('/proc/self/statm').read().split()[0])*resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 3*2**30,)*2)
for i in range(1, {len(HOSTILE)}):
    try: load({str(tmp_path)!r} + f'/bad{{i}}')
    except ValueError as e: print(str(e).splitlines()[0])
"""
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert done.returncode==0, done.stderr
    assert len(done.stdout.splitlines())==len(HOSTILE)
    assert 'model.generator.num_hidden_layers' in done.stdout
    assert 'model.generator.hidden_size' in done.stdout

def test_nobody_at_home(tmp_path):
    "No HOME, and a user that the machine does not know"
    code = f"""
import os
os.environ.pop('HOME', None)
from tok1d.config import cache_folder, load_config
from tok1d.data.shards import _stat
import tok1d.ops.backend
os.path.expanduser = lambda p: p
print(_stat({str(Path(__file__))!r}, None).cache, cache_folder('x'))
"""
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert done.returncode==0, done.stderr
    assert all(os.path.isabs(p) for p in done.stdout.split())

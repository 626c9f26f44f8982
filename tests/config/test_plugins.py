"""A package from outside, found by its entry point, through every command

And a checkpoint that asks for code nobody loaded.
"""
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TUTORIAL = ROOT/'nbs'/'tutorials'/'60_add_your_own.ipynb'

COMMANDS = '''
import json, sys
from typer.testing import CliRunner
from tok1d.cli import app

for line in json.load(sys.stdin):
    print('$ tok1d', *line, flush=True)
    result = CliRunner().invoke(app, line)
    print(result.output, flush=True)
    if result.exit_code: sys.exit(f'exit {result.exit_code}: {result.exception!r}')
'''


def plugin_source():
    "The plug-in that the tutorial writes"
    cells = json.loads(TUTORIAL.read_text(encoding='utf-8'))['cells']
    source, = (s for s in (''.join(c['source']) for c in cells) if s.startswith('%%writefile'))
    return source.partition('\n')[2]


def python(*args, path, **kw):
    env = os.environ | dict(PYTHONPATH=os.pathsep.join([str(path), str(ROOT)]), OMP_NUM_THREADS='1')
    return subprocess.run([sys.executable, *args], env=env, text=True, capture_output=True, **kw)


@pytest.fixture(scope='module')
def package(tmp_path_factory):
    "A folder on PYTHONPATH with an installed package, as pip would leave it"
    site = tmp_path_factory.mktemp('site')
    (site/'outside_models.py').write_text(plugin_source(), encoding='utf-8')
    info = site/'outside-0.1.dist-info'
    info.mkdir()
    (info/'METADATA').write_text('Metadata-Version: 2.1\nName: outside\nVersion: 0.1\n')
    (info/'entry_points.txt').write_text('[tok1d.plugins]\noutside = outside_models\n')
    return site


@pytest.fixture(scope='module')
def runs(package, tmp_path_factory):
    """A tokenizer and a generator from outside, a few steps old, and what every command said on the
    way"""
    from PIL import Image
    work = tmp_path_factory.mktemp('work')
    for name, color in dict(red=(200, 30, 20), blue=(20, 30, 200)).items():
        (work/'pictures'/name).mkdir(parents=True)
        for i in range(6):
            Image.new('RGB', (32, 32),
                      tuple(c + 5*i for c in color)).save(work/'pictures'/name/f'{i}.png')
    sizes = [
        'model.vq_model.quantize_mode=lfq', 'model.vq_model.token_size=6',
        'model.vq_model.codebook_size=64', 'model.vq_model.num_latent_tokens=8',
        'training.per_gpu_batch_size=4', 'training.mixed_precision=no',
        'training.num_generated_images=2', 'lr_scheduler.params.warmup_steps=1',
        'training.quantizer_start=0']
    shape = ['model.family=NextToken', 'model.next_token.width=32', 'model.next_token.layers=1']
    tokenizer = [
        'train', 'config=titok_tiny_debug', *sizes,
        'dataset.params.train_shards_path_or_url=pictures', 'experiment.output_dir=tokenizer',
        'training.max_train_steps=4', 'experiment.log_every=2']
    generator = [
        'train', 'config=maskgit_tiny', *sizes, *shape,
        'dataset.params.train_shards_path_or_url=tokens', 'experiment.output_dir=generator',
        'experiment.tokenizer_checkpoint=tokenizer', 'training.max_train_steps=4',
        'experiment.log_every=2']
    lines = [tokenizer,
             'encode pictures -m tokenizer -o all.json --search 2'.split(),
             'decode all.json -m tokenizer -o decoded'.split(),
             'pretokenize pictures tokens --tokenizer tokenizer'.split(),
             generator,
             'generate -m generator -c red -n 2 -o drawn --guidance 2'.split(),
             'bench sample generator/config.yaml --dtype fp32 --batch 1'.split()]
    done = python('-c', COMMANDS, path=package, cwd=work, input=json.dumps(lines))
    return work, done


def test_every_command(runs):
    work, done = runs
    assert not done.returncode, done.stdout + done.stderr
    assert 'NextTokenTask' in done.stdout and 'NextToken, ' in done.stdout
    assert len(json.loads((work/'drawn'/'tokens.json').read_text())['pictures']) == 2
    assert len(list((work/'decoded').rglob('*.png'))) == 12
    assert 'fast' in done.stdout.partition('bench sample')[2]


def test_nobody_runs_the_code_of_a_checkpoint(runs, package, tmp_path):
    """Where the package is not installed, `load` says which family is missing

    A plug-in that is named is asked for, not imported.
    """
    work, _ = runs
    (tmp_path/'evil.py').write_text('open("ran", "w")')
    load = 'import sys; from tok1d.hub.pretrained import load; load(sys.argv[1])'
    missing = python('-c', load, str(work/'generator'), path=tmp_path, cwd=tmp_path)
    assert 'ValueError' in missing.stderr and 'model.next_token' in missing.stderr, missing.stderr
    config = json.loads((work/'tokenizer'/'config.json').read_text())
    (work/'tokenizer'/'config.json').write_text(json.dumps(config | dict(plugins=['evil'])))
    asked = python('-c', load, str(work/'tokenizer'), path=tmp_path, cwd=tmp_path)
    assert 'TOK1D_PLUGINS=evil' in asked.stderr, asked.stderr
    assert not (tmp_path/'ran').exists()


def test_broken_package_ends_nothing(tmp_path):
    "An installed plug-in that cannot be imported is left out with a warning"
    (tmp_path/'shaky.py').write_text('1/0')
    info = tmp_path/'shaky-1.dist-info'
    info.mkdir()
    (info/'METADATA').write_text('Metadata-Version: 2.1\nName: shaky\nVersion: 1\n')
    (info/'entry_points.txt').write_text('[tok1d.plugins]\nshaky = shaky\n')
    done = python('-c', 'from tok1d.plugins import load_plugins; print(load_plugins())',
                  path=tmp_path)
    assert not done.returncode and 'ZeroDivisionError' in done.stderr, done.stderr

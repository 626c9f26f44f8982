"""Everything that needs a GPU, in one command: dry, without what the machine will not have

And what becomes of jobs that crash, hang, or lose their card.
"""
import json
import os
import re
import subprocess
import sys
import time
import zipfile
from configparser import ConfigParser
from importlib.metadata import requires
from pathlib import Path

import pytest
from safetensors.torch import load_file
from tok1d.dev import on_gpu

ROOT = Path(__file__).parents[2]
# neither needed nor there; sitecustomize puts this in front of every process of the run
BLOCK = '''
import sys
from importlib.machinery import PathFinder
class Without(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name.split('.')[0] not in {names!r}: return super().find_spec(name, path, target)
sys.meta_path = [Without if f is PathFinder else f for f in sys.meta_path]
'''
LARGE = ['gradio', 'gradio_client', 'jupyterlab', 'ipywidgets', 'anywidget', 'IPython',
         'ipykernel', 'jupyter_client', 'traitlets', 'open_clip', 'timm', 'nbdev', 'execnb',
         'playwright', 'smalldocs', 'skimage', 'dicebear', 'resvg_py', 'pytest', 'wandb']

def environment(folder, names):
    "Every Python process finds `folder` first, and none of the modules called `names`"
    (folder/'sitecustomize.py').write_text(BLOCK.format(names=set(names)))
    path = os.pathsep.join([str(folder), str(ROOT)])
    return os.environ | dict(PYTHONPATH=path, HF_HUB_OFFLINE='1', TOK1D_OPS_GATES=str(folder/'g'))

@pytest.fixture(scope='module')
def dry(tmp_path_factory):
    "The folder that a dry run has filled"
    folder = tmp_path_factory.mktemp('dry')
    command = [sys.executable, '-m', 'tok1d.dev.on_gpu', '--dry', '--minutes', '15', '--out',
               str(folder/'out'), '--work', str(folder/'work')]
    done = subprocess.run(command, env=environment(folder, LARGE), cwd=folder, text=True,
                          capture_output=True, timeout=900)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder/'out'

@pytest.mark.long
def test_dry(dry):
    said = json.loads((dry/'report.json').read_text())
    failed = {name: job for name, job in said['jobs'].items() if job['status'] == 'failed'}
    assert not failed
    assert said['jobs']['machine']['status'] == said['jobs']['checks/exact resume']['status']
    run = said['runs']['titok_tiny_debug']
    assert run['finished'] and run['step'] == run['steps']
    assert run['weights'] == ['titok_tiny_debug.safetensors']
    assert load_file(dry/run['weights'][0])
    for table in 'ops', 'sample', 'train': assert said[table], table
    assert said['machine']['machine'] in (dry/'report.md').read_text()

@pytest.mark.long
def test_what_leaves(dry):
    files = list(dry.iterdir())
    assert len(files) <= on_gpu.FILES
    assert all(f.stat().st_size <= 16*2**20 and re.fullmatch(r'[\w.-]+', f.name) for f in files)
    inside = zipfile.ZipFile(dry/'runs.zip').namelist()
    for needed in 'log.jsonl', 'curve.png', 'config.yaml':
        assert f'titok_tiny_debug/{needed}' in inside
    assert any('/previews/' in name for name in inside)

@pytest.mark.long
def test_without_the_large_ones(tmp_path):
    "Imports alone, of all that a run imports"
    code = ('import tok1d.dev.on_gpu as g; g.all_jobs(dict(dry=True, train=[], only=[], data=None, '
            'processors=1, journal="j")); print(len(g.pins()))')
    done = subprocess.run([sys.executable, '-c', code], env=environment(tmp_path, LARGE),
                          cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]

def test_carried_is_complete():
    "What the carried wheels need is expected there, or carried too"
    plain = lambda name: re.sub('[-_.]+', '-', re.match(r'[\w.-]+', name)[0]).lower()
    there = {plain(name) for name in on_gpu.EXPECTED + on_gpu.CARRIED} | {'packaging'}
    for name in on_gpu.CARRIED:
        needs = [r for r in requires(name) or () if 'extra ==' not in r]
        assert {plain(r) for r in needs} <= there, name

def test_carried_are_requirements():
    ini = ConfigParser(delimiters=['='])
    ini.read(ROOT/'settings.ini', encoding='utf-8')
    declared = ' '.join(ini['DEFAULT'][k] for k in ('requirements', 'dev_requirements'))
    for name in on_gpu.CARRIED: assert name in declared


TOY = '''
import os, time
from tok1d.dev.on_gpu import GPUJob
def jobs(settings):
    def wrong(): raise ValueError('a bad number')
    def dies(): os.kill(os.getpid(), 11)
    def sleeps(): time.sleep(600)
    return [GPUJob('hangs', sleeps, seconds=1.), GPUJob('wrong', wrong),
            GPUJob('segfault', dies), GPUJob('rows', lambda: [dict(a=1)])]
def endless(settings):
    return [GPUJob('sleeps', lambda: time.sleep(600)), GPUJob('never', lambda: 1)]
'''

@pytest.fixture
def toy(tmp_path, monkeypatch):
    (tmp_path/'toy_jobs_f.py').write_text(TOY)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv('PYTHONPATH', os.pathsep.join([str(tmp_path), str(ROOT)]))
    def run(make, end):
        settings = dict(journal=str(tmp_path/'j.jsonl'), end=time.time() + end)
        return on_gpu.supervise(f'toy_jobs_f.{make}', settings, tmp_path/'log')
    return run

@pytest.mark.long
def test_crash_costs_one_job(toy):
    found = toy('jobs', 600)
    assert {k: r['status'] for k, r in found.items()} == dict(
        hangs='failed', wrong='failed', segfault='failed', rows='passed')
    assert 'more than 1 s' in found['hangs']['said'] and 'a bad number' in found['wrong']['said']
    assert 'ended with code -11' in found['segfault']['said']
    assert found['rows']['said'] == [dict(a=1)]

def test_the_time_is_up(toy):
    found = toy('endless', 1)
    assert {r['status'] for r in found.values()} <= {'failed', 'not run'}
    assert found['never'] | dict(at=0) == dict(job='never', status='not run', at=0,
                                               said='the time was up')

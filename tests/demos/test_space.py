"The folder for a Hugging Face Space: written by a command, it runs as it is"
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from gradio_client import Client, handle_file
from packaging.requirements import Requirement
from pages import serving
from tok1d.data.embedded import photos

SPACE = Path(__file__).parents[2]/'demos/space.py'

def write(folder):
    return subprocess.run([sys.executable, SPACE, folder], capture_output=True, text=True)

@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp('space')/'mine'
    said = write(folder)
    assert not said.returncode, said.stderr
    return folder

def test_front_matter(folder):
    "What Hugging Face reads of it names files that are there"
    front = yaml.safe_load((folder/'README.md').read_text('utf-8').split('---\n')[1])
    assert front['sdk'] == 'gradio' and (folder/front['app_file']).is_file()
    assert re.fullmatch(r'\d+\.\d+\.\d+', front['sdk_version'])
    assert len(front['short_description']) <= 60  # more is refused

def test_requirements(folder):
    lines = (folder/'requirements.txt').read_text().split('\n')
    names = {Requirement(line).name for line in lines if line and not line.startswith('-')}
    assert {'torch', 'safetensors', 'timm'} <= names and not names & {'gradio', 'jupyterlab'}

@pytest.mark.long
def test_runs_as_it_is(folder, tmp_path):
    "Offline, with its own copy of the package, and requests are answered"
    picture = tmp_path/'photo.png'
    photos()[0][1].save(picture)
    # what it does not install is not there
    names = runpy.run_path(str(SPACE))['UNUSED']
    (tmp_path/'sitecustomize.py').write_text(f'import sys; sys.modules |= dict.fromkeys({names})')
    env = dict(PYTHONPATH=str(tmp_path), HF_HOME=str(tmp_path))
    with serving(folder/'app.py', cwd=tmp_path, env=env) as url:
        client = Client(url, verbose=False)
        assert '5 of 128' in client.predict(handle_file(picture), 5, api_name='/explore')[3]
        drawn = client.predict('tok1d-tiny-maskgit', 'critters', '', 1, 1, 2, 1., 1.,
                               api_name='/generate')
    assert drawn[0][0]['caption'] == 'seed 1'

def test_spares_what_is_there(tmp_path):
    (tmp_path/'mine.txt').write_text('mine')
    said = write(tmp_path)
    assert said.returncode and 'not empty' in said.stderr
    assert [path.name for path in tmp_path.iterdir()] == ['mine.txt']

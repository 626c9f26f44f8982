"A wheel holds everything that the package needs: configurations, weights, embedded data, licence"
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
IGNORE = shutil.ignore_patterns('__pycache__', '.ipynb_checkpoints')
MAX_SIZE = 60e6  # bytes

@pytest.fixture(scope='module')
def wheel(tmp_path_factory):
    tmp = tmp_path_factory.mktemp('wheel')
    (tmp/'src').mkdir()
    for file in 'settings.ini', 'setup.py', 'MANIFEST.in', 'README.md', 'LICENSE':
        shutil.copy(ROOT/file, tmp/'src')
    for folder in 'tok1d', 'demos': shutil.copytree(ROOT/folder, tmp/'src'/folder, ignore=IGNORE)
    subprocess.run([
        sys.executable, '-m', 'pip', 'wheel', '-q', '--no-deps', '--no-build-isolation',
        '--no-index', '-w', tmp, tmp/'src'], check=True)
    path, = tmp.glob('*.whl')
    return path

@pytest.mark.long
def test_holds_the_package(wheel):
    here = {p.relative_to(ROOT).as_posix() for p in (ROOT/'tok1d').rglob('*')
            if p.is_file() and not {'__pycache__', '.ipynb_checkpoints'} & set(p.parts)}
    there = set(zipfile.ZipFile(wheel).namelist())
    assert here <= there, 'package_data in settings.ini lacks a pattern for these'
    for needed in 'tok1d/configs/', 'tok1d/weights/', 'tok1d/embedded/':
        assert any(name.startswith(needed) for name in there), needed
    assert any(name.endswith('/licenses/LICENSE') for name in there)

@pytest.mark.long
def test_holds_the_demos(wheel, tmp_path):
    "`tok1d demo` finds each of them in an installed wheel, far from any checkout"
    zipfile.ZipFile(wheel).extractall(tmp_path/'site')
    code = ('from tok1d.cli import find_demos, load_page; print({n: load_page(n).__file__ for n in '
            'find_demos()})')
    env = dict(os.environ, PYTHONPATH=str(tmp_path/'site'), HF_HUB_OFFLINE='1')
    said = subprocess.run([sys.executable, '-c', code], cwd=tmp_path, env=env, capture_output=True,
                          text=True, check=True).stdout
    for app in (ROOT/'demos').glob('*/app.py'):
        assert f'site/tok1d/demos/{app.parent.name}/app.py' in said
    for script in [*(ROOT/'demos').rglob('*.js'), *(ROOT/'demos').rglob('*.css')]:
        assert (tmp_path/'site/tok1d'/script.relative_to(ROOT)).is_file()

@pytest.mark.long
def test_holds_nothing_else(wheel):
    assert {name.split('/')[0].split('-')[0]
            for name in zipfile.ZipFile(wheel).namelist()} == {'tok1d'}

@pytest.mark.long
def test_size(wheel): assert wheel.stat().st_size < MAX_SIZE

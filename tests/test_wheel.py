"A wheel holds everything that the package needs: configurations, weights, embedded data, licence"
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
IGNORE = shutil.ignore_patterns('__pycache__', '.ipynb_checkpoints')
MAX_SIZE = 60e6  # bytes

@pytest.fixture(scope='module')
def wheel(tmp_path_factory):
    tmp = tmp_path_factory.mktemp('wheel')
    (tmp/'src').mkdir()
    for file in 'settings.ini', 'setup.py', 'MANIFEST.in', 'README.md', 'LICENSE': shutil.copy(ROOT/file, tmp/'src')
    shutil.copytree(ROOT/'tok1d', tmp/'src/tok1d', ignore=IGNORE)
    subprocess.run([sys.executable, '-m', 'pip', 'wheel', '-q', '--no-deps', '--no-build-isolation', '--no-index', '-w', tmp, tmp/'src'], check=True)
    path, = tmp.glob('*.whl')
    return path

def test_holds_the_package(wheel):
    here = {p.relative_to(ROOT).as_posix() for p in (ROOT/'tok1d').rglob('*')
            if p.is_file() and not {'__pycache__', '.ipynb_checkpoints'} & set(p.parts)}
    there = set(zipfile.ZipFile(wheel).namelist())
    assert here <= there, 'package_data in settings.ini lacks a pattern for these'
    for needed in 'tok1d/configs/', 'tok1d/weights/', 'tok1d/embedded/': assert any(name.startswith(needed) for name in there), needed
    assert any(name.endswith('/licenses/LICENSE') for name in there)

def test_holds_nothing_else(wheel):
    assert {name.split('/')[0].split('-')[0] for name in zipfile.ZipFile(wheel).namelist()} == {'tok1d'}

def test_size(wheel): assert wheel.stat().st_size < MAX_SIZE

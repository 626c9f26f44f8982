"One server of all tabs of the demos, for several files of tests; the root's conftest.py loads it"
from pathlib import Path

import pytest

@pytest.fixture(scope='session')
def url():
    from pages import serving
    with serving(Path(__file__).parents[2]/'demos/all/app.py') as url: yield url

@pytest.fixture(scope='session')
def client(url):
    from gradio_client import Client
    return Client(url, verbose=False)

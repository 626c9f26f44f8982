"One server of all tabs for the tests here"
from pathlib import Path

import pytest
from gradio_client import Client
from pages import serving

@pytest.fixture(scope='session')
def url():
    with serving(Path(__file__).parents[2]/'demos/all/app.py') as url: yield url

@pytest.fixture(scope='session')
def client(url): return Client(url, verbose=False)

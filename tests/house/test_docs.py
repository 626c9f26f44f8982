"The documentation builds offline, without a warning, a broken link or anything from outside"
import fcntl
import functools
import http.server
import os
import re
import subprocess
import sys
import threading
from html.parser import HTMLParser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.long

@pytest.fixture(scope='module')
def site(tmp_path_factory):
    "The site, built once, by the first of the processes that asks for it"
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if 'PYTEST_XDIST_WORKER' in os.environ else base
    out = shared/'docs-site'
    with (shared/'docs-site.lock').open('w') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        said = shared/'docs-site.txt'
        if not said.exists():
            run = subprocess.run([sys.executable, ROOT/'.ci/docs.py', out],
                                 env=dict(os.environ, HF_HUB_OFFLINE='1'),
                                 capture_output=True, text=True)
            said.write_text(f'{run.returncode}\n{run.stdout}{run.stderr}')
    code, _, text = said.read_text().partition('\n')
    assert code == '0', text
    return out

def test_every_notebook(site):
    assert len(list(site.rglob('*.html'))) >= len(list((ROOT/'nbs').rglob('*.ipynb')))
    text = ''.join(p.read_text(encoding='utf-8') for p in site.rglob('*.html'))
    assert 'class="diagram"' in text and '<math ' in text
    assert 'language-mermaid' not in text and 'class="mermaid"' not in text

class Pictures(HTMLParser):
    "The pictures of a page that have no words"
    def __init__(self, path):
        super().__init__()
        self.silent = []
        self.feed(path.read_text(encoding='utf-8'))

    def handle_starttag(self, tag, attrs):
        if tag == 'img' and not dict(attrs).get('alt'): self.silent.append(self.getpos())

def test_for_every_reader(site):
    "Pictures have words, pages say how they are encoded, and lead on to the next"
    for path in site.rglob('*.html'):
        text = path.read_text(encoding='utf-8')
        assert re.search(r'charset="?utf-8', text), f'{path} declares no charset'
        if 'source' in path.relative_to(site).parts: continue
        assert not Pictures(path).silent, f'{path} has pictures without an alternative text'
        assert 'page-navigation' in text and 'nav-footer' in text, path
        assert 'Call self as a function' not in text, path

def test_code_beside_its_reasons(site):
    "A page shows the code that it exports"
    text = (site/'models/titok.html').read_text(encoding='utf-8')
    assert 'show_doc' not in text and text.count('code-fold') > 10

def test_indexes(site):
    "Every page in llms.txt, and every public name on a page of its own"
    pages = re.findall(r'\]\(([^)]+\.html)\)', (site/'llms.txt').read_text(encoding='utf-8'))
    assert len(pages) == len(list((ROOT/'nbs').rglob('*.ipynb')))
    assert all((site/page).is_file() for page in pages)
    names = (site/'names.html').read_text(encoding='utf-8')
    for known in 'TokenImage', 'load', 'RAR':
        assert f'{known}</code>' in names, known

def test_in_browser(site, browser):
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args): pass

    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0),
                                             functools.partial(Quiet, directory=site))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    base = f'http://127.0.0.1:{server.server_port}'
    page = browser(f'{base}/index.html')
    failed = []
    page.on('requestfailed', lambda r: failed.append(r.url))
    for path in sorted(p for p in site.rglob('*.html')
                       if 'source' not in p.relative_to(site).parts):
        page.goto(f'{base}/{path.relative_to(site).as_posix()}')
        # the page stays within its window, wide or narrow, and every picture of it is there
        for width in 390, 1300:
            page.set_viewport_size(dict(width=width, height=900))
            assert page.evaluate('document.documentElement.scrollWidth <= innerWidth + 1'
                                 ), f'{path} is wider than a window of {width} pixels'
        # code and outputs wrap, so nothing of them is cut off
        cut = ('[...document.querySelectorAll("main pre")]'
               '.filter(p => p.scrollWidth > p.clientWidth + 1)')
        assert not page.evaluate(f'{cut}.length'), f'{path} cuts code off at the right'
        assert page.evaluate('[...document.images].every(im => im.complete && im.naturalWidth > 0)'
                             ), f'{path} lacks a picture'
    server.shutdown()
    assert not failed

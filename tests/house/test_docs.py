"The documentation builds offline, without a warning, a broken link or anything from outside"
import functools
import http.server
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.long

@pytest.fixture(scope='module')
def site(tmp_path_factory):
    out = tmp_path_factory.mktemp('docs')/'site'
    run = subprocess.run([sys.executable, ROOT/'.ci/docs.py', out],
                         env=dict(os.environ, HF_HUB_OFFLINE='1'), capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    return out

def test_every_notebook(site):
    assert len(list(site.rglob('*.html'))) >= len(list((ROOT/'nbs').rglob('*.ipynb')))
    text = ''.join(p.read_text(encoding='utf-8') for p in site.rglob('*.html'))
    assert 'class="diagram"' in text and '<math ' in text
    assert 'language-mermaid' not in text and 'class="mermaid"' not in text

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
        # the page stays within its window, and every picture of it is there
        assert page.evaluate('document.documentElement.scrollWidth <= innerWidth + 1'
                             ), f'{path} is wider than the window'
        assert page.evaluate('[...document.images].every(im => im.complete && im.naturalWidth > 0)'
                             ), f'{path} lacks a picture'
    server.shutdown()
    assert not failed

"What the tests of the demo and of the widget share: a server of their own, and patience"
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager

PIXELS = """im => { const c = document.createElement('canvas'); c.width = im.naturalWidth; c.height = im.naturalHeight;
                    c.getContext('2d').drawImage(im, 0, 0); return c.toDataURL() }"""

def pixels(img):
    "What an <img> shows, as a data URL; its `src` may be a blob that cannot be fetched"
    return img.evaluate(PIXELS)

def until(holds, what, timeout=60):
    "Wait until `holds()` is true, and give it back"
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        if value := holds(): return value
        time.sleep(.1)
    raise AssertionError(f'not within {timeout} s: {what}')

def settled(img, quiet=1.5):
    "Pixels of `img` once they have not changed for `quiet` seconds"
    last, since = pixels(img), time.monotonic()
    def same():
        nonlocal last, since
        if (now := pixels(img)) != last: last, since = now, time.monotonic()
        return time.monotonic() - since > quiet
    until(same, 'the picture comes to rest')
    return last

def answers(url):
    try: return urllib.request.urlopen(url, timeout=20).status == 200
    except (urllib.error.URLError, OSError): return False

@contextmanager
def serving(*args, path='', cwd=None, env=()):
    "Run `python *args --port=N` until its page answers; gives the address"
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        port = s.getsockname()[1]
    env = dict(os.environ, HF_HUB_OFFLINE='1', **dict(env))
    with subprocess.Popen([sys.executable, *map(str, args), f'--port={port}'], cwd=cwd, env=env, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as server:
        try:
            url = f'http://127.0.0.1:{port}'
            until(lambda: answers(url + path) or server.poll() is not None, f'{args} answers', 300)
            assert server.poll() is None, server.stdout.read()
            yield url
        finally: server.terminate()

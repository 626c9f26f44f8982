"What the tests of the demo and of the widget share: a server of their own, and patience"
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from contextlib import contextmanager

PIXELS = """im => { const c = document.createElement('canvas'); 
                    c.width = im.naturalWidth; c.height = im.naturalHeight;
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

def at_rest(read, quiet=1.5):
    "What `read()` gives once it has not changed for `quiet` seconds"
    last, since = read(), time.monotonic()
    def same():
        nonlocal last, since
        if (now := read()) != last: last, since = now, time.monotonic()
        return time.monotonic() - since > quiet
    until(same, 'the page comes to rest')
    return last

def settled(img, quiet=1.5):
    "Pixels of `img` once they have not changed for `quiet` seconds"
    return at_rest(lambda: pixels(img), quiet)

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
    command = [sys.executable, *map(str, args), f'--port={port}']
    # what it prints goes to a file: a pipe that nobody empties stops a server after 64 KB of
    # tracebacks
    with (tempfile.TemporaryFile('w+') as
          said, subprocess.Popen(command, cwd=cwd, env=env, stdout=said,
                                 stderr=subprocess.STDOUT) as server):
        try:
            url = f'http://127.0.0.1:{port}'
            until(lambda: answers(url + path) or server.poll() is not None, f'{args} answers', 300)
            if server.poll() is not None:
                said.seek(0)
                raise AssertionError(said.read())
            yield url
        finally: server.terminate()

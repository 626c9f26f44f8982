"pytest for notebooks: each one is a test in a fresh process; a browser for what is shown in one; and a process that interprets kernels"
import multiprocessing as mp
import os
import shutil
import signal
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from configparser import ConfigParser
from contextlib import suppress
from multiprocessing.connection import wait
from pathlib import Path
from threading import Thread
from urllib.parse import urlsplit

import pytest

ROOT = Path(__file__).parent
# seconds a notebook may take; the slowest needs a tenth of it, the rest is for busy machines
TIMEOUT = 900
PRELOAD = ['torch', 'torchvision', 'matplotlib.pyplot', 'execnb.shell', 'nbdev.process']

def skipped_flags():
    """Cells with these directives are not run

    `tst_flags` of settings.ini, for nbdev_test and pytest alike.
    """
    ini = ConfigParser(delimiters=['='])
    ini.read(ROOT/'settings.ini', encoding='utf-8')
    return set(ini['DEFAULT']['tst_flags'].split())

def pytest_addoption(parser):
    parser.addoption(
        '--run', default='',
        help=f'comma-separated flags to run all the same, of {sorted(skipped_flags())}')

def pytest_configure(config):
    config.addinivalue_line('markers', 'slow: takes minutes; skipped unless --run slow')

WORKERS = 4  # at most: each holds a model or two in memory

@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config):
    """A run of everything uses several processes (pytest-xdist) with as many threads as there are
    cores for each.

    One process where tests are named, where `-n` says so (`-n 0`), and where xdist is not
    installed.
    """
    if 'PYTEST_XDIST_WORKER' in os.environ: return  # a worker is not to start workers of its own
    whole = config.args_source.name != 'ARGS' and not config.option.collectonly
    if not whole or getattr(config.option, 'numprocesses', 0) is not None or config.option.usepdb:
        return
    cores = len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count()
    workers = min(WORKERS, cores)
    os.environ.setdefault('OMP_NUM_THREADS', str(cores//workers))
    config.option.numprocesses = workers
    config.option.dist = 'worksteal'

def run_flags(config): return set(filter(None, config.getoption('--run').split(',')))

def pytest_collection_modifyitems(config, items):
    if 'slow' in run_flags(config): return
    for item in items:
        if item.get_closest_marker('slow'):
            item.add_marker(pytest.mark.skip(reason='slow: pytest --run slow'))

def run_notebook(path, skip, visible=False):
    """Run the cells of a notebook that carry none of the flags in `skip`; the traceback, if there
    is one.

    `visible` ones only, in a folder of their own: what a reader of the page can paste.
    """
    import matplotlib
    matplotlib.use('agg')
    from execnb.shell import CaptureShell
    from fastcore.all import str2bool, working_directory
    from nbdev.frontmatter import FrontmatterProc
    from nbdev.process import NBProcessor
    nb = NBProcessor(path, procs=FrontmatterProc, process=True).nb
    if str2bool(nb.frontmatter_.get('skip_exec', False)): return
    def left_out(cell):
        if cell.cell_type != 'code' or 'nbdev_export(' in cell.source: return True
        directives = getattr(cell, 'directives_', {})
        if visible and ('hide' in directives
                        or directives.get('echo:', [''])[0].lower() == 'false'):
            return True
        return directives.get('eval:', [''])[0].lower() == 'false' or bool(skip & directives.keys())
    shell = CaptureShell(path)
    try:
        folder = tempfile.mkdtemp() if visible else path.parent
        with working_directory(folder): shell.run_all(nb, exc_stop=True, preproc=left_out)
    except Exception: return shell.prettytb(fname=path)

def die_with(parent):
    """End this process and all it started once its parent has gone

    A test run that is killed leaves nothing behind.
    """
    while os.getppid() == parent: time.sleep(1)
    os.killpg(0, signal.SIGKILL)

def in_child(conn, path, skip, visible):
    os.setsid()  # so that a notebook out of time goes with all it started
    Thread(target=die_with, args=(os.getppid(),), daemon=True).start()
    os.environ.update(IN_TEST='1', HF_HUB_OFFLINE='1')
    # as in a kernel: DataLoader workers see classes defined in the notebook
    mp.set_start_method('fork', force=True)
    try: conn.send(run_notebook(path, skip, visible))
    except BaseException as e: conn.send(f'{type(e).__name__}: {e}')

class NotebookFailed(Exception): pass

class NotebookItem(pytest.Item):
    def runtest(self):
        # must be set before torchvision imports Triton
        early = 'TRITON_INTERPRET' in self.path.read_text(encoding='utf-8')
        # the server imports torch once; each notebook still has a process of its own
        ctx = mp.get_context('spawn' if early else 'forkserver')
        if not early: ctx.set_forkserver_preload(PRELOAD)
        here, there = ctx.Pipe(duplex=False)
        child = ctx.Process(
            target=in_child, args=(there, self.path, skipped_flags() - run_flags(self.config),
                                   self.name == 'visible'))
        child.start()
        there.close()
        try: failure = here.recv() if wait([here], TIMEOUT) else f'not done after {TIMEOUT} s'
        except EOFError: failure = 'its process died'
        child.join(5)
        with suppress(ProcessLookupError): os.killpg(child.pid, signal.SIGKILL)
        if failure: raise NotebookFailed(failure)

    def repr_failure(self, excinfo, style=None):
        return str(excinfo.value) if isinstance(
            excinfo.value, NotebookFailed) else super().repr_failure(excinfo, style)

    def reportinfo(self): return self.path, 0, f'{self.path.relative_to(ROOT)} {self.name}'

class NotebookFile(pytest.File):
    def collect(self):
        yield NotebookItem.from_parent(self, name='run')
        if self.path.parent.name == 'tutorials' or self.path.name == 'index.ipynb':
            yield NotebookItem.from_parent(self, name='visible')

def pytest_collect_file(file_path, parent):
    if file_path.suffix != '.ipynb' or not file_path.is_relative_to(ROOT/'nbs'): return
    if not any(part.startswith(('_', '.')) for part in file_path.relative_to(ROOT).parts):
        return NotebookFile.from_parent(parent, path=file_path)

def is_local(url):
    parts = urlsplit(url)
    return parts.scheme in ('data', 'blob', 'about') or parts.hostname in ('127.0.0.1', 'localhost')

@pytest.fixture
def browser():
    """`page = browser(url, **viewport)` opens a Playwright page in a real Chromium (`CHROMIUM`, or
    the first on PATH).

    The test fails at its end if any page asked for something that is not on this machine.
    Without a Chromium it is skipped, or fails where `CI` is set.
    """
    exe = os.environ.get('CHROMIUM') or next(
        filter(None, map(shutil.which, ['chromium', 'chromium-browser', 'google-chrome'])), None)
    if not exe:
        (pytest.fail if os.environ.get('CI') else
         pytest.skip)('no Chromium: apt-get install chromium, or set CHROMIUM to one')
    from playwright.sync_api import sync_playwright
    external = set()
    with sync_playwright() as p:
        chrome = p.chromium.launch(
            executable_path=exe, args=[
                '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run',
                '--disable-background-networking', '--disable-component-update', '--disable-sync'])
        def open_page(url, width=1200, height=900):
            page = chrome.new_page(viewport=dict(width=width, height=height))
            page.on('request', lambda r: None if is_local(r.url) else external.add(r.url))
            page.goto(url)
            return page
        yield open_page
        chrome.close()
    assert not external, f'asked for from outside: {sorted(external)}'

@pytest.fixture(scope='module')
def call():
    "`call(backend, case, …)` runs a case here, or in a process whose Triton interprets"
    import torch
    with pytest.MonkeyPatch.context() as env, ProcessPoolExecutor(1, mp.get_context('spawn'),
                                                                  torch.set_num_threads,
                                                                  (1,)) as pool:
        env.setenv('TRITON_INTERPRET', '1')
        def run(backend, case, *args):
            if backend != 'triton': return case(backend, *args)
            return pool.submit(case, backend, *args).result()
        yield run

"pytest for notebooks: each one is a test in a fresh process; a browser for what is shown in one; and a process that interprets kernels"
import multiprocessing as mp
import os
import shutil
import signal
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from configparser import ConfigParser
from contextlib import suppress
from importlib import import_module
from multiprocessing.connection import wait
from multiprocessing.util import Finalize
from pathlib import Path
from threading import Thread
from urllib.parse import urlsplit

import pytest

ROOT = Path(__file__).parent
sys.path.insert(0, str(ROOT/'tests/support'))  # what tests of several rooms share
from ranks import ctx as forkserver

pytest_plugins = ['tabs']
# seconds a notebook may take; the slowest needs a tenth of it, the rest is for busy machines
TIMEOUT = 900
# Pages that take long: they train, draw or measure for a minute or more, or for ten seconds where
# tests of their room prove as much. `--run long` runs them, and so does naming one.
LONG = {'tutorials/20_train_your_own', 'tutorials/30_generate', 'tutorials/35_inside_a_generation',
        'tutorials/40_captions', 'tutorials/45_edit_and_infill',
        'tutorials/50_combinations', 'tutorials/55_without_training', 'tutorials/57_grid_or_line',
        'tutorials/60_add_your_own',
        'sample/80_bench', 'ops/50_bench', 'train/80_bench', 'dev/10_checks', 'dev/30_on_gpu',
        # tests/demos asks the same of the pages that call them, tests/explore and tests/sample more
        'explore/14_interpolate', 'explore/15_search', 'explore/18_generate',
        'explore/19_microscope', 'explore/22_film', 'explore/25_optimize', 'explore/31_between',
        'explore/34_workbench', 'explore/36_rates', 'explore/38_generation', 'explore/39_scope',
        # tests/train, tests/eval, tests/cli
        'train/30_tasks', 'train/35_generators', 'train/37_maskgen', 'train/38_text_tower',
        'train/50_callbacks', 'train/60_run', 'howto/30_train_on_a_folder', 'howto/60_cluster',
        'eval/40_sampling', 'eval/60_commands', '90_cli',
        # tests/ops, tests/models
        'ops/10_nearest', 'ops/20_adaln', 'ops/30_guided', 'ops/40_skinny', 'models/75_diffloss'}

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
    config.addinivalue_line('markers', 'long: takes long; skipped unless it is named, or --run long')
    # before anything imports huggingface_hub, which reads it once: no test waits for a network
    os.environ['HF_HUB_OFFLINE'] = '1'
    if 'PYTEST_XDIST_WORKER' not in os.environ: clean_up_after(config)

def clean_up_after(config):
    """Temporary files of this run, its notebooks and their processes lie in one folder, which goes
    with the run.

    `--basetemp FOLDER` keeps what tests wrote to `tmp_path`.
    """
    folder = tempfile.mkdtemp(prefix='tok1d-tests-')
    before = os.environ.get('TMPDIR')
    os.environ['TMPDIR'] = tempfile.tempdir = folder
    # after what multiprocessing removes at the end of a process, which lies in there
    Finalize(None, shutil.rmtree, (folder, True), exitpriority=-200)
    def restore():
        tempfile.tempdir = None
        if before is None: del os.environ['TMPDIR']
        else: os.environ['TMPDIR'] = before
    config.add_cleanup(restore)

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
    # the longest first, or one process would be left alone with them at the end
    items.sort(key=lambda item: not for_readers(item.path))
    if 'long' in run_flags(config): return
    for item in items:
        if item.get_closest_marker('long') and not named(item, config):
            item.add_marker(pytest.mark.skip(reason='long: name it, or pytest --run long'))

def named(item, config):
    "Does the command line name this very test, or a notebook of which nothing else is run?"
    path,name = item.nodeid.split('::', 1)
    asked = {item.nodeid, f'{path}::{name.partition("[")[0]}'}
    if path.endswith('.ipynb') and notebook_name(item.path) in LONG: asked.add(path)
    return any(os.path.relpath(config.invocation_params.dir/arg, ROOT) in asked
               for arg in config.args)

def notebook_name(path): return path.relative_to(ROOT/'nbs').with_suffix('').as_posix()

def hidden(cell):
    "Does the page show nothing of this cell?"
    directives = getattr(cell, 'directives_', {})
    return 'hide' in directives or directives.get('echo:', [''])[0].lower() == 'false'

def idle(cell, skip):
    "Is there nothing to run in this cell, as one of the flags in `skip` or its own say?"
    if cell.cell_type != 'code' or 'nbdev_export(' in cell.source: return True
    directives = getattr(cell, 'directives_', {})
    return directives.get('eval:', [''])[0].lower() == 'false' or bool(skip & directives.keys())

def for_readers(path): return path.parent.name in ('tutorials', 'howto') or path.name == 'index.ipynb'

def run_notebook(path, skip):
    """Run the cells of a notebook that carry none of the flags in `skip`; the traceback, if there is one.

    Of a page for readers first what they see and can paste, in a folder of its own, then the hidden cells.
    """
    import matplotlib
    matplotlib.use('agg')
    from execnb.shell import CaptureShell
    from fastcore.all import str2bool, working_directory
    from nbdev.frontmatter import FrontmatterProc
    from nbdev.process import NBProcessor
    nb = NBProcessor(path, procs=FrontmatterProc, process=True).nb
    if str2bool(nb.frontmatter_.get('skip_exec', False)): return
    shell = CaptureShell(path)
    readers = for_readers(path)
    def run(left_out):
        shell.run_all(nb, exc_stop=True, preproc=lambda cell: idle(cell, skip) or left_out(cell))
    try:
        with working_directory(tempfile.mkdtemp() if readers else path.parent):
            if not readers: return run(lambda cell: False)
            run(hidden)
            if path.name == 'index.ipynb': os.chdir(path.parent) # its figures are of files there
            run(lambda cell: not hidden(cell))
    except Exception: return shell.prettytb(fname=path)

def die_with(parent):
    """End this process and all it started once its parent has gone

    A test run that is killed leaves nothing behind.
    """
    while os.getppid() == parent: time.sleep(1)
    os.killpg(0, signal.SIGKILL)

def in_child(conn, path, skip):
    os.setsid()  # so that a notebook out of time goes with all it started
    Thread(target=die_with, args=(os.getppid(),), daemon=True).start()
    os.environ['IN_TEST'] = '1'
    # as in a kernel: DataLoader workers see classes defined in the notebook
    mp.set_start_method('fork', force=True)
    try: conn.send(run_notebook(path, skip))
    except BaseException as e: conn.send(f'{type(e).__name__}: {e}')

class NotebookFailed(Exception): pass

class NotebookItem(pytest.Item):
    "A notebook in a fresh process, with the cells that carry one of `flags`"
    def __init__(self, flags=(), **kw):
        super().__init__(**kw)
        self.flags = set(flags)

    def runtest(self):
        # must be set before torchvision imports Triton
        early = 'TRITON_INTERPRET' in self.path.read_text(encoding='utf-8')
        # the server imports torch once; each notebook still has a process of its own
        ctx = mp.get_context('spawn') if early else forkserver
        here, there = ctx.Pipe(duplex=False)
        skip = skipped_flags() - run_flags(self.config) - self.flags
        child = ctx.Process(target=in_child, args=(there, self.path, skip))
        child.start()
        there.close()
        try: failure = here.recv() if wait([here], TIMEOUT) else f'not done after {TIMEOUT} s'
        except EOFError: failure = 'its process died'
        child.join(5)
        with suppress(ProcessLookupError): os.killpg(child.pid, signal.SIGKILL)
        if failure: raise NotebookFailed(failure)

    def repr_failure(self, excinfo, style=None):
        if isinstance(excinfo.value, NotebookFailed): return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self): return self.path, 0, str(self.path.relative_to(ROOT))

class NotebookFile(pytest.File):
    def collect(self):
        name = notebook_name(self.path)
        if name not in LONG: yield NotebookItem.from_parent(self, name='run')
        if name in LONG or '"#| long' in self.path.read_text(encoding='utf-8'):
            whole = NotebookItem.from_parent(self, name='whole', flags=['long'])
            whole.add_marker('long')
            yield whole

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

@pytest.fixture(scope='session')
def common():
    "What the demos share; importing it imports Gradio, which takes seconds"
    sys.path.insert(0, str(ROOT/'demos'))
    return import_module('demo_common')

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

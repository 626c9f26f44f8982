"""The two animations of the README, recorded from the real thing: `python .ci/record.py [WHAT…]`

`widget` is the token explorer in a JupyterLab, `demo` the page of `tok1d demo`; both in a Chromium
that is moved by keyboard and mouse, as in the tests. They are written to nbs/index_files as WebP of
at most 400 KB. Remake them when either looks different; nothing else depends on the files.
"""
import io
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT/'tests/support'), str(ROOT/'tests/explore')]
OUT = ROOT/'nbs/index_files'
MOST = 400_000  # bytes
WIDTH = 800     # pixels

@contextmanager
def chromium(**viewport):
    "A page of a Chromium of its own"
    import shutil
    from playwright.sync_api import sync_playwright
    exe = next(filter(None, map(shutil.which, ['chromium', 'chromium-browser', 'google-chrome'])))
    with sync_playwright() as p:
        chrome = p.chromium.launch(executable_path=exe, args=['--no-sandbox', '--disable-gpu',
                                                              '--disable-dev-shm-usage'])
        yield chrome.new_page(viewport=viewport)
        chrome.close()

class Film:
    "Pictures of a part of a page"
    def __init__(self, part):
        self.part = part
        self.frames = []
        self.times = []

    def shoot(self, ms=450):
        "One more picture, shown for `ms` milliseconds"
        im = Image.open(io.BytesIO(self.part.screenshot())).convert('RGB')
        self.frames.append(im.resize((WIDTH, round(im.height*WIDTH/im.width)),
                                     Image.Resampling.LANCZOS))
        self.times.append(ms)

    def save(self, path):
        "As WebP, of the best quality that is small enough"
        for quality in range(80, 10, -10):
            file = io.BytesIO()
            self.frames[0].save(file, 'webp', save_all=True, append_images=self.frames[1:],
                                duration=self.times, loop=0, quality=quality, method=6)
            if file.tell() <= MOST: break
        path.write_bytes(file.getvalue())
        print(f'{path}: {len(self.frames)} pictures, quality {quality}, {file.tell():,} bytes')

KEPT = 1, 2, 3, 4, 6, 8, 12, 16, 24, 32

def widget(out):
    "`TokenExplorer()` in JupyterLab; the slider goes from one token to all"
    from pages import pixels, serving, settled, until
    from test_lab import FLAGS, IDLE, notebook
    source = 'from tok1d.explore.widgets import TokenExplorer\nTokenExplorer()'
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder)/'w.ipynb').write_text(notebook(source))
        env = {f'{name}_DIR': f'{folder}/{name}' for name in
               ('JUPYTER_CONFIG', 'JUPYTER_DATA', 'JUPYTER_RUNTIME', 'JUPYTERLAB_SETTINGS',
                'JUPYTERLAB_WORKSPACES')} | dict(IPYTHONDIR=f'{folder}/ipython')
        with serving('-m', 'jupyterlab', *FLAGS, path='/api', cwd=folder, env=env) as url, chromium(
                width=1200, height=1000) as page:
            page.goto(f'{url}/lab/tree/w.ipynb?reset')
            page.locator('.jp-NotebookPanel .jp-Cell').first.wait_for(timeout=180000)
            page.wait_for_function(IDLE, timeout=180000)
            page.evaluate("window.jupyterapp.commands.execute('notebook:run-all-cells')")
            seen = page.locator('.jp-OutputArea img.widget-image').nth(1)
            seen.wait_for(timeout=180000)
            settled(seen)
            film = Film(page.locator('.jp-OutputArea-output').first)
            handle = page.locator('.widget-slider .noUi-handle').first
            handle.focus()
            count = lambda: float(handle.get_attribute('aria-valuenow'))
            for kept in KEPT:
                before = pixels(seen)
                moved = False
                while count() != kept:
                    page.keyboard.press('ArrowLeft' if count() > kept else 'ArrowRight')
                    moved = True
                if moved: until(lambda: pixels(seen) != before, f'{kept} tokens')
                settled(seen, .7)
                film.shoot(1800 if kept == KEPT[-1] else 500)
            film.save(out/'widget.webp')

def demo(out):
    "The page of `tok1d demo`: token count by the slider, then the steps of a generation"
    from pages import pixels, serving, settled, until
    with serving(ROOT/'demos/all/app.py') as url, chromium(width=1100, height=820) as page:
        page.goto(url)
        seen = page.locator('#reconstruction img').first
        seen.wait_for(timeout=180000)
        settled(seen)
        film = Film(page)
        slider = page.locator('#tokens input[type=range]')
        slider.focus()
        for kept in KEPT[::2]:
            before = pixels(seen)
            slider.fill(str(kept))
            until(lambda: f'{kept} of' in page.locator('#stats').inner_text(), f'{kept} tokens')
            settled(seen, .7)
            film.shoot(700)
        page.get_by_role('tab', name='Generation').click()
        page.locator('#draw-film img').first.wait_for(state='attached', timeout=180000)
        steps = page.locator('#draw-film input[type=range]')
        most = int(steps.get_attribute('max'))
        for step in range(0, most+1, max(1, most//6)):
            steps.fill(str(step))
            page.wait_for_timeout(400)
            film.shoot(500)
        film.times[-1] = 1800
        film.save(out/'demo.webp')

if __name__ == '__main__':
    OUT.mkdir(exist_ok=True)
    for name in sys.argv[1:] or ['widget', 'demo']: dict(widget=widget, demo=demo)[name](OUT)

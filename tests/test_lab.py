"The widget in a real JupyterLab, in a real browser"
import json

import pytest
from pages import pixels, serving, settled, until
from tok1d.data.embedded import photos

FLAGS = [
    '--no-browser', '--allow-root', '--ip=127.0.0.1', '--IdentityProvider.token=',
    '--LabApp.expose_app_in_browser=True', '--LabApp.news_url=',
    '--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate',
    '--LabApp.extension_manager=readonly', '--ServerApp.root_dir=.']
IDLE = ("() => window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel?.status === "
        "'idle'")

def notebook(*sources):
    cells = [
        dict(cell_type='code', id=f'c{i}', metadata={}, execution_count=None, outputs=[], source=s)
        for i, s in enumerate(sources)
    ]
    return json.dumps(
        dict(
            cells=cells, metadata=dict(
                kernelspec=dict(display_name='Python 3', language='python', name='python3')),
            nbformat=4, nbformat_minor=5))

@pytest.fixture
def lab(tmp_path):
    "A JupyterLab in an empty folder, with no settings of whoever runs the tests"
    env = {
        f'{v}_DIR': str(tmp_path/v)
        for v in ('JUPYTER_CONFIG', 'JUPYTER_DATA', 'JUPYTER_RUNTIME', 'JUPYTERLAB_SETTINGS',
                  'JUPYTERLAB_WORKSPACES')
    }
    with serving('-m', 'jupyterlab', *FLAGS, path='/api', cwd=tmp_path,
                 env=dict(env, IPYTHONDIR=str(tmp_path/'ipython'))) as url:
        yield url

def test_explorer_in_lab(lab, browser, tmp_path):
    (tmp_path/'w.ipynb').write_text(
        notebook(
            'from tok1d.explore.widgets import TokenExplorer\nexplorer = TokenExplorer()\nexplorer')
    )
    good, broken = tmp_path/'mine.png', tmp_path/'broken.png'
    photos()[2][1].save(good)
    broken.write_bytes(b'no picture')

    page = browser(f'{lab}/lab/tree/w.ipynb?reset', height=1100)
    page.locator('.jp-NotebookPanel .jp-Cell').first.wait_for(timeout=90000)
    page.wait_for_function(IDLE, timeout=90000)
    page.evaluate("window.jupyterapp.commands.execute('notebook:run-all-cells')")
    images = page.locator('.jp-OutputArea img.widget-image')
    images.nth(3).wait_for(timeout=90000)
    original, reconstruction = images.nth(0), images.nth(1)

    before, still = settled(reconstruction), pixels(original)
    page.locator('.widget-slider .noUi-handle').focus()
    for _ in range(4): page.keyboard.press('ArrowRight')
    until(lambda: '12 of' in page.locator('.tok1d-stats').inner_text(),
          'the figures follow the slider')
    until(lambda: pixels(reconstruction) != before, 'the reconstruction follows the slider')
    assert pixels(original) == still

    def upload(path):
        with page.expect_file_chooser() as chooser: page.locator('.widget-upload').click()
        chooser.value.set_files(path)
    upload(good)
    until(lambda: pixels(original) != still, 'an upload is shown')
    until(lambda: page.locator('.widget-dropdown select option:checked').inner_text() == 'mine.png',
          'the upload joins the list')
    shown = settled(original)
    upload(broken)
    page.locator('[role=alert]').filter(has_text='broken.png').wait_for(timeout=30000)
    assert pixels(original) == shown
    searched = settled(reconstruction)
    page.locator('.widget-checkbox input').check()
    until(lambda: pixels(reconstruction) != searched, 'a search changes the reconstruction')
    page.screenshot(path=tmp_path/'lab.png')

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
LOADED = 300_000  # ms until torch is imported and a model loaded, on a busy machine
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

@pytest.fixture(scope='module')
def folder(tmp_path_factory): return tmp_path_factory.mktemp('lab')

@pytest.fixture(scope='module')
def lab(folder):
    "A JupyterLab in an empty folder, with no settings of whoever runs the tests"
    env = {
        f'{v}_DIR': str(folder/v)
        for v in ('JUPYTER_CONFIG', 'JUPYTER_DATA', 'JUPYTER_RUNTIME', 'JUPYTERLAB_SETTINGS',
                  'JUPYTERLAB_WORKSPACES')
    }
    with serving('-m', 'jupyterlab', *FLAGS, path='/api', cwd=folder,
                 env=dict(env, IPYTHONDIR=str(folder/'ipython'))) as url:
        yield url

@pytest.fixture
def opened(lab, browser, folder):
    "`page = opened(*sources)`: a notebook with these cells, all of them run"
    def run(*sources):
        (folder/'w.ipynb').write_text(notebook(*sources))
        page = browser(f'{lab}/lab/tree/w.ipynb?reset', height=1100)
        page.locator('.jp-NotebookPanel .jp-Cell').first.wait_for(timeout=90000)
        page.wait_for_function(IDLE, timeout=90000)
        page.evaluate("window.jupyterapp.commands.execute('notebook:run-all-cells')")
        return page
    return run

@pytest.mark.long
def test_explorer_in_lab(opened, tmp_path):
    good, broken = tmp_path/'mine.png', tmp_path/'broken.png'
    photos()[2][1].save(good)
    broken.write_bytes(b'no picture')

    page = opened(
        'from tok1d.explore.widgets import TokenExplorer\nexplorer = TokenExplorer()\nexplorer')
    images = page.locator('.jp-OutputArea img.widget-image')
    images.nth(3).wait_for(timeout=LOADED)
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

WIDGETS = """import ipywidgets as W
from tok1d.explore.widgets import GenerationExplorer, InterpolationExplorer, Microscope
from tok1d.explore.widgets import RateExplorer, Workbench
explorers = [Workbench(), RateExplorer(), InterpolationExplorer(steps=4),
             GenerationExplorer(count=1), Microscope()]
W.VBox([explorer.settled() for explorer in explorers])"""

@pytest.mark.long
def test_widgets_in_lab(opened, tmp_path):
    "Each by keyboard or mouse, in one notebook"
    page = opened(WIDGETS) # in one cell: the notebook takes cells out that are not in sight
    page.get_by_role('button', name='Draw these again').wait_for(timeout=LOADED)
    each = page.locator('.tok1d-explorer')
    bench, rates, between, maker, scope = (each.nth(i) for i in range(5))
    for part in by_keyboard_on_the_strip, by_mouse_on_the_strip: part(page, bench)
    slider_moves(page, rates, 'rates', 2)
    slider_moves(page, between, 'interpolation', 0, -1)
    for part in draws, draws_from_words: part(page, maker)
    for part in changes_a_token, draws_again_and_goes_back: part(page, scope)
    for widget in (bench, rates, between, maker, scope): named(widget)
    page.screenshot(path=tmp_path/'widgets.png')

def named(widget):
    "A screen reader has a name for every slider, picture, menu and field"
    sliders = widget.get_by_role('slider')
    assert all(sliders.nth(i).get_attribute('aria-label') for i in range(sliders.count()))
    pictures = widget.locator('img.widget-image')
    assert pictures.count() and all(
        pictures.nth(i).get_attribute('alt') for i in range(pictures.count()))
    unnamed = widget.locator('select, input[type=text], input[type=number]').evaluate_all(
        'parts => parts.filter(p => !p.labels.length).map(p => p.outerHTML)')
    assert not unnamed

def draws(page, maker):
    "Another class from the menu, the button by keyboard, then back through the steps"
    picture = maker.locator('img.widget-image')
    before = settled(picture, .5)
    # in a menu that is not open, JupyterLab takes the arrow keys for its cells
    maker.locator('.widget-dropdown select').nth(1).select_option(index=1)
    maker.get_by_role('button', name='Draw').focus()
    page.keyboard.press('Space')
    until(lambda: pixels(picture) != before, 'generation: another class is drawn')
    # the last guess may be the finished picture already
    slider_moves(page, maker, 'generation', 0, -1, 'Home')

def draws_from_words(page, maker):
    "Another generator brings a field for words in the place of the classes"
    picture = maker.locator('img.widget-image')
    before = settled(picture, .5)
    maker.locator('.widget-dropdown select').nth(0).select_option('tok1d-tiny-maskgen-vq')
    words = maker.locator('.widget-text:visible input[type=text]')
    words.wait_for(timeout=60000)
    assert pixels(picture) == before, 'nothing is drawn before somebody asks'
    words.fill('a green apple')
    maker.get_by_role('button', name='Draw').click()
    until(lambda: pixels(picture) != before, 'generation: words are drawn')

def changes_a_token(page, scope):
    "Through the steps and the tokens by keyboard, then a replay with another code"
    slider_moves(page, scope, 'microscope', 0, -2)
    picture = scope.locator('img.widget-image').nth(0)
    codes = scope.locator('.widget-dropdown:visible select').last
    offered = codes.inner_text()
    scope.locator('.noUi-handle:visible').nth(-1).focus()
    page.keyboard.press('ArrowRight')
    until(lambda: codes.inner_text() != offered, 'microscope: codes of another token')
    before = settled(picture, .5)
    codes.select_option(index=1)
    scope.get_by_role('button', name='Replay with this code').click()
    until(lambda: pixels(picture) != before, 'microscope: a replay')

def draws_again_and_goes_back(page, scope):
    "Some tokens again, and back to the run before"
    picture = scope.locator('img.widget-image').nth(0)
    replayed = settled(picture, .5)
    scope.get_by_role('button', name='Draw these again').click()
    until(lambda: pixels(picture) != replayed, 'microscope: tokens drawn again')
    scope.get_by_role('button', name='Back').click()
    until(lambda: pixels(picture) == replayed, 'microscope: back')

def slider_moves(page, widget, what, image, slider=0, key='ArrowLeft'):
    "A key on a slider of `widget` changes its picture"
    picture = widget.locator('img.widget-image').nth(image)
    before = settled(picture, .5)
    widget.locator('.noUi-handle:visible').nth(slider).focus()
    page.keyboard.press(key)
    until(lambda: pixels(picture) != before, f'{what}: the picture follows the slider')

def by_keyboard_on_the_strip(page, bench):
    "Drop two tokens, take it back, do it again, without a mouse"
    picture = bench.locator('img.widget-image').nth(1)
    strip = bench.get_by_role('listbox')
    whole = settled(picture, .5)
    strip.focus()
    for key in 'End', 'Shift+ArrowLeft', 'Space': page.keyboard.press(key)
    gone = bench.locator('.tok1d-gone')
    until(lambda: gone.count() == 2 and pixels(picture) != whole, 'two tokens are dropped')
    page.keyboard.press('Control+z')
    until(lambda: gone.count() == 0 and pixels(picture) == whole, 'and are back')
    page.keyboard.press('Control+Shift+z')
    until(lambda: gone.count() == 2, 'and gone again')
    page.keyboard.press('Delete')
    until(lambda: gone.count() == 2, 'they stay so')
    assert page.locator('.jp-Cell').count() == 1, 'the notebook heeds no key of the strip'

def by_mouse_on_the_strip(page, bench):
    "Drag over tokens, take those of another picture, and start again"
    picture = bench.locator('img.widget-image').nth(1)
    tokens = bench.locator('[data-place]')
    before = settled(picture, .5)
    tokens.nth(2).drag_to(tokens.nth(6))
    until(lambda: bench.locator('[aria-selected=true]').count() == 5, 'five are chosen')
    bench.get_by_role('button', name='Take its tokens').click()
    until(lambda: pixels(picture) != before, 'they come from another picture')
    until(lambda: bench.locator('.tok1d-shaded').count() == 1, 'bars are back')
    bench.get_by_role('button', name='Start again').click()
    until(lambda: bench.locator('.tok1d-gone').count() == 0, 'all tokens are back')

"The tabs of `tok1d demo`: through a client, through raw JSON of strangers, and in a real browser"
import ast
import io
import json
import re
import urllib.request
from base64 import b64decode
from importlib.util import find_spec

import pytest
from gradio_client import handle_file
from gradio_client.exceptions import AppError
from pages import at_rest, until
from PIL import Image
from test_demo import asked_raw, post, sneaky
from tok1d.basics import to_pil
from tok1d.data.embedded import photos
from tok1d.explore.generate import artist, artists, draw, knobs
from tok1d.explore.film import run_notes
from tok1d.explore.interpolate import interpolate, interpolate_grid, smoothness
from tok1d.explore.microscope import record
from tok1d.explore.tokens import TokenImage
from tok1d.hub.pretrained import load

FILMS = 3 if find_spec('imageio_ffmpeg') else 2  # formats of a film to download

@pytest.fixture
def files(tmp_path):
    "Two pictures, and a file that claims to be one"
    paths = [tmp_path/name for name in ('one.png', 'two.png', 'broken.png')]
    for path, (_, im) in zip(paths, photos()): im.save(path)
    paths[2].write_bytes(paths[0].read_bytes()[:300])
    return paths

def between(client, one, two, how='vectors', steps=3, order='first'):
    return client.predict(handle_file(one), handle_file(two), how, steps, order,
                          api_name='/interpolate')

def generate(client, model='tok1d-tiny-maskgit', label='critters', words='a red apple', seed=3,
             count=2, steps=2, guidance=1., temperature=1.):
    return client.predict(model, label, words, seed, count, steps, guidance, temperature,
                          api_name='/generate')

def pictures(page):
    "The pictures inside a piece of HTML"
    return [
        Image.open(io.BytesIO(b64decode(data)))
        for data in re.findall(r'src="data:image/webp;base64,([^"]+)"', page)
    ]

# the pages say what the package computes

@pytest.mark.parametrize('how', ['latents', 'vectors', 'spherical', 'tokens', 'codes'])
def test_interpolation(client, files, how):
    film, row, figures, code = between(client, *files[:2], how, 3, 'last')
    way = interpolate(*(TokenImage.from_image(load(), path) for path in files[:2]), 3, how, 'last')
    assert len(pictures(film)) == len(pictures(row)) == 3
    assert f'>{smoothness(way.pictures).straight:.2f}</div>' in figures
    assert "'one.png'" in code and f"3, '{how}'" in code and ast.parse(code)

def test_four_corners(client, files):
    "All pictures of the grid, a film of its border, and code that makes it"
    four = [handle_file(files[i % 2]) for i in range(4)]
    film, grid, figures, code = client.predict(*four[:2], 'vectors', 3, 'first', *four[2:], True,
                                               api_name='/interpolate')
    corners = [TokenImage.from_image(load(), files[i % 2]) for i in range(4)]
    way = interpolate_grid(corners, 3)
    assert len(pictures(film)) == 8 and len(pictures(grid)) == 9
    for got, expected in zip(pictures(grid), way.pictures):
        assert got.convert('RGB').tobytes() == to_pil(expected).tobytes()
    assert 'interpolate_grid([a, b, c, d], 3' in code and ast.parse(code)
    said = client.predict(*four[:2], 'vectors', 3, 'first', None, None, True,
                          api_name='/interpolate')
    assert 'four images' in said[0]

LOOK = 'tok1d-tiny-maskgit', 'critters', '', 3, 4, 1., 1.

def test_microscope(client):
    "The steps of a run with their certainty, and a replay with other seed and guidance"
    run = record(artist(LOOK[0]), 'critters', 3, steps=4, guidance=1., temperature=1.)
    film, code, *_ = client.predict(*LOOK, api_name='/look')
    assert len(pictures(film)) == 4 and all(note in film for note in run_notes(run))
    assert 'record(pipe' in code and ast.parse(code)
    new = run.replay(2, seed=9, guidance=5.)
    film, code = client.predict(*LOOK, 2, 9, 5., api_name='/replay')
    assert all(note in film for note in run_notes(new))
    assert '.replay(2, {}, seed=9, guidance=5.0)' in code and ast.parse(code)
    with pytest.raises(AppError, match='from 0 to 3'):
        client.predict(*LOOK, 40, 9, 5., api_name='/replay')

@pytest.mark.parametrize('model', artists())
def test_generation(client, model):
    gallery, film, links, code = generate(client, model)
    usual = knobs(artist(model))
    given = {
        k: v
        for k, v in dict(steps=2, guidance=1., temperature=1.).items() if usual.get(k, v) != v
    }
    words = not artist(model).class_names
    drawn = draw(artist(model), 'a red apple' if words else 'critters', 3, 2, frames=8, **given)
    assert [g['caption']
            for g in gallery] == ['seed 3', 'seed 4'] and len(pictures(film)) == len(drawn.at)
    for g, x in zip(gallery, drawn.pictures):
        assert Image.open(g['image']).convert('RGB').getpixel(
            (9, 9)) == pytest.approx([255*v for v in x[:, 9, 9].tolist()], abs=2)
    assert ('red apple' in code) == words and 'seed=3' in code and ast.parse(code) and links.count(
        'download=') == FILMS

def test_what_is_wrong_is_said(client, files):
    "In a message that names no folder, and the page goes on"
    with pytest.raises(AppError, match="'broken.png' ") as e: between(client, files[0], files[2])
    assert '/gradio/' not in str(e.value) and 'tok1d-demo' not in str(e.value)
    with pytest.raises(AppError, match='there are: critters'):
        generate(client, label='no such class')
    with pytest.raises(AppError, match='What shall be drawn'):
        generate(client, 'tok1d-tiny-maskgen-vq', words=' ')
    with pytest.raises(AppError, match='What shall be drawn'):
        generate(client, 'tok1d-tiny-maskgen-vq', words='a'*301)
    assert len(pictures(between(client, *files[:2])[0])) == 3

# what strangers send

def test_no_file_of_the_server(url, files):
    "An image that is there and one that is not get the same answer"
    for there, missing in zip(sneaky(files[0]), sneaky(files[0].with_name('none.png'))):
        said = [
            asked_raw(url, 'interpolate', im, im, 'vectors', 3, 'first', im, im, True)
            for im in (there, missing)
        ]
        assert said[0] == said[1] and 'event: error' in said[0] and str(
            files[0].parent) not in said[0]

def test_no_endpoint_reads_the_server(url, tmp_path):
    """Each function of each tab, named or not

    No answer to a path holds a picture, or says what is there.
    """
    secret = tmp_path/'unmistakable.png'
    photos()[0][1].save(secret)
    config = json.loads(urllib.request.urlopen(f'{url}/config', timeout=60).read())
    named = [function for function in config['dependencies'] if function['inputs']]
    assert len(named) >= 3  # each tab has one at least
    for function in named:
        def ask(image):
            return post(
                f'{url}/gradio_api/run/predict',
                dict(data=[image]*len(function['inputs']), fn_index=function['id'],
                     session_hash='me'))

        for there, missing in zip(sneaky(secret), sneaky(secret.with_name('missing.png'))):
            said = ask(there)
            assert 'base64' not in said and said.replace(
                secret.name, 'missing.png') == ask(missing), (function['api_name'], said[:300])

def test_no_folder_as_a_model(url, files):
    "A model is one of those offered, never a path"
    for model in str(files[0].parent), '/etc', '../weights', 'tok1d-tiny-vq', None, 3:
        said = asked_raw(url, 'generate', model, 'critters', '', 0, 1, 2, 1, 1)
        assert 'event: error' in said and str(files[0].parent) not in said.replace(str(model), '')

@pytest.mark.parametrize('at,bad', [(3, None), (3, -1), (3, 1.5), (4, 17), (4, True), (5, 65),
                                    (5, 'a'), (6, 21), (6, float('nan')), (7, [1]),
                                    (1, ['critters'])])
def test_numbers_that_are_none(url, at, bad):
    given = ['tok1d-tiny-maskgit', 'critters', '', 0, 1, 2, 1, 1]
    given[at] = bad
    assert 'event: error' in asked_raw(url, 'generate', *given)

@pytest.mark.parametrize('how,steps,order', [('lines', 3, 'first'), ('vectors', 25, 'first'),
                                             ('vectors', None, 'first'), ('tokens', 3, 'none')])
def test_ways_that_are_none(url, how, steps, order):
    assert 'event: error' in asked_raw(url, 'interpolate', None, None, how, steps, order, None,
                                       None, False)

# by hand

@pytest.mark.long
def test_by_hand(url, browser, files, tmp_path):
    page = browser(url)
    tab = lambda name: page.get_by_role('tab', name=name).click()
    seen = lambda film: page.locator(f'#{film} img:visible').first.get_attribute('src')
    def change(film, act, what):
        before = page.locator(f'#{film}').inner_html()
        act()
        until(
            lambda: page.locator(f'#{film} img').count() and page.locator(f'#{film}').inner_html()
            != before, what)

    tab('Interpolation')
    page.locator('#way-film img').first.wait_for(state='attached', timeout=60000)
    note = page.locator('#way-film output')
    page.locator('#way-film input').focus()
    page.keyboard.press('ArrowRight')
    until(lambda: note.inner_text() == '62% of the way',
          'an arrow key moves along the way, without the server')
    page.locator('#way-film button').click()
    until(lambda: note.inner_text() == '100% of the way', 'the film plays to its end')
    change('way-film',
           page.locator('#way-examples-second button[aria-label="coffee"]').click,
           'a click on an example changes the way')
    change('way-film',
           lambda: page.locator('#way-first input[type=file]').set_input_files(files[0]),
           'an upload changes the way')
    page.locator('#way-order').wait_for(state='hidden')
    change('way-film', page.get_by_label('tokens', exact=True).first.click, 'another kind of way')
    page.locator('#way-order').wait_for()
    links = page.locator('#way-links a')
    until(lambda: page.locator('#way-links a[download]').count() == FILMS
          and 'how=tokens' in (links.last.get_attribute('href') or ''),
          'films of this way to download')
    at_rest(page.locator('#way-links').inner_html)  # one replaced under the mouse is not clicked
    with page.expect_download() as got: page.locator('#way-links a[download$=gif]').click()
    with Image.open(got.value.path()) as film: assert film.format == 'GIF' and film.n_frames == 16
    page.screenshot(path=tmp_path/'way.png')

    tab('Generation')
    page.locator('#draw-film img').first.wait_for(state='attached', timeout=60000)
    change('draw-film', page.locator('#draw-other').click, 'another seed draws other pictures')
    def choose(model):
        page.locator('#draw-model input').click()
        page.get_by_role('option', name=model).click()
    change('draw-film', lambda: choose('tok1d-tiny-rar'), 'another model draws')
    page.locator('#draw-steps').wait_for(state='hidden')
    page.locator('#draw-class').wait_for(state='visible')
    change('draw-film', lambda: choose('tok1d-tiny-maskgen-vq'), 'a model that reads words draws')
    page.locator('#draw-prompt').wait_for(state='visible')
    page.locator('#draw-class').wait_for(state='hidden')
    page.screenshot(path=tmp_path/'draw.png')

@pytest.mark.long
def test_workbench_by_hand(url, browser, tmp_path):
    page = browser(url)
    page.get_by_role('tab', name='Workbench').click()
    page.locator('#bench-strip [role=option]').first.wait_for(timeout=60000)
    said = lambda: page.locator('#bench-past').inner_text()
    until(lambda: said() == 'encoded', 'a picture is there')
    page.locator('#bench-strip [role=listbox]').focus()
    for key in 'ArrowRight', 'Shift+ArrowRight', 'Shift+ArrowRight', 'Space':
        page.keyboard.press(key)
    until(lambda: said().endswith('drop(1, 2, 3)'), 'the space bar drops the chosen tokens')
    assert page.locator('#bench-strip .tok1d-gone').count() == 3
    assert 'drop(1, 2, 3)' in page.locator('#bench-code').inner_text()
    page.keyboard.press('Control+z')
    until(lambda: said() == 'encoded', 'and Ctrl+Z brings them back')
    page.locator('#bench-strip [role=option]').nth(5).click()
    page.locator('#bench-take').click()
    until(lambda: said().endswith('take(other, [5])'), 'the token of another picture')
    kept = page.locator('#bench-json textarea').input_value()
    page.locator('#bench-undo').click()
    until(lambda: said() == 'encoded', 'undone')
    page.locator('#bench-json textarea').fill(kept)
    page.locator('#bench-load').click()
    until(lambda: page.locator('#bench-json textarea').input_value() == kept and
          json.loads(kept)['tokens'][5] == int(page.locator('#bench-strip .tok1d-id').nth(5)
                                               .inner_text()), 'a saved state')
    page.screenshot(path=tmp_path/'bench.png')

@pytest.mark.parametrize('state', ['', '[]', '{"format": "x"}', None, 3])
def test_states_that_are_none(url, state):
    config = json.loads(urllib.request.urlopen(f'{url}/config', timeout=60).read())
    load_one, = [f for f in config['dependencies']
                 if len(f['inputs']) == 1 and f['targets'] and f['targets'][0][1] == 'click'
                 and len(f['outputs']) == 10]
    said = post(f'{url}/gradio_api/run/predict',
                dict(data=[state], fn_index=load_one['id'], session_hash='me'))
    assert 'Traceback' not in said and 'error' in said.lower()

@pytest.mark.long
def test_a_link_restores(url, browser):
    page = browser(f'{url}/?tab=generation&model=tok1d-tiny-rar&label=planets&seed=5&count=2'
                   '&guidance=2.5')
    link = page.locator('#draw-links a').last
    link.wait_for(timeout=60000)
    asked = 'tab=generation&model=tok1d-tiny-rar&label=planets&seed=5&count=2&guidance=2.5'
    until(lambda: asked in (link.get_attribute('href') or ''), 'the page says what it was asked')
    assert page.locator('#draw-class input').input_value() == 'planets'
    page.goto(f'{url}/?tab=interpolation&how=tokens&steps=4&order=last&first=koala&second=frog')
    link = page.locator('#way-links a').last
    until(lambda: link.count() and (link.get_attribute('href') or '').endswith(
        'how=tokens&steps=4&order=last&first=koala&second=frog'), 'two examples and their way')
    page.goto(f'{url}/?tab=generation&model=/etc&count=99&seed=x&guidance=nan')
    page.locator('#draw-film img').first.wait_for(state='attached', timeout=60000)
    assert page.locator('#draw-model input').input_value() == 'tok1d-tiny-maskgit'
    assert page.locator('#draw-count input').first.input_value() == '4'

@pytest.mark.long
def test_pages_fit(url, browser):
    "Nothing hangs out of any tab, on a phone or on a desk; of the first, see `test_page_fits`"
    page = browser(url, width=400)
    tabs = dict(interpolation='#way-film img', generation='#draw-film img',
                microscope='#look-run img', workbench='#bench-strip [role=option]')
    for tab, there in tabs.items():
        page.goto(f'{url}/?tab={tab}')  # on a phone some tabs are behind a menu
        page.locator(there).first.wait_for(state='attached', timeout=60000)
        for width in 400, 1200:
            page.set_viewport_size(dict(width=width, height=900))
            assert page.evaluate('document.documentElement.scrollWidth') <= width, tab
        page.set_viewport_size(dict(width=400, height=900))

"The Gradio page of token counts: through a real client, and in a real browser"
from pathlib import Path

import pytest
import tok1d.explore.search  # TokenImage.searched
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image
from pages import pixels, serving, settled, until
from tok1d.data.embedded import photos
from tok1d.explore.show import bits_text, psnr_text, view_pictures
from tok1d.explore.tokens import TokenImage, explore_tokens
from tok1d.hub.pretrained import load

APP = Path(__file__).parents[1]/'demos/token_count/app.py'

@pytest.fixture(scope='module')
def url():
    with serving(APP) as url: yield url

@pytest.fixture(scope='module')
def client(url): return Client(url, verbose=False)

@pytest.fixture
def files(tmp_path):
    "A photo with transparency, and a file that claims to be a picture"
    good, broken = tmp_path/'a photo.png', tmp_path/'broken.png'
    photo = photos()[1][1].convert('RGBA')
    photo.putalpha(photo.getchannel('G'))
    photo.save(good)
    broken.write_bytes(good.read_bytes()[:300])
    return good, broken

def explore(client, path, k): return client.predict(handle_file(path), k, api_name='/explore')

def test_client_sees_what_a_call_computes(client, files):
    "The page adds nothing to `explore_tokens`: pictures equal to the pixel, figures to the letter"
    view = explore_tokens(load(), files[0], 5)
    *pictures, stats, ids, curve = explore(client, files[0], 5)
    for got, expected in zip(pictures, view_pictures(view)):
        assert Image.open(got).convert('RGB').tobytes() == expected.convert('RGB').tobytes()
    assert bits_text(view.bits) in stats and psnr_text(view.psnr) in stats
    assert all(f'>{i}</span>' in ids for i in view.ids)
    assert curve

def test_search(client, files):
    ti = TokenImage.from_image(load(), files[0])
    best = ti.searched(4)
    assert best.psnr() > ti.psnr()
    got = client.predict(handle_file(files[0]), 32, True, api_name='/explore')
    assert psnr_text(best.psnr()) in got[3]

def test_broken_upload_is_explained(client, files):
    good, broken = files
    with pytest.raises(AppError) as e: explore(client, broken, 5)
    assert "'broken.png' " in str(e.value) and '/gradio/' not in str(e.value)
    assert explore(client, good, 5)  # and the page goes on

@pytest.mark.parametrize('k', [0, 1000])
def test_impossible_counts_are_explained(client, files, k):
    with pytest.raises(AppError, match='1'): explore(client, files[0], k)

def test_no_image_is_no_error(client): client.predict(None, 5, api_name='/explore')

def test_page(url, browser, files, tmp_path):
    "By hand: slider from the keyboard, a click on an example, an upload, a broken upload"
    page = browser(url)
    img = {name: page.locator(f'#{name} img') for name in ('original', 'reconstruction', 'difference')}
    def change(name, act, what):
        before = pixels(img[name])
        act()
        until(lambda: img[name].count() and pixels(img[name]) != before, what)

    img['reconstruction'].wait_for(timeout=60000)
    slider = page.locator('#tokens input[type=range]')
    original = pixels(img['original'])
    slider.focus()
    change('reconstruction', lambda: page.keyboard.press('ArrowRight'), 'an arrow key changes the reconstruction')
    until(lambda: '9 of' in page.locator('#stats').inner_text(), 'the figures follow')
    assert pixels(img['original']) == original
    assert page.locator('#ids span').filter(has_text='·').count() == load().num_tokens - 9

    change('original', page.locator('#examples img').nth(2).click, 'a click on an example shows it')
    def upload(path):
        if (clear := page.locator('#image button[aria-label="Clear"]')).count(): clear.click()
        page.locator('#image input[type=file]').set_input_files(path)
    change('original', lambda: upload(files[0]), 'an upload is shown')
    change('reconstruction', page.locator('#search input').check, 'a search changes the reconstruction')
    page.screenshot(path=tmp_path/'page.png')

    shown = settled(img['reconstruction'])
    upload(files[1])
    toast = page.get_by_test_id('toast-text')
    toast.first.wait_for(timeout=30000)
    assert "'broken.png' " in toast.inner_text()  # one message, not two
    assert pixels(img['reconstruction']) == shown
    change('original', page.locator('#examples img').nth(3).click, 'the page goes on after a broken upload')

@pytest.mark.parametrize('width', [1200, 400])
def test_page_fits(url, browser, width):
    "Nothing hangs out of the page, and the three pictures stay side by side and square"
    page = browser(url, width=width)
    page.locator('#difference img').wait_for(timeout=60000)
    assert page.evaluate('document.documentElement.scrollWidth') <= width
    boxes = [page.locator(f'#{name}').bounding_box() for name in ('original', 'reconstruction', 'difference')]
    assert len({round(b['y']) for b in boxes}) == 1
    assert all(a['x'] + a['width'] <= b['x'] for a, b in zip(boxes, boxes[1:]))
    assert all(abs(b['width'] - b['height']) < 8 for b in boxes)

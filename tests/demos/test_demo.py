"The tab of token counts: through a real client, and in a real browser; `url` serves all tabs"
import json
import struct
import urllib.error
import urllib.request
import zlib
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
from tok1d.hub.pretrained import LONGEST, load

APP = Path(__file__).parents[2]/'demos/token_count/app.py'

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
    view = explore_tokens(load(LONGEST), files[0], 5)
    *pictures, stats, ids, curve, line, note, code = explore(client, files[0], 5)
    for got, expected in zip(pictures, view_pictures(view)):
        assert Image.open(got).convert('RGB').tobytes() == expected.convert('RGB').tobytes()
    assert bits_text(view.bits) in stats and psnr_text(view.psnr) in stats
    assert all(f'>{i}</span>' in ids for i in view.ids)
    assert curve and line == ' '.join(map(str, view.ids)) and not note
    assert line.replace(' ', ', ') in code and compile(code, 'code', 'exec')

def test_search(client, files):
    ti = TokenImage.from_image(load(LONGEST), files[0])
    best = ti.searched(4)
    assert best.psnr() > ti.psnr()
    got = client.predict(handle_file(files[0]), len(best), True, api_name='/explore')
    assert psnr_text(best.psnr()) in got[3]

def test_broken_upload_is_explained(client, files):
    good, broken = files
    with pytest.raises(AppError) as e: explore(client, broken, 5)
    assert "'broken.png' " in str(e.value) and '/gradio/' not in str(e.value)
    assert explore(client, good, 5)  # and the page goes on

@pytest.mark.parametrize('k', [0, 1000])
def test_impossible_counts_are_explained(client, files, k):
    with pytest.raises(AppError, match='1'): explore(client, files[0], k)

def test_no_image_clears_all(client):
    assert not any(client.predict(None, 5, api_name='/explore'))

def test_whole_picture(client, tmp_path):
    "What a crop loses is said; the other way nothing is lost"
    tall = tmp_path/'tall.png'
    Image.new('RGB', (40, 300), 'teal').save(tall)
    *_, note, code = client.predict(handle_file(tall), 5, api_name='/explore')
    assert '40 × 300' in note and '13%' in note
    original, *_, note, code = client.predict(handle_file(tall), 5, False, True,
                                              api_name='/explore')
    assert not note and Image.open(original).convert('RGB').getpixel((2, 2)) == (255, 255, 255)

# what strangers send

def post(url, data):
    "The answer to raw JSON, and whether it is a good one"
    ask = urllib.request.Request(url,
                                 json.dumps(data).encode(), {'content-type': 'application/json'})
    try: return urllib.request.urlopen(ask, timeout=60).read().decode()
    except urllib.error.HTTPError as e: return e.read().decode()

def asked_raw(url, endpoint, *data):
    "What a named endpoint says to raw JSON, without the client's help"
    event = json.loads(post(f'{url}/gradio_api/call/{endpoint}', dict(data=data)))['event_id']
    return urllib.request.urlopen(f'{url}/gradio_api/call/{endpoint}/{event}',
                                  timeout=60).read().decode()

@pytest.fixture
def secret(tmp_path):
    "An image of the server that nobody uploaded"
    path = tmp_path/'secret.png'
    photos()[0][1].save(path)
    return path

def sneaky(path):
    "Ways to name a file of the server"
    yield dict(path=str(path))
    yield dict(path=str(path), meta={'_type': 'gradio.FileData'})
    yield dict(path=str(path), url=f'file://{path}')
    yield dict(path=f'/tmp/gradio/../..{path}')
    yield str(path)

def test_no_file_of_the_server(url, secret):
    "An image that is there and one that is not get one and the same answer, which names no folder"
    for there, missing in zip(sneaky(secret), sneaky(secret.with_name('none.png'))):
        answers = [
            asked_raw(url, 'explore', image, 8, False, False, '') for image in (there, missing)
        ]
        assert answers[0] == answers[1] and 'event: error' in answers[0], there
        assert str(secret.parent) not in answers[0]
    for remote in 'http://127.0.0.1:1/x.png', 'file:///etc/passwd', '/dev/zero', '/etc/passwd', '':
        assert 'event: error' in asked_raw(url, 'explore', dict(path=remote), 8, False, False, '')

@pytest.mark.parametrize('count', [None, 'a', 0, 129, 8.5, True, [3], float('nan')])
def test_a_count_that_is_none(url, count):
    assert 'How many tokens?' in asked_raw(url, 'explore', None, count, False, False, '')

def claiming(path, width, height):
    "A PNG of a few bytes that claims to be large"
    def chunk(kind, data):
        return struct.pack('>I', len(data)) + kind + data + struct.pack(
            '>I', zlib.crc32(kind + data))
    head = struct.pack('>IIBBBBB', width, height, 8, 2, 0, 0, 0)
    path.write_bytes(b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', head) +
                     chunk(b'IDAT', zlib.compress(b'')) + chunk(b'IEND', b''))
    return path

def test_too_many_pixels(client, tmp_path):
    with pytest.raises(AppError, match='50,000,000') as e:
        explore(client, claiming(tmp_path/'bomb.png', 10_000, 10_000), 5)
    assert "'" + str(tmp_path) not in str(e.value) and 'tok1d-demo' not in str(e.value)

def test_too_many_bytes(client, tmp_path):
    big = tmp_path/'big.png'
    big.write_bytes(bytes(21_000_000))
    with pytest.raises(Exception, match='20'): explore(client, big, 5)

@pytest.mark.long
def test_alone(files, tmp_path):
    "The page runs without the other tabs, and the folder of uploads goes with it"
    with serving(APP, env=dict(TMPDIR=str(tmp_path))) as url:
        assert list(tmp_path.glob('tok1d-demo-*'))
        assert explore(Client(url, verbose=False), files[0], 5)
    until(lambda: not list(tmp_path.glob('tok1d-demo-*')), 'the folder of uploads is removed')

def test_page(url, browser, files, tmp_path):
    "By hand: slider from the keyboard, a click on an example, an upload, a broken upload"
    page = browser(url)
    img = {
        name: page.locator(f'#{name} img')
        for name in ('original', 'reconstruction', 'difference')
    }
    def change(name, act, what):
        before = pixels(img[name])
        act()
        until(lambda: img[name].count() and pixels(img[name]) != before, what)

    img['reconstruction'].wait_for(timeout=60000)
    slider = page.locator('#tokens input[type=range]')
    original = pixels(img['original'])
    slider.focus()
    change('reconstruction', lambda: page.keyboard.press('ArrowRight'),
           'an arrow key changes the reconstruction')
    until(lambda: '9 of' in page.locator('#stats').inner_text(), 'the figures follow')
    assert pixels(img['original']) == original
    assert page.locator('#ids span').filter(has_text='·').count() == load(LONGEST).num_tokens - 9

    change('original',
           page.locator('#examples button[aria-label="coffee"]').click,
           'a click on an example shows it')
    def upload(path): page.locator('#image input[type=file]').set_input_files(path)
    change('original', lambda: upload(files[0]), 'an upload is shown')
    stale = page.locator('#results.stale')
    before = pixels(img['reconstruction'])
    page.locator('#search input').check()
    until(stale.count, 'old results are marked while a search runs')
    until(lambda: not stale.count(), 'the mark goes')
    assert pixels(img['reconstruction']) != before
    page.screenshot(path=tmp_path/'page.png')

    shown = settled(img['reconstruction'])
    upload(files[1])
    toast = page.get_by_test_id('toast-text')
    toast.first.wait_for(timeout=30000)
    assert "'broken.png' " in toast.inner_text()  # one message, not two
    assert pixels(img['reconstruction']) == shown
    change('original',
           page.locator('#examples img').nth(3).click, 'the page goes on after a broken upload')
    page.locator('#image button[aria-label="Remove Image"]').click()
    until(lambda: not img['reconstruction'].count() and not page.locator('#stats').inner_text(),
          'clearing clears the results')

@pytest.mark.long
def test_page_fits(url, browser):
    "Nothing hangs out of the page, and the three pictures stay side by side and square"
    page = browser(url)
    page.locator('#difference img').wait_for(timeout=60000)
    for width in 1200, 400:
        page.set_viewport_size(dict(width=width, height=900))
        assert page.evaluate('document.documentElement.scrollWidth') <= width
        boxes = [
            page.locator(f'#{name}').bounding_box()
            for name in ('original', 'reconstruction', 'difference')
        ]
        assert len({round(b['y']) for b in boxes}) == 1
        assert all(a['x'] + a['width'] <= b['x'] for a, b in zip(boxes, boxes[1:]))
        assert all(abs(b['width'] - b['height']) < 8 for b in boxes)

"The token strip in a real Chromium, without a notebook: what keys and mouse do to its traits"

import pytest
import torch
from tok1d.explore.strip import TokenStrip, paints

MODEL = """
async ([code, css, state]) => {
  const heard = {}
  const model = {
    get: name => state[name],
    set: changes => { for (const name of Object.keys(changes)) {
      state[name] = changes[name]
      for (const [what, f] of Object.entries(heard)) what.includes('change:' + name) && f() } },
    save_changes: () => { window.saved = (window.saved ?? 0) + 1 },
    send: message => { window.sent = message },
    on: (what, f) => { heard[what] = f }, off: what => { delete heard[what] },
  }
  const style = document.createElement('style')
  style.textContent = css + '\\nbody { margin: 8px; font-family: sans-serif; background: Canvas }'
  document.head.append(style)
  const module = await import(URL.createObjectURL(new Blob([code], {type: 'text/javascript'})))
  const el = document.createElement('div')
  document.body.append(el)
  window.state = state
  window.model = model
  window.heard = heard
  window.free = module.default.render({model, el})
}"""

def state(n, codes=4096):
    at = torch.linspace(0, 1, n)
    colours, inks = paints(at)
    return dict(name='tokens', what='code', labels=[str(i*codes//n)
                                                    for i in range(n)], colours=colours, inks=inks,
                shades=at.flip(0).tolist(), notes=[f'changes the picture by {x:.1%}' for x in at],
                dropped=[], selected=[], cursor=0)

@pytest.fixture
def strip(browser):
    "`page, now = strip(n, width)`: a page with a strip on it, and what its traits are"
    def show(n=32, width=800, height=500, dark=False, **more):
        page = browser('about:blank', width=width, height=height)
        page.emulate_media(color_scheme='dark' if dark else 'light')
        page.set_content('<!doctype html><meta name=color-scheme content="light dark">')
        page.evaluate(MODEL, [TokenStrip._esm, TokenStrip._css, dict(state(n), **more)])
        return page, lambda name: page.evaluate(f'window.state.{name}')
    return show

def test_keyboard(strip):
    page, now = strip()
    def press(*keys):
        for key in keys: page.keyboard.press(key)
    press('Tab', 'ArrowRight', 'ArrowRight', 'ArrowLeft')
    assert (now('cursor'), now('selected')) == (1, [1])
    press('Shift+ArrowRight', 'Shift+ArrowRight')
    assert now('selected') == [1, 2, 3]
    press('Space')
    assert now('dropped') == [1, 2, 3]
    press('Escape', 'Space')
    assert now('dropped') == [1, 2]
    press('Home', 'Delete')
    assert now('dropped') == [0, 1, 2]
    press('Shift+End', 'Space')
    assert now('dropped') == list(range(32))
    press('Space')
    assert now('dropped') == []
    press('End', 'ArrowRight')
    assert now('cursor') == 31
    press('Control+a')
    assert now('selected') == list(range(32))
    for keys, wish in {'Control+z': 'undo', 'Control+y': 'redo', 'Control+Shift+z': 'redo'}.items():
        press(keys)
        assert page.evaluate('window.sent') == dict(do=wish)

def test_rows(strip):
    "Every token is on the page, large enough for a finger, and up and down go by rows"
    for n, width in (16, 390), (32, 800), (128, 390), (128, 1300): rows(strip, n, width)

def rows(strip, n, width):
    page, now = strip(n, width)
    tokens = page.get_by_role('option')
    assert tokens.count() == n
    boxes = [tokens.nth(i).bounding_box() for i in (0, n//2, n-1)]
    assert all(b['x'] >= 0 and b['x']+b['width'] <= width for b in boxes)
    assert all(b['width'] >= 24 and b['height'] >= 24 for b in boxes)
    assert page.evaluate('document.documentElement.scrollWidth') <= width
    tops = tokens.evaluate_all('all => all.map(token => token.getBoundingClientRect().y)')
    columns = next((i for i, y in enumerate(tops) if y > tops[0]), n)
    page.keyboard.press('Tab')
    page.keyboard.press('ArrowDown')
    assert now('cursor') == (columns if columns < n else 0)
    page.keyboard.press('ArrowUp')
    assert now('cursor') == 0

def test_mouse(strip):
    page, now = strip()
    tokens = page.get_by_role('option')
    def middle(i):
        box = tokens.nth(i).bounding_box()
        return box['x']+box['width']/2, box['y']+box['height']/2
    tokens.nth(3).click()
    assert (now('cursor'), now('selected')) == (3, [3])
    tokens.nth(6).click(modifiers=['Shift'])
    assert now('selected') == [3, 4, 5, 6]
    tokens.nth(5).click(modifiers=['Control'])
    tokens.nth(9).click(modifiers=['Control'])
    assert now('selected') == [3, 4, 6, 9]
    page.mouse.move(*middle(10))
    page.mouse.down()
    page.mouse.move(*middle(13), steps=5)
    page.mouse.up()
    page.mouse.move(*middle(20))
    assert now('selected') == [10, 11, 12, 13]
    page.keyboard.press('Delete')
    assert now('dropped') == [10, 11, 12, 13]
    tokens.nth(20).dblclick()
    assert now('dropped') == [10, 11, 12, 13, 20]

def test_said(strip):
    "What a screen reader hears, a hovering mouse reads, and code changes"
    page, now = strip(dropped=[2])
    line = page.get_by_role('listbox', name='tokens')
    assert line.get_attribute('aria-multiselectable') == 'true'
    token = page.get_by_role('option').nth(2)
    said = 'token 2, code 256, dropped, changes the picture by 6.5%'
    assert token.get_attribute('aria-label') == token.get_attribute('title') == said
    page.evaluate('window.model.set({dropped: [], cursor: 5, selected: [5, 6]})')
    assert 'dropped' not in token.get_attribute('aria-label')
    here = page.get_by_role('option').nth(5)
    assert line.get_attribute('aria-activedescendant') == here.get_attribute('id')
    assert here.get_attribute('aria-selected') == 'true'
    assert '(2 selected)' in page.locator('.tok1d-strip-said').inner_text()
    page.evaluate("window.model.set({labels: ['<b>1</b>', '2'], selected: [], cursor: 0})")
    assert page.get_by_role('option').count() == 2
    assert page.locator('.tok1d-id').first.inner_text() == '<b>1</b>'
    page.evaluate('window.free()')
    assert page.evaluate('Object.keys(window.heard).length') == 0

def test_seen(strip, tmp_path):
    "A dropped token differs by pattern, the cursor has a ring, and the line of text can be read"
    for dark in False, True: seen(strip, dark, tmp_path)

def seen(strip, dark, folder):
    page, _ = strip(dark=dark, dropped=[4, 5], selected=[8, 9])
    page.keyboard.press('Tab')
    def style(selector, name):
        return page.eval_on_selector(selector, f'e => getComputedStyle(e).{name}')
    assert 'repeating-linear-gradient' in style('.tok1d-gone', 'backgroundImage')
    assert style('.tok1d-gone', 'borderStyle') == 'dashed'
    assert style('.tok1d-here', 'outlineStyle') == 'solid'
    assert style('.tok1d-strip', 'color') == ('rgb(255, 255, 255)' if dark else 'rgb(0, 0, 0)')
    page.screenshot(path=folder/f'strip-{dark}.png')

"""How many tokens does an image need? A Gradio page over `tok1d.explore`.

    python demos/token_count/app.py [--model tok1d-tiny-vq] [--host 127.0.0.1] [--port 7860]

Nothing is asked from outside: no analytics, no web fonts, no share link. The logic is in `tok1d.explore.tokens`,
the drawing in `tok1d.explore.show`; here are only the parts of the page and what calls what.
"""
import os
os.environ.setdefault('GRADIO_ANALYTICS_ENABLED', 'False')  # read when gradio is imported

import argparse
import atexit
import base64
import html
import shutil
import signal
import sys
import tempfile
import threading
import time
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

import gradio as gr
from gradio.utils import get_upload_folder
from PIL import Image
from tok1d.basics import FORMATS, crop_share, default_device, open_image, pad_square
from tok1d.data.embedded import photos, samples
from tok1d.data.tokens import TokenSet, save_tokens, source
from tok1d.explore.search import tokens_and_curve
from tok1d.explore.show import curve_figure, ids_html, stats_html, view_pictures
from tok1d.explore.tokens import explore_tokens
from tok1d.hub.pretrained import DEFAULT, list_pretrained, load

MAX_FILE = '20mb'          # of an upload
MAX_PIXELS = 50_000_000    # of an upload: what a good camera takes; decoded, 150 MB
KEPT = 3600                # seconds that an upload and what was made of it stay on the disk
MAX_WAITING = 60           # requests in the queue, beyond which a visitor is asked to come again

INTRO = """# How many tokens does an image need?
A tokenizer turns an image into a short line of tokens. Keep only the first few of them with the slider, and see what comes back."""
SHIPPED = ' It learned from drawn characters and emoji: of a photo it keeps the layout and the colours, no faces and no fine detail.'
PSNR = ' **PSNR** says how close the reconstruction is: at 20 dB a picture is recognisable, at 30 dB it looks good.'

CSS = """
.gradio-container { max-width: 1180px !important; margin: auto }
.pixels img { image-rendering: pixelated; width: 100%; height: 100%; object-fit: contain }
#examples .grid-container { grid-template-columns: repeat(auto-fill, minmax(56px, 1fr)); grid-template-rows: none; grid-auto-rows: auto }
#examples .grid-wrap { overflow: visible; padding: 0; min-height: 0; height: auto }
#examples .caption-label { display: none }
#examples { min-height: 0 !important }
#stats .html-container, #ids .html-container { padding: 0 }
#pictures .column { gap: 4px }
#pictures strong { font-size: .85rem; white-space: nowrap }
@media (max-width: 640px) {
  #pictures strong { font-size: .75rem }
  #examples, #examples .grid-wrap { min-width: 0; max-width: calc(100vw - 64px); overflow-x: auto }
  #examples .grid-container { grid-auto-flow: column; grid-template-columns: none; grid-auto-columns: 56px }
  #image, #image > * { max-height: 190px; min-height: 0 !important }
}
#curve img { max-width: min(100%, 480px); background: none }
#results.stale > * { opacity: .35; transition: opacity .15s .35s }
#results::before { content: ""; display: block; height: 1.4em; margin-bottom: -.6em; font-size: .85rem }
#results.stale::before { content: "working on it; what you see is still the last picture"; animation: appear .15s .35s both }
@keyframes appear { from { opacity: 0 } }
#search input:focus-visible, #whole input:focus-visible, #tokens input:focus-visible, #examples button:focus-visible { outline: 3px solid #ea580c; outline-offset: 2px }
#tokens input[type=range]::-webkit-slider-thumb { border: 2px solid #ea580c }
"""

HEAD = """<script>
new MutationObserver(() => document.querySelectorAll('#examples button:has(img)').forEach(b => {
  const name = b.querySelector('.caption-label')?.textContent.trim()
  if (name && b.title != name) { b.title = name; b.setAttribute('aria-label', name) }
})).observe(document, {childList: true, subtree: true})
</script>"""
WAITING = "(...values) => { document.getElementById('results')?.classList.add('stale'); return values }"
DONE = "() => document.getElementById('results')?.classList.remove('stale')"


def private_cache():
    "A folder for uploads that no other program shares, and that goes with this one"
    if 'GRADIO_TEMP_DIR' in os.environ: return
    os.environ['GRADIO_TEMP_DIR'] = tempfile.mkdtemp(prefix='tok1d-demo-')
    atexit.register(shutil.rmtree, os.environ['GRADIO_TEMP_DIR'], ignore_errors=True)


class Upload(gr.Image):
    "An image that hands on the uploaded file itself, in every format, and nothing else that lies on this machine"
    is_template = True  # gr.Image in the browser

    def preprocess(self, payload):
        if payload is None: return None
        path = Path(payload.path or '').resolve()
        inside = path.is_relative_to(Path(get_upload_folder()).resolve())
        if not inside or not path.is_file(): raise gr.Error('That image was not uploaded here, or not lately: upload it (again).', print_exception=False)
        return str(path)


class Count(gr.Slider):
    "A slider whose box of numbers may be empty"
    is_template = True

    def preprocess(self, payload):
        number = isinstance(payload, (int, float)) and not isinstance(payload, bool)
        if number and self.minimum <= payload <= self.maximum and payload == int(payload): return int(payload)
        raise gr.Error(f'How many tokens? A whole number from {self.minimum} to {self.maximum}.', print_exception=False)


def picture(name, buttons=()):
    "A picture below its name"
    with gr.Column(min_width=96):
        gr.Markdown(f'**{name}**')
        return gr.Image(show_label=False, label=name, interactive=False, format='png', buttons=[*buttons], elem_id=name, elem_classes='pixels')


def on_any_ground(figure):
    "A figure for light and dark pages: no ground of its own, lines and letters in a grey that both show"
    figure.patch.set_alpha(0)
    for ax in figure.axes:
        ax.patch.set_alpha(0)
        ax.tick_params(colors='#808080')
        for part in (ax.xaxis.label, ax.yaxis.label): part.set_color('#808080')
        for spine in ax.spines.values(): spine.set_color('#808080')
    return figure


def about(model, name):
    "Which model this is, and what to expect of it"
    ships = any(row.embedded and row.name == name for row in list_pretrained())
    size = f'{model.image_size} × {model.image_size} pixels'
    return f'Model: **{html.escape(str(name))}**, which sees {size} and makes {model.num_tokens} tokens of them.{SHIPPED*ships}{PSNR}'


def crop_note(size, whole):
    "What the model does not see of an image that is not square"
    share = crop_share(*size)
    if whole or share > .98: return ''
    return f'This picture has {size[0]:,} × {size[1]:,} pixels; only the square at its centre is used, {share:.0%} of it. Tick *whole picture* to keep all of it.'


def download(tokens, name, origin):
    "A link that holds the tokens as a file for `tok1d decode`"
    with tempfile.TemporaryDirectory() as folder:
        data = save_tokens(TokenSet(tokens[None], [name], origin), Path(folder)/'tokens.json').read_bytes()
    href = f'data:application/json;base64,{base64.b64encode(data).decode()}'
    return f'<p><a download="tokens.json" href="{href}">Download the tokens</a>, for <code>tok1d decode tokens.json -o pictures</code></p>'


def claimed_size(path):
    "Width and height as the header says; 0 where it says nothing"
    with suppress(Exception), Image.open(path, formats=FORMATS) as im: return im.size
    return 0, 0


def read_upload(path):
    "An uploaded image, if it is one and not too large"
    width, height = claimed_size(path)
    if width*height > MAX_PIXELS: raise ValueError(f'{path} has {width:,} × {height:,} pixels; at most {MAX_PIXELS:,} are accepted here: scale it down first')
    return open_image(path)


def build(model=None, # Tokenizer; the shipped one when None
          k=8, # Tokens to start with
          name=None, # What the model is called
         ):
    "The page, ready to `launch`"
    private_cache()
    name = name or (DEFAULT if model is None else 'your own')
    model = load(device=default_device()) if model is None else model
    n, examples, origin = model.num_tokens, [*photos(), *samples()], source(model, name)

    @lru_cache(maxsize=32)  # Gradio names an uploaded file by its content, so a path stands for one image
    def opened(path, search, whole):
        image = read_upload(path)
        return *tokens_and_curve(model, pad_square(image, model.image_size) if whole else image, 4 if search else 0), image.size

    @lru_cache(maxsize=256)
    def said(*what): return [time.monotonic()]  # when a message was shown first

    def explore(path, k, search=False, whole=False, request: gr.Request = None):
        "Pictures, figures, ids, curve, line of ids and note about an image seen through its first `k` tokens"
        if not path: return [None, None, None, '', '', None, '', '']
        try:
            ti, curve, size = opened(path, bool(search), bool(whole))
            view = explore_tokens(model, ti, k)
            link = download(ti.tokens[:k], Path(path).name, origin)
        except ValueError as e:  # the folder of the upload is no business of whoever uploaded it
            first, = said(request and request.session_hash, path, k, search, whole)
            again = .01 < time.monotonic() - first < 3  # the page tells of one upload twice; its visitor need not hear twice
            raise gr.Error(str(e).replace(str(Path(path).parent) + os.sep, ''), visible=not again, print_exception=False) from e
        line = ' '.join(map(str, view.ids or ()))
        return *view_pictures(view), stats_html(view), ids_html(view) + link, on_any_ground(curve_figure(curve, view, dpi=160)), line, crop_note(size, whole)

    def pick(event: gr.SelectData): return examples[event.index][1]

    with gr.Blocks(title='tok1d: token count', analytics_enabled=False, delete_cache=(KEPT//6, KEPT)) as demo:
        gr.Markdown(f'{INTRO}\n\n{about(model, name)}')
        with gr.Row():
            with gr.Column(scale=1, min_width=260):
                gr.Markdown('**your image**')
                image = Upload(dict(examples)['critter'], show_label=False, label='your image', sources=['upload', 'clipboard', 'webcam'], format='png', height=260, elem_id='image')
                note = gr.Markdown(elem_id='note')
                gr.Markdown('**or one of these**')
                gallery = gr.Gallery([(im, title) for title, im in examples], show_label=False, label='examples', container=False, allow_preview=False, interactive=False,
                                     object_fit='cover', height='auto', buttons=[], elem_id='examples', elem_classes='pixels')
            with gr.Column(scale=2, min_width=320):
                slider = Count(1, n, min(k, n), step=1, label=f'tokens kept, of {n}', elem_id='tokens')
                with gr.Row():
                    better = gr.Checkbox(False, label='search for better tokens', info='Try four codes for each token and let the decoder judge: slower, and closer to the image.',
                                         visible=bool(model.codebook_size), container=False, elem_id='search')
                    whole = gr.Checkbox(False, label='whole picture', info='Put it on a white square instead of cutting out its centre.', container=False, elem_id='whole')
                with gr.Column(elem_id='results'):
                    with gr.Row(elem_id='pictures'):
                        pictures = [picture('original'), picture('reconstruction', ['download']), picture('difference')]
                    stats = gr.HTML(padding=False, elem_id='stats')
                    ids = gr.HTML(padding=False, elem_id='ids')
                    line = gr.Textbox(label='the ids as text', buttons=['copy'], interactive=False, lines=1, max_lines=4, visible=bool(model.codebook_size), elem_id='line')
                    plot = gr.Plot(show_label=False, label='quality against tokens', container=False, format='png', elem_id='curve')
        inputs, outputs = [image, slider, better, whole], [*pictures, stats, ids, plot, line, note]
        events = [image.change, slider.change, better.input, whole.input, demo.load]
        gr.on(events, explore, inputs, outputs, api_name='explore', trigger_mode='always_last', show_progress='hidden', js=WAITING).then(None, js=DONE)
        gallery.select(pick, None, image, api_visibility='private', show_progress='hidden')
    return demo


def launch(demo, host='127.0.0.1', port=None, **kw):
    "Serve the page, to this machine unless `host` says otherwise"
    if threading.current_thread() is threading.main_thread(): signal.signal(signal.SIGTERM, lambda *_: sys.exit())  # so that the folder of uploads goes
    theme = gr.themes.Default(font=['system-ui', 'sans-serif'], font_mono=['monospace'])
    queue = demo.queue(default_concurrency_limit=2, max_size=MAX_WAITING)
    return queue.launch(server_name=host, server_port=port, share=False, ssr_mode=False, theme=theme, css=CSS, head=HEAD, max_file_size=MAX_FILE,
                        footer_links=['api', 'settings'], **kw)


def main(argv=None):
    p = argparse.ArgumentParser(description='How many tokens does an image need? A page to try it.')
    p.add_argument('--model', default=DEFAULT, help='name, folder or file of a tokenizer (see `tok1d list`); the shipped one if not given')
    p.add_argument('--host', default='127.0.0.1', help='address to serve on; 0.0.0.0 for every machine that can reach this one')
    p.add_argument('--port', type=int, help='port to serve on; the first free one from 7860 if not given')
    args = p.parse_args(argv)
    launch(build(load(args.model), name=args.model), args.host, args.port)


if __name__ == '__main__': main()

"What the demos share: uploads that expose nothing, limits, parts of a page, and how it is served"
import os
os.environ.setdefault('GRADIO_ANALYTICS_ENABLED', 'False')  # read when gradio is imported

import argparse
import atexit
import html
import shutil
import signal
import sys
import tempfile
import threading
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlencode

import gradio as gr
from gradio.utils import get_upload_folder
from PIL import Image
from tok1d.basics import FORMATS, open_image
from tok1d.hub.pretrained import list_pretrained

MAX_FILE = '20mb'          # of an upload
MAX_PIXELS = 50_000_000    # of an upload: what a good camera takes; decoded, 150 MB
KEPT = 3600                # seconds that an upload and what was made of it stay on the disk
MAX_WAITING = 60           # requests in the queue, beyond which a visitor is asked to come again
SHIPPED = (' It learned from drawn characters and emoji: of a photo it keeps the layout and the '
           'colours, no faces and no fine detail.')

CSS = """
.gradio-container { max-width: 1180px !important; margin: auto }
.pixels img { image-rendering: pixelated; width: 100%; height: 100%; object-fit: contain }
.examples .grid-container { grid-template-columns: repeat(auto-fill, minmax(56px, 1fr));
                            grid-template-rows: none; grid-auto-rows: auto }
.examples .grid-wrap { overflow: visible; padding: 0; min-height: 0; height: auto }
.examples .caption-label { display: none }
.examples { min-height: 0 !important }
.results.stale > * { opacity: .35; transition: opacity .15s .35s }
.results::before { content: ""; display: block; height: 1.4em; margin-bottom: -.6em;
                   font-size: .85rem }
.results.stale::before { content: "working on it; what you see is still the last picture";
                         animation: appear .15s .35s both }
@keyframes appear { from { opacity: 0 } }
.gradio-container input:focus-visible, .examples button:focus-visible,
.tok1d-film :focus-visible { outline: 3px solid #ea580c; outline-offset: 2px }
.gradio-container input[type=range]::-webkit-slider-thumb { border: 2px solid #ea580c }
.tok1d-film button { border: 1px solid currentColor; border-radius: 6px }
.tok1d-film input { accent-color: #ea580c }
@media (max-width: 640px) {
  .tab-container button { padding: 0 4px !important; font-size: .78rem !important }
  .examples, .examples .grid-wrap { min-width: 0; max-width: calc(100vw - 64px); overflow-x: auto }
  .examples .grid-container { grid-auto-flow: column; grid-template-columns: none;
                              grid-auto-columns: 56px }
}
"""

HEAD = """<script>
new MutationObserver(() => document.querySelectorAll('.examples button:has(img)').forEach(b => {
  const name = b.querySelector('.caption-label')?.textContent.trim()
  if (name && b.title != name) { b.title = name; b.setAttribute('aria-label', name) }
})).observe(document, {childList: true, subtree: true})
</script>"""


def waiting(results):
    "Scripts that mark the results of a page as old, and as new"
    find = f"document.getElementById('{results}')?.classList"
    begin = f"(...values) => {{ {find}.add('stale'); return values }}"
    return begin, f"() => {find}.remove('stale')"


def private_cache():
    "A folder for uploads that no other program shares, and that goes with this one"
    if 'GRADIO_TEMP_DIR' in os.environ: return
    os.environ['GRADIO_TEMP_DIR'] = tempfile.mkdtemp(prefix='tok1d-demo-')
    atexit.register(shutil.rmtree, os.environ['GRADIO_TEMP_DIR'], ignore_errors=True)


def page(title):
    "An empty page, to be filled; what its visitors left goes after a while"
    private_cache()
    return gr.Blocks(title=f'tok1d: {title}', analytics_enabled=False, delete_cache=(KEPT//6, KEPT))


class Upload(gr.Image):
    """An image that hands on the uploaded file itself, in every format, and nothing else that lies
    on this machine"""
    is_template = True  # gr.Image in the browser

    def preprocess(self, payload):
        if payload is None: return None
        path = Path(payload.path or '').resolve()
        inside = path.is_relative_to(Path(get_upload_folder()).resolve())
        if not inside or not path.is_file():
            raise gr.Error('That image was not uploaded here, or not lately: upload it (again).',
                           print_exception=False)
        return str(path)


def is_number(value):
    "A number, and not a truth"
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def read_number(part, payload, question, whole=True):
    """A number of a part's own range, or the question once more

    A box may be empty, and strangers may send anything.
    """
    fits = is_number(payload) and part.minimum <= payload <= part.maximum
    if fits and (not whole or payload == int(payload)):
        return int(payload) if whole else float(payload)
    kind = 'whole number' if whole else 'number'
    raise gr.Error(f'{question}? A {kind} from {part.minimum} to {part.maximum:,}.',
                   print_exception=False)


class Count(gr.Slider):
    "A slider for a whole number"
    is_template = True  # gr.Slider in the browser
    def preprocess(self, payload):
        return read_number(self, payload, f'How many {self.label.split(" ")[0]}')


class Amount(gr.Slider):
    "A slider for any number"
    is_template = True
    def preprocess(self, payload):
        return read_number(self, payload, f'How much {self.label}', whole=False)


class Whole(gr.Number):
    "A box for a whole number"
    is_template = True
    def preprocess(self, payload): return read_number(self, payload, f'Which {self.label}')


def about(model, name):
    "Which tokenizer this is, and what to expect of it"
    ships = any(row.embedded and row.name == name for row in list_pretrained())
    size = f'{model.image_size} × {model.image_size} pixels'
    return (f'Model: **{html.escape(str(name))}**, which sees {size} and makes {model.num_tokens} '
            f'tokens of them.{SHIPPED*ships}')


def examples_row(examples, **kwargs):
    "Small pictures to choose from"
    return gr.Gallery([(im, title) for title, im in examples], show_label=False, container=False,
                      allow_preview=False, interactive=False, object_fit='cover', height='auto',
                      buttons=[], elem_classes=['pixels', 'examples'], **kwargs)


def picture(name, elem_id, buttons=(), width=96):
    "A picture below its name, at least so wide"
    with gr.Column(min_width=width):
        gr.Markdown(f'**{name}**')
        return gr.Image(show_label=False, label=name, interactive=False, format='png',
                        buttons=[*buttons], elem_id=elem_id, elem_classes='pixels')


def or_why_not(make):
    "A text, or as a comment why there is none"
    try: return make()
    except ValueError as e: return f'# {e}'


def link_to(tab, **settings):
    "A link that opens a tab with these settings"
    query = urlencode(dict(tab=tab, **{k: v for k, v in settings.items() if v is not None}))
    return f'<p><a href="?{html.escape(query)}">Link to these settings</a></p>'


def asked_for(request, tab):
    "What the address asks for, if it asks for this tab"
    said = dict(request.query_params) if request else {}
    return said if said.get('tab') == tab else {}


def fitting(part, text):
    "What a part takes of a text of the address; None if it takes none"
    if text is None: return None
    if isinstance(part, (gr.Dropdown, gr.Radio)):
        return text if any(text == value for _, value in part.choices) else None
    if isinstance(part, gr.Checkbox): return text == 'True'
    with suppress(ValueError, gr.Error): return part.preprocess(float(text))


def restored(request, tab, parts):
    "What the address sets of `parts` (name → part); the others stay as they are"
    said = asked_for(request, tab)
    values = [fitting(part, said.get(name)) for name, part in parts.items()]
    return [gr.skip() if value is None else gr.update(value=value) for value in values]


def pixels_of(image): return image.size, image.convert('RGB').tobytes()


def example_called(image, examples):
    "Which example a picture is; None if it is another one"
    shown = pixels_of(image)
    return next((title for title, im in examples if pixels_of(im) == shown), None)


def claimed_size(path):
    "Width and height as the header says; 0 where it says nothing"
    with suppress(Exception), Image.open(path, formats=FORMATS) as im: return im.size
    return 0, 0


def read_upload(path):
    "An uploaded image, if it is one and not too large"
    width, height = claimed_size(path)
    if width*height > MAX_PIXELS:
        raise ValueError(f'{path} has {width:,} × {height:,} pixels; at most {MAX_PIXELS:,} '
                         'are accepted here: scale it down first')
    return open_image(path)


def refused(error, *paths, **kwargs):
    "What is wrong, as a message that names no folder of this machine"
    text = str(error)
    for path in paths: text = text.replace(str(Path(path).parent) + os.sep, '')
    return gr.Error(text, print_exception=False, **kwargs)


def serve(demo, host='127.0.0.1', port=None, css='', **kwargs):
    "Serve the page, to this machine unless `host` says otherwise"
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, lambda *_: sys.exit())  # so that the folder of uploads goes
    theme = gr.themes.Default(font=['system-ui', 'sans-serif'], font_mono=['monospace'])
    queue = demo.queue(default_concurrency_limit=2, max_size=MAX_WAITING)
    return queue.launch(server_name=host, server_port=port, share=False, ssr_mode=False,
                        theme=theme, css=CSS + css, head=HEAD, max_file_size=MAX_FILE,
                        footer_links=['api', 'settings'], **kwargs)


def run(build, opened, launch, description, model_help, argv=None):
    "The command line of a page"
    p = argparse.ArgumentParser(description=description)
    p.add_argument('--model', help=f'{model_help} (see `tok1d list`); the shipped one if not given')
    p.add_argument('--host', default='127.0.0.1',
                   help='address to serve on; 0.0.0.0 for every machine that can reach this one')
    p.add_argument('--port', type=int,
                   help='port to serve on; the first free one from 7860 if not given')
    args = p.parse_args(argv)
    launch(build(opened(args.model) if args.model else None, name=args.model), args.host, args.port)

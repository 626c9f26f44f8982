"What the demos share: uploads that expose nothing, limits, parts of a page, and how it is served"
import os
os.environ.setdefault('GRADIO_ANALYTICS_ENABLED', 'False')  # read when gradio is imported

import argparse
import atexit
import html
import json
import math
import secrets
import shutil
import signal
import sys
import tempfile
import threading
import time
from contextlib import contextmanager, suppress
from functools import lru_cache, wraps
from importlib.resources import files
from pathlib import Path
from urllib.parse import urlencode

import gradio as gr
from gradio.processing_utils import encode_pil_to_bytes, hash_bytes
from gradio.utils import get_upload_folder
from PIL import Image
from tok1d.basics import FORMATS, crop_share, default_device, open_image
from tok1d.data.tokens import TokenSet, save_tokens
from tok1d.explore.film import download_html
from tok1d.explore.generate import KNOBS, artist, artists, class_choices, knobs, reads_words
from tok1d.hub.pretrained import DEFAULT, list_pretrained, load, load_pipeline

MAX_FILE = '20mb'          # of an upload
MAX_PIXELS = 50_000_000    # of an upload: what a good camera takes; decoded, 150 MB
KEPT = 3600                # seconds that an upload and what was made of it stay on the disk
MAX_WAITING = 60           # requests in the queue, beyond which a visitor is asked to come again
MAX_SEED, MOST_STEPS = 2**31-1, 64
LETTERS = 300              # of what shall be drawn
LONGEST = 2_000_000        # letters of a saved state: a picture of 512 pixels has about a million
PROMPT = 'a pink blocky critter on a royal blue background'
GREY = '#808080'           # shows on light and on dark pages
SHIPPED = (' It learned from drawn characters and emoji: of a photo it keeps the layout and the '
           'colours, no faces and no fine detail.')

STRIP = files('tok1d.explore')  # where the token strip of the package lies
CSS = ''.join(file.read_text('utf-8')
              for file in (STRIP/'strip.css', Path(__file__).with_name('style.css')))
# for functions of the page alone; of calls that come while one runs, the last is answered too
QUIET = dict(api_visibility='private', show_progress='hidden', trigger_mode='always_last')

HEAD = """<script>
new MutationObserver(() => document.querySelectorAll('.examples button:has(img)').forEach(b => {
  const name = b.querySelector('.caption-label')?.textContent.trim()
  if (name && b.title != name) { b.title = name; b.setAttribute('aria-label', name) }
})).observe(document, {childList: true, subtree: true})
</script>"""


def answers(events, function, inputs, outputs, results, name=None):
    """Call a function at these events, or after one; meanwhile mark the results as old

    Only a function with a name can be called from outside.
    """
    find = f"document.getElementById('{results}')?.classList"
    begin = f"(...values) => {{ {find}.add('stale'); return values }}"
    how = dict(api_name=name) if name else dict(api_visibility='private')
    on = events.then if hasattr(events, 'then') else lambda *a, **kw: gr.on(events, *a, **kw)
    shown = on(function, inputs, outputs, trigger_mode='always_last', show_progress='hidden',
               js=begin, **how)
    return shown.then(None, js=f"() => {find}.remove('stale')")


def private_cache():
    "A folder for uploads that no other program shares, and that goes with this one"
    if 'GRADIO_TEMP_DIR' in os.environ: return
    os.environ['GRADIO_TEMP_DIR'] = tempfile.mkdtemp(prefix='tok1d-demo-')
    atexit.register(remove, os.environ['GRADIO_TEMP_DIR'])


def remove(folder, tries=30):
    "Delete a folder that threads of this process may still be writing to"
    for _ in range(tries):
        shutil.rmtree(folder, ignore_errors=True)
        if not os.path.exists(folder): return
        time.sleep(.1)


@contextmanager
def page(title, intro='', model=None, name=None, more=''):
    """A page, to be filled, below what it is about; what its visitors left goes after a while

    Of a tokenizer it says which it is.
    """
    private_cache()
    keep = KEPT//6, KEPT
    with gr.Blocks(title=f'tok1d: {title}', analytics_enabled=False, delete_cache=keep) as demo:
        if intro: gr.Markdown(intro)
        if model is not None: gr.Markdown(about(model, name) + more, elem_classes='about')
        yield demo


def served(image, folder):
    """A picture as a file among those that are served, named by its content

    Two visitors may be shown the same one: it is never half written. Anything else stays as it is.
    """
    if not isinstance(image, Image.Image): return image
    data = encode_pil_to_bytes(image, 'png')
    path = (Path(folder)/hash_bytes(data)/'image.png').resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f'{secrets.token_hex(8)}.png')
    beside.write_bytes(data)  # even if it is there: it shall stay for another `KEPT`
    beside.replace(path)
    return str(path)


# the page knows each of these by the class it is directly made of
class Shown(gr.Image):
    "An image whose files are written at once"
    is_template = True  # gr.Image in the browser
    def postprocess(self, value): return super().postprocess(served(value, self.GRADIO_CACHE))


class Pictures(gr.Gallery):
    "Images with titles, whose files are written at once"
    is_template = True  # gr.Gallery in the browser
    def postprocess(self, value):
        named = [(served(image, self.GRADIO_CACHE), title) for image, title in value or ()]
        return super().postprocess(named)


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

    def postprocess(self, value): return super().postprocess(served(value, self.GRADIO_CACHE))


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


def given(model, name, shipped=DEFAULT):
    "A tokenizer and what it is called: one that ships with tok1d when None"
    name = name or (shipped if model is None else 'your own')
    return load(shipped, device=default_device()) if model is None else model, name


def about(model, name):
    "Which tokenizer this is, and what to expect of it"
    ships = any(row.embedded and row.name == name for row in list_pretrained())
    size = f'{model.image_size} × {model.image_size} pixels'
    return (f'Model: **{html.escape(str(name))}**, which sees {size} and makes {model.num_tokens} '
            f'tokens of them.{SHIPPED*ships}')


def choose(label, start, examples, elem_id, row_id, height=220, **kwargs):
    "An image to upload, or to choose from small ones below it"
    image = Upload(start, show_label=False, label=label, height=height, format='png',
                   sources=['upload', 'clipboard', 'webcam'], elem_id=elem_id, **kwargs)
    row = Pictures([(im, title) for title, im in examples], label=f'examples: {label}',
                   show_label=False, container=False, allow_preview=False, interactive=False,
                   object_fit='cover', height='auto', buttons=[], elem_id=row_id,
                   elem_classes=['pixels', 'examples'])
    def pick(event: gr.SelectData): return examples[event.index][1]
    row.select(pick, None, image, **QUIET)
    return image


def picture(name, elem_id, buttons=(), width=96):
    "A picture below its name, at least so wide"
    with gr.Column(min_width=width):
        gr.Markdown(f'**{name}**')
        return Shown(show_label=False, label=name, interactive=False, format='png',
                     buttons=[*buttons], elem_id=elem_id, elem_classes='pixels')


def caption_box(model):
    "A box for the caption, if the decoder of a tokenizer reads one"
    return gr.Textbox('', label='caption', max_length=300, visible=hasattr(model, 'text_encoder'),
                      info='What the decoder reads beside the tokens.')


def code_box(elem_id):
    "Python to copy or to download"
    return gr.Code(language='python', label='the same in Python', interactive=False,
                   wrap_lines=True, lines=1, elem_id=elem_id, elem_classes='code')


def on_any_ground(figure):
    """A figure for light and dark pages

    No ground of its own, lines and letters in a grey that both show.
    """
    figure.patch.set_alpha(0)
    for ax in figure.axes:
        ax.patch.set_alpha(0)
        ax.tick_params(colors=GREY)
        for part in (ax.xaxis.label, ax.yaxis.label): part.set_color(GREY)
        for spine in ax.spines.values(): spine.set_color(GREY)
    return figure


def crop_note(size, whole):
    "What the model does not see of an image that is not square"
    share = crop_share(*size)
    if whole or share > .98: return ''
    return (f'This picture has {size[0]:,} × {size[1]:,} pixels; only the square at its centre is '
            f'used, {share:.0%} of it. Tick *whole picture* to keep all of it.')


def tokens_link(tokens, name, origin):
    "A link that holds tokens as a file for `tok1d decode`"
    with tempfile.TemporaryDirectory() as folder:
        data = save_tokens(TokenSet(tokens[None], [name], origin),
                           Path(folder)/'tokens.json').read_bytes()
    link = download_html(data, 'tokens.json', 'application/json', 'Download the tokens')
    return f'<p>{link}, for <code>tok1d decode tokens.json -o pictures</code></p>'


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


def restored(request, tab, parts, examples=()):
    """What the address sets of `parts` (name → part); the others stay as they are

    Of a picture it names one of the examples.
    """
    said, shipped = asked_for(request, tab), dict(examples)
    values = [shipped.get(said.get(name)) if isinstance(part, gr.Image)
              else fitting(part, said.get(name)) for name, part in parts.items()]
    return [gr.skip() if value is None else gr.update(value=value) for value in values]


def restore(demo, tab, parts, examples=()):
    "When the page opens, set the parts that the address asks for"
    def asked(request: gr.Request, *_): return restored(request, tab, parts, examples)
    inputs = [*parts.values()]
    return demo.load(asked, inputs, inputs, **QUIET)


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


def saved_state(text):
    "The JSON of a state that somebody has kept; `ValueError` for what is too long to be one"
    if not isinstance(text, str): return ''
    if len(text) > LONGEST:
        raise ValueError(f'this state has {len(text):,} letters, and this page reads at most '
                         f'{LONGEST:,}: TokenImage.from_json(model, text) reads it in Python')
    return text


def refused(error, *paths, **kwargs):
    "What is wrong, as a message that names no folder of this machine"
    text = str(error)
    for path in paths: text = text.replace(str(Path(path).parent) + os.sep, '')
    return gr.Error(text, print_exception=False, **kwargs)


def says_why(function):
    "A function of the page whose `ValueError` is a message"
    @wraps(function)
    def said(*args):
        try: return function(*args)
        except ValueError as e: raise refused(e) from e
    return said


class Order:
    "What a visitor asks a generator for: which one, a class or words, and the sampler's settings"
    def __init__(self, model=None, # Pipeline; all that ship with tok1d when None
                 name=None): # What its generator is called
        self.model = model
        self.names = artists() if model is None else [name or 'your own']
        self.usual = knobs(self.pipe(self.names[0]))

    def pipe(self, which): return artist(which) if self.model is None else self.model

    def read(self, which, label, prompt, *given):
        "The pipeline, a usable class or words, and the settings that are not the usual ones"
        pipe = self.pipe(which)
        text = prompt if reads_words(pipe) else label
        if not isinstance(text, str) or not text.strip() or len(text) > LETTERS:
            raise gr.Error('What shall be drawn? Give a class, or words of at most '
                           f'{LETTERS} letters.', print_exception=False)
        said, usual = dict(zip(KNOBS, given)), knobs(pipe)
        return pipe, text.strip(), {k: said[k] for k in usual if said[k] != usual[k]}

    def settings(self, which):
        "What a generator takes, and where it starts: class, words, and each of `KNOBS`"
        pipe = self.pipe(which)
        own = knobs(pipe)
        words = reads_words(pipe)
        choices = class_choices(pipe)
        value = choices[0] if choices else None
        shown = [dict(value=own[knob], visible=True) if knob in own else dict(visible=False)
                 for knob in KNOBS]
        return [dict(choices=choices, value=value, visible=not words), dict(visible=words), *shown]

    def start(self, which):
        "The parts as another generator needs them"
        return [gr.update(**said) for said in self.settings(which)]

    def boxes(self, prefix):
        "Parts for the generator and what it draws"
        label, words, *_ = self.settings(self.names[0])
        self.parts = dict(
            model=gr.Dropdown(self.names, value=self.names[0], label='model',
                              elem_id=f'{prefix}-model'),
            label=gr.Dropdown(**label, label='class', allow_custom_value=True,
                              elem_id=f'{prefix}-class'),
            prompt=gr.Textbox(PROMPT, label='words', max_length=LETTERS, lines=2, **words,
                              elem_id=f'{prefix}-prompt'))
        return [*self.parts.values()]

    def knobs(self, prefix):
        "Parts for the settings of its sampler"
        steps, guidance, temperature = self.settings(self.names[0])[2:]
        made = [Count(1, MOST_STEPS, label='steps', step=1, elem_id=f'{prefix}-steps',
                      **dict(value=8) | steps),
                guidance_slider(f'{prefix}-guidance', **guidance),
                Amount(0, 12, label='temperature', step=.1, elem_id=f'{prefix}-temperature',
                       info='How much chance; 0 for none.', **dict(value=1) | temperature)]
        self.parts |= dict(zip(KNOBS, made))
        return made

    def restore(self, demo, tab, more):
        "When the page opens, set what the address asks for of these parts and `more` (name → part)"
        parts = self.parts | more
        inputs = [*parts.values()]
        def asked(request: gr.Request, *_):
            said = asked_for(request, tab)
            if self.model is not None or not said: return [gr.skip()]*len(inputs)
            which = said['model'] if said.get('model') in self.names else self.names[0]
            box = 'prompt' if reads_words(self.pipe(which)) else 'label'
            updates = dict(zip(('label', 'prompt', *KNOBS), self.start(which)))
            updates['model'] = gr.update(value=which)
            if said.get('label'): updates[box]['value'] = said['label'][:LETTERS]
            for name in (*KNOBS, *more):
                value = fitting(parts[name], said.get(name))
                if value is not None: updates.setdefault(name, gr.update())['value'] = value
            return [updates.get(name, gr.skip()) for name in parts]
        return demo.load(asked, inputs, inputs, **QUIET)


def guidance_slider(elem_id, value=1, **kwargs):
    return Amount(0, 20, value, step=.1, label='guidance', elem_id=elem_id,
                  info='How hard to push towards what is asked for.', **kwargs)


def seed_box(elem_id, info=None, value=0):
    return Whole(value, label='seed', info=info, minimum=0, maximum=MAX_SEED, precision=0,
                 elem_id=elem_id)


class Said(gr.Textbox):
    "What a hand did on a token strip: which tokens are chosen and dropped, and what was asked for"
    is_template = True  # gr.Textbox in the browser
    def preprocess(self, payload):
        try: said = json.loads(payload or '{"selected": [0]}')
        except (TypeError, ValueError): said = None
        said = said if isinstance(said, dict) else {}
        places = [said.get('selected'), said.get('dropped', [])]
        if not all(isinstance(x, list) for x in places):
            raise gr.Error('Those are no tokens.', print_exception=False)
        turn = said.get('turn')
        return dict(selected=places[0], dropped=places[1], asked=said.get('asked'),
                    turn=turn if is_number(turn) else 0)


def token_strip(script, prefix):
    "The token strip of the package, and a hidden box for what a hand did on it"
    module = json.dumps(STRIP.joinpath('strip.js').read_text('utf-8'))
    source = f'const MODULE = {module}\n' + Path(script).read_text('utf-8')
    strip = gr.HTML({}, html_template='<div class="strip"></div>', js_on_load=source,
                    apply_default_css=False, elem_id=f'{prefix}-strip')
    return strip, Said(visible='hidden', elem_id=f'{prefix}-said')


class Told:
    """Messages that a visitor has had in the last seconds

    The page tells of one upload twice; its visitor need not hear twice.
    """
    def __init__(self, seconds=3):
        self.seconds = seconds
        self.last = lru_cache(maxsize=256)(lambda *what: [-math.inf])

    def again(self, began, *what):
        "Was this said shortly before `began`, on the clock `time.monotonic`?"
        last = self.last(*what)
        lately = began - last[0] < self.seconds
        last[0] = time.monotonic()  # not when it began: reading may take long
        return lately


def generator(name):
    "The pipeline of a generator that somebody named"
    return load_pipeline(name, device=default_device())


def serve(demo, host='127.0.0.1', port=None, **kwargs):
    "Serve the page, to this machine unless `host` says otherwise"
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, lambda *_: sys.exit())  # so that the folder of uploads goes
    theme = gr.themes.Default(font=['system-ui', 'sans-serif'], font_mono=['monospace'])
    queue = demo.queue(default_concurrency_limit=2, max_size=MAX_WAITING)
    return queue.launch(server_name=host, server_port=port, share=False, ssr_mode=False,
                        theme=theme, css=CSS, head=HEAD, max_file_size=MAX_FILE,
                        footer_links=['api', 'settings'], **kwargs)


def run(build, opened, description, what='tokenizer', argv=None):
    "The command line of a page"
    p = argparse.ArgumentParser(description=description)
    p.add_argument(
        '--model', help=f'name, folder or file of a {what} (see `tok1d list`); what ships with '
        'tok1d if not given')
    p.add_argument('--host', default='127.0.0.1',
                   help='address to serve on; 0.0.0.0 for every machine that can reach this one')
    p.add_argument('--port', type=int,
                   help='port to serve on; the first free one from 7860 if not given')
    args = p.parse_args(argv)
    model = opened(args.model) if args.model else None
    serve(build(model, name=args.model), args.host, args.port)

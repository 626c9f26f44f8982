"""Drop, change and exchange the tokens of a picture: a Gradio page over `tok1d.explore.tokens`.

    python demos/workbench/app.py [--model tok1d-tiny-vq] [--host 127.0.0.1] [--port 7860]
"""
import os
os.environ.setdefault('GRADIO_ANALYTICS_ENABLED', 'False')  # read when gradio is imported

import html
import json
import sys
from importlib.resources import files
from pathlib import Path

import gradio as gr
from tok1d.basics import default_device
from tok1d.data.embedded import photos, samples
from tok1d.explore.attribution import without
from tok1d.explore.show import bits_text, enlarge, figures_html, heat, psnr_text
from tok1d.explore.strip import strip_state
from tok1d.explore.tokens import TokenImage, check_places
from tok1d.hub.pretrained import DEFAULT, load
from tok1d.reports import tokenizer as opened

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import demo_common as common

INTRO = """# Change the tokens
Each tile is a token; the longer its bar, the more of the picture it changes. Choose tokens with the
mouse, or with the arrow keys and Shift; the space bar drops them and puts them back."""
PACKAGE = files('tok1d.explore')
MODULE = json.dumps(PACKAGE.joinpath('strip.js').read_text('utf-8'))
SCRIPT = f'const MODULE = {MODULE}\n' + Path(__file__).with_name('strip.js').read_text('utf-8')
CSS = PACKAGE.joinpath('strip.css').read_text('utf-8') + """
#bench-results .html-container { padding: 0 }
#bench-strip, #bench-strip .html-container { overflow: visible }
#bench-strip { --jp-ui-font-color1: var(--body-text-color);
               --jp-layout-color0: var(--background-fill-primary) }
"""
WAITING, DONE = common.waiting('bench-results')
NAMES = ('original', 'from its tokens', 'difference', 'chosen tokens')
TOO_LONG = 2_000_000  # letters of a saved state: a picture of 512 pixels has about a million


class Said(gr.Textbox):
    "What a hand did on the strip: which tokens are chosen and dropped, and what was asked for"
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
                    turn=turn if common.is_number(turn) else 0)


def short_enough(saved):
    "A saved state that this page reads; `ValueError` for anything else"
    if not isinstance(saved, str): return ''
    if len(saved) > TOO_LONG:
        raise ValueError(f'this state has {len(saved):,} letters, and this page reads at most '
                         f'{TOO_LONG:,}: TokenImage.from_json(model, text) reads it in Python')
    return saved


def each(ti, at, change):
    "The same edit at several places"
    for i in at: ti = change(ti, i)
    return ti


def by_strip(ti, line):
    "What was done on the strip itself"
    if line['asked'] == 'undo': return ti.undo()
    if line['asked'] == 'redo': return ti.redo()
    return ti.drop_only(line['dropped'])


def build(model=None, # Tokenizer; the shipped one when None
          name=None, # What the model is called
         ):
    "The page, ready to `launch`"
    name = name or (DEFAULT if model is None else 'your own')
    model = load(device=default_device()) if model is None else model
    examples, reads = [*samples(), *photos()], hasattr(model, 'text_encoder')

    def show(ti, chosen=(), turn=None, marks=None):
        "All that the page says of a state, and which turn of the strip it answers"
        if ti is None: return [None]*len(NAMES) + ['', '', '', '', {}, None]
        marks = marks or without(ti)
        at = [i for i in chosen if i < len(ti)] or [0]
        parts = ti.image, ti.decode(), heat(ti.difference()), marks.where(at)
        pictures = [enlarge(x) for x in parts]
        stats = figures_html({'tokens': f'{len(ti)-len(ti.dropped)} of {model.num_tokens}',
                              'size': bits_text(ti.bits), 'PSNR': psnr_text(ti.psnr())})
        past = html.escape(' → '.join(['encoded', *ti.history][-6:]))
        line = strip_state(ti, marks)
        if turn is not None: line['turn'] = turn
        return [*pictures, stats, f'<p>{past}</p>', common.or_why_not(lambda: ti.code(name)),
                ti.to_json(), line, (ti, marks)]

    def encode(path, caption=''):
        "Another picture"
        if not path: return show(None)
        try: return show(TokenImage.from_image(model, common.read_upload(path), caption or None))
        except ValueError as e: raise common.refused(e, path) from e

    def again(saved):
        "A state that somebody has saved"
        try: return show(TokenImage.from_json(model, short_enough(saved)))
        except ValueError as e: raise common.refused(e) from e

    def edited(change):
        "A function of the page that changes the state, or says why it does not"
        def run(state, line, *more):
            if state is None: raise gr.Error('Choose a picture first.', print_exception=False)
            ti, marks = state
            try:
                at = check_places(ti, line['selected'] or [0])
                now = change(ti, line, *more)
                # where only the choice changed, what each token does is known
                return show(now, at, line['turn'], marks if now is ti else None)
            except ValueError as e: raise common.refused(e) from e
        return run

    def put(ti, line, code): return each(ti, line['selected'], lambda ti, i: ti.put(i, code))
    def nudge(ti, line): return each(ti, line['selected'], lambda ti, i: ti.nudge(i))
    def flip(ti, line):
        at = line['selected']
        return ti.restore(*at) if ti.dropped.issuperset(at) else ti.drop(*at)
    def keep(ti, line, k): return ti.keep(min(k, len(ti)))
    def take(ti, line, other):
        return ti.take(TokenImage.from_image(model, dict(examples)[other], ti.text),
                       line['selected'])

    def pick(event: gr.SelectData): return examples[event.index][1]

    with common.page('workbench') as demo:
        gr.Markdown(f'{INTRO}\n\n{common.about(model, name)}')
        state = gr.State(None)
        with gr.Row():
            with gr.Column(scale=1, min_width=260):
                image = common.Upload(dict(examples)['fox'], show_label=False, label='your picture',
                                      sources=['upload', 'clipboard', 'webcam'], format='png',
                                      height=220, elem_id='bench-image')
                gallery = common.examples_row(examples, label='examples', elem_id='bench-examples')
                caption = gr.Textbox(label='caption', max_length=300, visible=reads,
                                     info='What the decoder reads beside the tokens.')
                k = common.Count(1, model.num_tokens, model.num_tokens, step=1,
                                 label='tokens kept', elem_id='bench-keep')
            with gr.Column(scale=2, min_width=320, elem_id='bench-results', elem_classes='results'):
                with gr.Row():
                    pictures = [common.picture(title, f'bench-{i}', width=140)
                                for i, title in enumerate(NAMES)]
                stats = gr.HTML(padding=False, elem_id='bench-stats')
                line = gr.HTML({}, html_template='<div class="strip"></div>', js_on_load=SCRIPT,
                               apply_default_css=False, elem_id='bench-strip')
                said = Said(visible='hidden', elem_id='bench-said')
                with gr.Row():
                    back, forth, flips = (
                        gr.Button(text, min_width=80, elem_id=f'bench-{text.split()[0].lower()}')
                        for text in ('Undo', 'Redo', 'Drop or restore'))
                past = gr.HTML(elem_id='bench-past')
                with gr.Row(equal_height=True, visible=bool(model.codebook_size)):
                    code = common.Whole(0, label='code', minimum=0, precision=0, min_width=110,
                                        maximum=(model.codebook_size or 1)-1)
                    puts = gr.Button('Put it there', min_width=120, elem_id='bench-put')
                    nudges = gr.Button('Nearest code', min_width=120, elem_id='bench-nudge')
                with gr.Row(equal_height=True):
                    other = gr.Dropdown([title for title, _ in examples], value=examples[1][0],
                                        label='another picture', min_width=150)
                    takes = gr.Button('Take its tokens there', min_width=150, elem_id='bench-take')
                python = gr.Code(language='python', label='the same in Python', interactive=False,
                                 wrap_lines=True, lines=1, elem_id='bench-code')
                saved = gr.Textbox(label='this state as JSON: keep it, or paste one and load it',
                                   lines=2, max_lines=4, buttons=['copy'], elem_id='bench-json')
                loads = gr.Button('Load', elem_id='bench-load')
        outputs = [*pictures, stats, past, python, saved, line, state]
        def on(triggers, f, inputs, **kw):
            gr.on(triggers, f, inputs, outputs, trigger_mode='always_last', show_progress='hidden',
                  js=WAITING, **kw).then(None, js=DONE)
        on([image.change, caption.change, demo.load], encode, [image, caption], api_name='encode')
        private = dict(api_visibility='private')
        on([loads.click], again, [saved], **private)
        for trigger, f, more in ((said.change, by_strip, []), (puts.click, put, [code]),
                                 (nudges.click, nudge, []), (takes.click, take, [other]),
                                 (k.release, keep, [k]), (flips.click, flip, []),
                                 (back.click, lambda ti, line: ti.undo(), []),
                                 (forth.click, lambda ti, line: ti.redo(), [])):
            on([trigger], edited(f), [state, said, *more], **private)
        gallery.select(pick, None, image, show_progress='hidden', **private)
    return demo


def launch(demo, host='127.0.0.1', port=None, **kw):
    return common.serve(demo, host, port, CSS, **kw)


if __name__ == '__main__':
    common.run(build, opened, launch, 'Change the tokens of a picture, in a page.',
               'name, folder or file of a tokenizer')

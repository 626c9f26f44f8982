"""Drop, change and exchange the tokens of a picture: a Gradio page over `tok1d.explore.tokens`.

    python demos/workbench/app.py [--model tok1d-tiny-vq] [--host 127.0.0.1] [--port 7860]
"""
import html
import sys
from functools import reduce
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import demo_common as common  # before gradio, which would report its use

import gradio as gr
from tok1d.data.embedded import photos, samples
from tok1d.explore.attribution import without
from tok1d.explore.show import bits_text, enlarge, figures_html, heat, psnr_text
from tok1d.explore.strip import strip_state
from tok1d.explore.tokens import TokenImage, check_places
from tok1d.reports import tokenizer as opened

INTRO = """# Change the tokens
Each tile is a token; the longer its bar, the more of the picture it changes. Choose tokens with the
mouse, or with the arrow keys and Shift; the space bar drops them and puts them back."""
NAMES = 'original', 'from its tokens', 'difference', 'chosen tokens'
TOO_LONG = 2_000_000  # letters of a saved state: a picture of 512 pixels has about a million
launch = common.serve


def short_enough(saved):
    "A saved state that this page reads; `ValueError` for anything else"
    if not isinstance(saved, str): return ''
    if len(saved) > TOO_LONG:
        raise ValueError(f'this state has {len(saved):,} letters, and this page reads at most '
                         f'{TOO_LONG:,}: TokenImage.from_json(model, text) reads it in Python')
    return saved


def by_strip(ti, line):
    "What was done on the strip itself"
    if line['asked'] == 'undo': return ti.undo()
    if line['asked'] == 'redo': return ti.redo()
    return ti.drop_only(line['dropped'])


def flip(ti, line):
    at = line['selected']
    return ti.restore(*at) if ti.dropped.issuperset(at) else ti.drop(*at)


EDITS = dict(  # of the buttons
    undo=lambda ti, line: ti.undo(), redo=lambda ti, line: ti.redo(),
    keep=lambda ti, line, k: ti.keep(min(k, len(ti))),
    put=lambda ti, line, code: reduce(lambda ti, i: ti.put(i, code), line['selected'], ti),
    nudge=lambda ti, line: reduce(TokenImage.nudge, line['selected'], ti))


def build(model=None, # Tokenizer; the shipped one when None
          name=None, # What the model is called
         ):
    "The page, ready to `launch`"
    model, name = common.given(model, name)
    examples = [*samples(), *photos()]

    def show(ti, chosen=(), turn=None, marks=None):
        "All that the page says of a state, and which turn of the strip it answers"
        if ti is None: return [None]*len(NAMES) + ['', '', '', '', {}, None]
        marks = marks or without(ti)
        at = [i for i in chosen if i < len(ti)] or [0]
        pictures = ti.image, ti.decode(), heat(ti.difference()), marks.where(at)
        stats = figures_html({'tokens': f'{len(ti)-len(ti.dropped)} of {model.num_tokens}',
                              'size': bits_text(ti.bits), 'PSNR': psnr_text(ti.psnr())})
        past = html.escape(' → '.join(['encoded', *ti.history][-6:]))
        line = strip_state(ti, marks) | ({} if turn is None else dict(turn=turn))
        return [*map(enlarge, pictures), stats, f'<p>{past}</p>',
                common.or_why_not(lambda: ti.code(name)), ti.to_json(), line, (ti, marks)]

    def encode(path, caption=''):
        "Another picture"
        if not path: return show(None)
        try: return show(TokenImage.from_image(model, common.read_upload(path), caption or None))
        except ValueError as e: raise common.refused(e, path) from e

    @common.says_why
    def again(saved):
        "A state that somebody has saved"
        return show(TokenImage.from_json(model, short_enough(saved)))

    def edited(change):
        "A function of the page that changes the state, or says why it does not"
        @common.says_why
        def run(state, line, *more):
            if state is None: raise gr.Error('Choose a picture first.', print_exception=False)
            ti, marks = state
            at = check_places(ti, line['selected'] or [0])
            now = change(ti, line, *more)
            # where only the choice changed, what each token does is known
            return show(now, at, line['turn'], marks if now is ti else None)
        return run

    def take(ti, line, other):
        others = TokenImage.from_image(model, dict(examples)[other], ti.text)
        return ti.take(others, line['selected'])

    with common.page('workbench', INTRO, model, name) as demo:
        state = gr.State(None)
        with gr.Row(elem_classes='page'):
            with gr.Column(scale=1, min_width=260):
                image = common.choose('your picture', dict(examples)['fox'], examples,
                                      'bench-image', 'bench-examples', elem_classes='upload')
                caption = common.caption_box(model)
                k = common.Count(1, model.num_tokens, model.num_tokens, step=1,
                                 label='tokens kept', elem_id='bench-keep')
            with gr.Column(scale=2, min_width=320, elem_id='bench-results', elem_classes='results'):
                with gr.Row(elem_classes='pictures'):
                    pictures = [common.picture(title, f'bench-{i}')
                                for i, title in enumerate(NAMES)]
                stats = gr.HTML(padding=False, elem_id='bench-stats')
                strip, said = common.token_strip(Path(__file__).with_name('strip.js'), 'bench')
                with gr.Row(): undo, redo, drop = map(button, ('Undo', 'Redo', 'Drop or restore'))
                past = gr.HTML(elem_id='bench-past')
                with gr.Row(equal_height=True, visible=bool(model.codebook_size)):
                    code = common.Whole(0, label='code', minimum=0, precision=0, min_width=110,
                                        maximum=(model.codebook_size or 1)-1)
                    put, nudge = map(button, ('Put it there', 'Nearest code'))
                with gr.Row(equal_height=True):
                    other = gr.Dropdown([title for title, _ in examples], value=examples[1][0],
                                        label='another picture', min_width=150)
                    takes = button('Take its tokens there')
                python = common.code_box('bench-code')
                saved = gr.Textbox(label='this state as JSON: keep it, or paste one and load it',
                                   lines=2, max_lines=4, buttons=['copy'], elem_id='bench-json')
                loads = button('Load')
        outputs = [*pictures, stats, past, python, saved, strip, state]
        def on(events, function, inputs, name=None):
            common.answers(events, function, inputs, outputs, 'bench-results', name)
        on([image.change, caption.change, demo.load], encode, [image, caption], 'encode')
        on([loads.click], again, [saved])
        for event, edit, more in ((said.change, by_strip, []), (drop.click, flip, []),
                                  (undo.click, EDITS['undo'], []), (redo.click, EDITS['redo'], []),
                                  (put.click, EDITS['put'], [code]), (takes.click, take, [other]),
                                  (nudge.click, EDITS['nudge'], []), (k.release, EDITS['keep'],
                                                                      [k])):
            on([event], edited(edit), [state, said, *more])
    return demo


def button(text): return gr.Button(text, min_width=80, elem_id=f'bench-{text.split()[0].lower()}')


if __name__ == '__main__':
    common.run(build, opened, 'Change the tokens of a picture, in a page.')

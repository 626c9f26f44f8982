"""Drop, change and exchange the tokens of a picture: a Gradio page over `tok1d.explore.tokens`.

    python demos/workbench/app.py [--model tok1d-tiny-vq] [--host 127.0.0.1] [--port 7860]
"""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import demo_common as common  # before gradio, which would report its use

import gradio as gr
from tok1d.data.embedded import photos, samples
from tok1d.explore.tokens import TokenImage
from tok1d.reports import tokenizer as opened
from workbench.edits import EDITS, NAMES, after, shown

INTRO = """# Change the tokens
Each tile is a token; the longer its bar, the more of the picture it changes. Choose tokens with the
mouse, or with the arrow keys and Shift; the space bar drops them and puts them back."""
launch = common.serve


def build(model=None, # Tokenizer; the shipped one when None
          name=None, # What the model is called
         ):
    "The page, ready to `launch`"
    model, name = common.given(model, name)
    examples = [*samples(), *photos()]

    def encode(path, caption=''):
        "Another picture"
        if not path: return shown(None)
        try: ti = TokenImage.from_image(model, common.read_upload(path), caption or None)
        except ValueError as e: raise common.refused(e, path) from e
        return shown(ti, name)

    @common.says_why
    def again(saved):
        "A state that somebody has saved"
        return shown(TokenImage.from_json(model, common.saved_state(saved)), name)

    def edited(change):
        "A function of the page that changes the state, or says why it does not"
        return common.says_why(lambda state, line, *more: after(change, state, line, name, *more))

    def take(ti, line, other):
        others = TokenImage.from_image(model, dict(examples)[other], ti.text)
        return ti.take(others, line['selected'])

    edits = EDITS | dict(take=take)
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
                    pictures = [common.picture(x, f'bench-{i}') for i, x in enumerate(NAMES)]
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
        events = dict(strip=[said.change], flip=[drop.click], undo=[undo.click], redo=[redo.click],
                      nudge=[nudge.click], put=[put.click, code], keep=[k.release, k],
                      take=[takes.click, other])
        for edit, (event, *more) in events.items():
            on([event], edited(edits[edit]), [state, said, *more])
    return demo


def button(text): return gr.Button(text, min_width=80, elem_id=f'bench-{text.split()[0].lower()}')


if __name__ == '__main__':
    common.run(build, opened, 'Change the tokens of a picture, in a page.')

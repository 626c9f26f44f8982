"""What lies between two images, or four? A Gradio page over `tok1d.explore.interpolate`.

    python demos/interpolation/app.py [--model tok1d-tiny-vq] [--host 127.0.0.1] [--port 7860]
"""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import demo_common as common  # before gradio, which would report its use

import gradio as gr
from tok1d.data.embedded import photos, samples
from tok1d.explore.interpolate import ORDERS, WAYS
from tok1d.reports import tokenizer as opened
from interpolation.ways import ENDS, MOST, MOST_OF_GRID, Ways

INTRO = """# What lies between images?
Each image becomes a short line of tokens. Choose how to go from one line to the other, and move
the slider under the picture."""
launch = common.serve


def corner(i, end, examples):
    "An image to choose, and the column that it is in"
    with gr.Column(min_width=140, visible=i < 2) as column:
        gr.Markdown(f'**{end} image**')
        return common.choose(f'{end} image', examples[i][1], examples, f'way-{end}',
                             f'way-examples-{end}', elem_classes='end'), column


def build(model=None, # Tokenizer; the shipped one when None
          name=None, # What the model is called
         ):
    "The page, ready to `launch`"
    model, name = common.given(model, name)
    examples = [*samples(), *photos()]
    ways = Ways(model, name, examples)
    kinds = [how for how in WAYS if model.codebook_size or how not in ('latents', 'codes')]

    def fit(how, four):
        "The parts that these ways and ends need"
        return [gr.update(info=WAYS[how]), gr.update(visible=how == 'tokens'),
                *[gr.update(visible=four)]*2]

    with common.page('interpolation', INTRO, model, name) as demo:
        with gr.Row(elem_classes='page'):
            with gr.Column(scale=1, min_width=300):
                four = gr.Checkbox(False, label='four images', container=False, elem_id='way-four',
                                   info='At the corners of a grid, at most '
                                        f'{MOST_OF_GRID} pictures a side.')
                with gr.Row(elem_classes='corners'):
                    ends, columns = zip(*(corner(i, end, examples) for i, end in enumerate(ENDS)))
                how = gr.Radio(kinds, value='vectors', label='kind of way', info=WAYS['vectors'],
                               elem_id='way-how')
                order = gr.Dropdown([*ORDERS], value='first', label='tokens exchanged first',
                                    visible=False, elem_id='way-order')
                steps = common.Count(2, MOST, 9, step=1, label='pictures on the way',
                                     elem_id='way-steps')
            with gr.Column(scale=1, min_width=300, elem_id='way-results', elem_classes='results'):
                shown = [gr.HTML(elem_id=f'way-{part}') for part in ('film', 'row', 'figures')]
                links, code = gr.HTML(elem_id='way-links'), common.code_box('way-code')
        inputs, outputs = [*ends[:2], how, steps, order, *ends[2:], four], [*shown, code]
        settings = dict(zip((*ENDS[:2], 'how', 'steps', 'order', *ENDS[2:], 'four'), inputs))
        fitted = dict(fn=fit, inputs=[how, four], outputs=[how, order, *columns[2:]],
                      **common.QUIET)
        gr.on([how.input, four.input], **fitted)
        ready = common.restore(demo, 'interpolation', settings, examples).then(**fitted)
        events = [*(end.change for end in ends), how.input, steps.change, order.input, four.input]
        for when, api in (events, 'interpolate'), (ready, None):
            common.answers(when, ways.walk, inputs, outputs, 'way-results', api).then(
                ways.films, inputs, links, **common.QUIET)
    return demo


if __name__ == '__main__':
    common.run(build, opened, 'What lies between images? A page to try it.')

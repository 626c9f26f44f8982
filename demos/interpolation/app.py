"""What lies between two images, or four? A Gradio page over `tok1d.explore.interpolate`.

    python demos/interpolation/app.py [--model tok1d-tiny-vq] [--host 127.0.0.1] [--port 7860]
"""
import sys
from functools import lru_cache
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import demo_common as common  # before gradio, which would report its use

import gradio as gr
from tok1d.data.embedded import photos, samples
from tok1d.explore.film import film_links, way_view
from tok1d.explore.interpolate import ORDERS, WAYS, interpolate, interpolate_grid, way_code
from tok1d.explore.tokens import TokenImage
from tok1d.reports import tokenizer as opened

INTRO = """# What lies between images?
Each image becomes a short line of tokens. Choose how to go from one line to the other, and move
the slider under the picture."""
ENDS = 'first', 'second', 'third', 'fourth'
MOST, MOST_OF_GRID = 24, 9  # pictures of a way, and along a side of a grid
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
    ways = [way for way in WAYS if model.codebook_size or way not in ('latents', 'codes')]

    # Gradio names an uploaded file by its content, so a path stands for one image
    @lru_cache(maxsize=32)
    def read(path):
        "The image as tokens, and which example it is"
        image = common.read_upload(path)
        return TokenImage.from_image(model, image), common.example_called(image, examples)

    @lru_cache(maxsize=32)
    def view(files, how, steps, order):
        images = [read(path)[0] for path in files]
        if len(files) == 2: return way_view(model, interpolate(*images, steps, how, order))
        return way_view(model, interpolate_grid(images, min(steps, MOST_OF_GRID), how, order))

    def walk(first, second, how, steps, order, third=None, fourth=None, four=False):
        "A film of the way, all its pictures, how smooth it is, and the code that goes the same way"
        files = (first, second, third, fourth)[:4 if four else 2]
        if not all(files): return f'<p>Choose {"four" if four else "two"} images.</p>', '', '', ''
        try: seen = view(files, how, steps, order)
        except ValueError as e: raise common.refused(e, *files) from e
        names = [Path(path).name for path in files]
        if len({*names}) < len(files): names = [f'{end}.png' for end in ENDS[:len(files)]]
        steps = min(steps, MOST_OF_GRID) if four else steps
        return *seen[:3], way_code(name, names, steps, how, order)

    def films(first, second, how, steps, order, third, fourth, four):
        "Links to the way as films, and to these settings"
        files = (first, second, third, fourth)[:4 if four else 2]
        if not all(files): return ''
        called = {end: read(path)[1] for end, path in zip(ENDS, files)}
        return film_links(view(files, how, steps, order).frames, 'between', back=not four
                          ) + common.link_to('interpolation', how=how, steps=steps, order=order,
                                             **called, four=four or None)

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
                how = gr.Radio(ways, value='vectors', label='kind of way', info=WAYS['vectors'],
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
            common.answers(when, walk, inputs, outputs, 'way-results', api).then(
                films, inputs, links, **common.QUIET)
    return demo


if __name__ == '__main__':
    common.run(build, opened, 'What lies between images? A page to try it.')

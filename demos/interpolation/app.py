"""What lies between two images? A Gradio page over `tok1d.explore.interpolate`.

    python demos/interpolation/app.py [--model tok1d-tiny-vq] [--host 127.0.0.1] [--port 7860]
"""
import os
os.environ.setdefault('GRADIO_ANALYTICS_ENABLED', 'False')  # read when gradio is imported

import sys
from functools import lru_cache
from pathlib import Path

import gradio as gr
from tok1d.basics import default_device, to_pil
from tok1d.reports import tokenizer as opened
from tok1d.data.embedded import photos, samples
from tok1d.explore.film import film_html, film_links, row_html, way_html
from tok1d.explore.interpolate import (ORDERS, WAYS, agreement, interpolate, smoothness, way_code,
                                       way_notes)
from tok1d.explore.tokens import TokenImage
from tok1d.hub.pretrained import DEFAULT, load

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import demo_common as common

INTRO = """# What lies between two images?
Each image becomes a short line of tokens. Choose how to go from one line to the other, and move
the slider under the picture."""
CSS = """
#way-first > *, #way-second > * { min-height: 0 !important }
#way-images { flex-wrap: nowrap }
#way-images > div { min-width: 0 !important }
#way-images .grid-container { grid-template-columns: repeat(auto-fill, minmax(38px, 1fr));
                              grid-auto-columns: 48px; gap: 4px }
#way-results .html-container { padding: 0 }
@media (max-width: 640px) {
  #way-first, #way-second { height: 150px !important }
  #way-images .examples, #way-images .grid-wrap { max-width: calc(50vw - 40px) }
}
"""
WAITING, DONE = common.waiting('way-results')
MOST = 24  # pictures of a way


def build(model=None, # Tokenizer; the shipped one when None
          name=None, # What the model is called
         ):
    "The page, ready to `launch`"
    name = name or (DEFAULT if model is None else 'your own')
    model = load(device=default_device()) if model is None else model
    examples = [*samples(), *photos()]
    ways = [way for way in WAYS if model.codebook_size or way not in ('latents', 'codes')]

    # Gradio names an uploaded file by its content, so a path stands for one image
    @lru_cache(maxsize=32)
    def opened(path):
        "The image as tokens, and which example it is"
        image = common.read_upload(path)
        return TokenImage.from_image(model, image), common.example_called(image, examples)
    def encoded(path): return opened(path)[0]

    @lru_cache(maxsize=32)
    def between(first, second, how, steps, order):
        return interpolate(encoded(first), encoded(second), steps, how, order)

    def walk(first, second, how, steps, order):
        """The pictures on the way, all of them in a row, how smooth it is, and the code that goes
        the same way"""
        if not first or not second: return '<p>Choose two images.</p>', '', '', ''
        try: way = between(first, second, how, steps, order)
        except ValueError as e: raise common.refused(e, first, second) from e
        frames = [to_pil(x) for x in way.pictures]
        notes = way_notes(way)
        shares = [f'{t:.0%}' for t in way.at.tolist()]
        files = Path(first).name, Path(second).name
        code = way_code(name, files if len({*files}) == 2 else ('first.png', 'second.png'), steps,
                        how, order)
        figures = way_html(smoothness(way.pictures), agreement(model, way))
        return film_html(frames, notes, 'where on the way', 360,
                         steps//2), row_html(frames, shares), figures, code

    def films(first, second, how, steps, order):
        "Links to the way as films"
        if not first or not second: return ''
        pictures = [to_pil(x) for x in between(first, second, how, steps, order).pictures]
        called = [opened(path)[1] for path in (first, second)]
        return film_links(pictures, 'between') + common.link_to(
            'interpolation', how=how, steps=steps, order=order, first=called[0], second=called[1])

    def image(i, title):
        "An image to choose"
        with gr.Column(min_width=140):
            gr.Markdown(f'**{title} image**')
            end = common.Upload(examples[i][1], show_label=False, label=f'{title} image',
                                sources=['upload', 'clipboard', 'webcam'], format='png', height=220,
                                elem_id=f'way-{title}')
            row = common.examples_row(examples, label=f'examples for the {title}',
                                      elem_id=f'way-examples-{title}')
        def pick(event: gr.SelectData): return examples[event.index][1]
        row.select(pick, None, end, api_visibility='private', show_progress='hidden')
        return end

    with common.page('interpolation') as demo:
        gr.Markdown(f'{INTRO}\n\n{common.about(model, name)}')
        with gr.Row():
            with gr.Column(scale=1, min_width=300):
                with gr.Row(elem_id='way-images'):
                    ends = [image(i, title) for i, title in ((0, 'first'), (1, 'second'))]
                how = gr.Radio(ways, value='vectors', label='kind of way', info=WAYS['vectors'],
                               elem_id='way-how')
                order = gr.Dropdown([*ORDERS], value='first', label='tokens exchanged first',
                                    visible=False, elem_id='way-order')
                steps = common.Count(2, MOST, 9, step=1, label='pictures on the way',
                                     elem_id='way-steps')
            with gr.Column(scale=1, min_width=300, elem_id='way-results', elem_classes='results'):
                film = gr.HTML(elem_id='way-film')
                row = gr.HTML(elem_id='way-row')
                figures = gr.HTML(elem_id='way-figures')
                links = gr.HTML(elem_id='way-links')
                code = gr.Code(language='python', label='the same in Python', interactive=False,
                               wrap_lines=True, lines=1, elem_id='way-code')
        inputs = [*ends, how, steps, order]
        how.input(lambda how: (gr.update(info=WAYS[how]), gr.update(visible=how == 'tokens')), how,
                  [how, order], api_visibility='private', show_progress='hidden')
        settings = dict(how=how, steps=steps, order=order)

        def restore(request: gr.Request):
            "What a link asks for"
            said = common.asked_for(request, 'interpolation')
            pictures = [dict(examples).get(said.get(end)) for end in ('first', 'second')]
            return [gr.skip() if im is None else gr.update(value=im) for im in pictures
                    ] + common.restored(request, 'interpolation', settings)

        ready = demo.load(restore, None, inputs, api_visibility='private', show_progress='hidden')
        events = [*(end.change for end in ends), how.input, steps.change, order.input]
        outputs, look = [film, row, figures, code], dict(
            trigger_mode='always_last', show_progress='hidden', js=WAITING)
        walks = [gr.on(events, walk, inputs, outputs, api_name='interpolate', **look),
                 ready.then(walk, inputs, outputs, api_visibility='private', **look)]
        for shown in walks:
            shown.then(None, js=DONE).then(films, inputs, links, api_visibility='private',
                                           show_progress='hidden')
    return demo


def launch(demo, host='127.0.0.1', port=None, **kw):
    return common.serve(demo, host, port, CSS, **kw)


if __name__ == '__main__':
    common.run(build, opened, launch, 'What lies between two images? A page to try it.',
               'name, folder or file of a tokenizer')

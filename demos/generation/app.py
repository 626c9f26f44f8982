"""Pictures out of nothing but a class or a few words: a Gradio page over `tok1d.explore.generate`.

    python demos/generation/app.py [--model tok1d-tiny-maskgit] [--host 127.0.0.1] [--port 7860]
"""
import random
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import demo_common as common  # before gradio, which would report its use

import gradio as gr
from tok1d.basics import to_pil
from tok1d.explore.film import film_html, film_links, tiled
from tok1d.explore.generate import KNOBS, draw, drawn_code, film_notes, knobs

INTRO = """# Draw pictures
A generator writes a line of tokens, a tokenizer turns it into a picture.
The same seed and settings draw the same picture again."""
MOST = 16  # pictures at once
launch = common.serve
opened = common.generator


def build(model=None, # Pipeline; all that ship with tok1d when None
          name=None, # What its generator is called
         ):
    "The page, ready to `launch`"
    order = common.Order(model, name)

    @common.says_why
    def picture(which, label, prompt, seed, count, *given):
        "The pictures, the film of the steps, links to it, and the code that draws them again"
        pipe, label, settings = order.read(which, label, prompt, *given)
        drawn = draw(pipe, label, seed, count, frames=8, **settings)
        frames = [tiled(x) for x in drawn.film]
        film = film_html(frames, film_notes(drawn), 'steps of the run', min(512, 140*min(4, count)))
        used = {knob: value for knob, value in zip(KNOBS, given) if knob in knobs(pipe)}
        links = film_links(frames, 'steps', back=False) + common.link_to(
            'generation', model=which, label=label, seed=seed, count=count, **used)
        gallery = [(to_pil(x), f'seed {s}') for x, s in zip(drawn.pictures, drawn.seeds)]
        return gallery, film, links, drawn_code(which, label, seed, count, **settings)

    with common.page('generation', INTRO) as demo:
        with gr.Row(elem_classes='page'):
            with gr.Column(scale=1, min_width=280):
                which, label, prompt = order.boxes('draw')
                seed = common.seed_box('draw-seed', 'Of the first picture; the next has the next.')
                count = common.Count(1, MOST, 4, step=1, label='pictures', elem_id='draw-count')
                given = order.knobs('draw')
                with gr.Row():
                    go = gr.Button('Draw', variant='primary', min_width=100, elem_id='draw-go')
                    other = gr.Button('New seed', min_width=100, elem_id='draw-other')
            with gr.Column(scale=2, min_width=300, elem_id='draw-results', elem_classes='results'):
                gallery = common.Pictures(
                    label='pictures', show_label=False, columns=4, height='auto', format='png',
                    object_fit='contain', interactive=False, buttons=['download', 'fullscreen'],
                    elem_id='draw-gallery', elem_classes='pixels')
                gr.Markdown('**the steps**')
                film = gr.HTML(elem_id='draw-film')
                links = gr.HTML(elem_id='draw-links')
                code = common.code_box('draw-code')
        inputs = [which, label, prompt, seed, count, *given]
        changed = which.input(order.start, which, [label, prompt, *given], **common.QUIET)
        another = other.click(lambda: random.randrange(10_000), None, seed, **common.QUIET)
        ready = order.restore(demo, 'generation', dict(seed=seed, count=count))
        for when, api in (([go.click, prompt.submit], 'generate'), (changed, None),
                          (another, None), (ready, None)):
            common.answers(when, picture, inputs, [gallery, film, links, code], 'draw-results', api)
    return demo


if __name__ == '__main__':
    common.run(build, opened, 'Draw pictures of a class or of words, in a page.', 'generator')

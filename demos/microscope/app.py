"""Every step of a generator, and what follows from it: a page over `tok1d.explore.microscope`.

    python demos/microscope/app.py [--model tok1d-tiny-maskgit] [--host 127.0.0.1] [--port 7860]
"""
import sys
from functools import lru_cache
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import demo_common as common  # before gradio, which would report its use

import gradio as gr
from tok1d.explore.film import run_html
from tok1d.explore.generate import knobs
from tok1d.explore.microscope import record

INTRO = """# Inside a generator
Move through the steps. Below the picture is a cell for each token: dark where the generator was
unsure, light where it was sure, empty where it had decided before. Then keep some of the steps, and
let it go on with another seed or guidance."""
launch = common.serve
opened = common.generator


def build(model=None, # Pipeline; all that ship with tok1d when None
          name=None, # What its generator is called
         ):
    "The page, ready to `launch`"
    order = common.Order(model, name)

    @lru_cache(maxsize=8)
    def recorded(which, label, seed, settings):
        return record(order.pipe(which), label, seed, **dict(settings))

    def run_of(which, label, prompt, seed, *given):
        "A run, drawn once for all that is asked about it"
        pipe, label, settings = order.read(which, label, prompt, *given)
        return recorded(which, label, seed, tuple(settings.items()))

    @common.says_why
    def look(which, *asked):
        "The steps of a run, and the code that makes it"
        run = run_of(which, *asked)
        return run_html(run, width=320, at=len(run)//2), run.code(which), '', ''

    @common.says_why
    def replay(which, label, prompt, seed, steps, guidance, temperature, keep, other, push):
        "The steps of a run that goes on differently, and the code that makes it"
        run = run_of(which, label, prompt, seed, steps, guidance, temperature)
        more = dict(guidance=push) if 'guidance' in knobs(run.pipe) else {}
        new = run.replay(keep, seed=other, **more)
        return run_html(new, 'steps of the replay', 320), new.code(which)

    with common.page('microscope', INTRO) as demo:
        with gr.Row(elem_classes='page'):
            with gr.Column(scale=1, min_width=280):
                which, label, prompt = order.boxes('look')
                seed = common.seed_box('look-seed')
                given = order.knobs('look')
                go = gr.Button('Draw', variant='primary', elem_id='look-go')
                gr.Markdown('**Then go on differently**')
                keep = common.Count(0, common.MOST_STEPS-1, 4, step=1, label='steps kept',
                                    elem_id='look-keep')
                other = common.seed_box('look-other', value=1)
                push = common.guidance_slider('look-push', order.usual['guidance'])
                again = gr.Button('Replay', variant='primary', elem_id='look-again')
            with gr.Column(scale=2, min_width=300, elem_id='look-results', elem_classes='results'):
                with gr.Row():
                    (film, code), (new, changed) = (shown(part) for part in ('run', 'replay'))
        inputs = [which, label, prompt, seed, *given]
        outputs = [film, code, new, changed]
        fitted = which.input(order.start, which, [label, prompt, *given], **common.QUIET)
        ready = order.restore(demo, 'microscope', dict(seed=seed))
        for when, api in ([go.click, prompt.submit], 'look'), (fitted, None), (ready, None):
            common.answers(when, look, inputs, outputs, 'look-results', api)
        common.answers([again.click], replay, [*inputs, keep, other, push], [new, changed],
                       'look-results', 'replay')
    return demo


def shown(part):
    "A film below its name, and its code"
    with gr.Column(min_width=280):
        gr.Markdown(f'**the {part}**')
        return gr.HTML(elem_id=f'look-{part}'), common.code_box(f'look-{part}-code')


if __name__ == '__main__':
    common.run(build, opened, 'Every step of a generator, in a page.', 'generator')

"""Pictures out of nothing but a class or a few words: a Gradio page over `tok1d.explore.generate`.

    python demos/generation/app.py [--model tok1d-tiny-maskgit] [--host 127.0.0.1] [--port 7860]
"""
import os
os.environ.setdefault('GRADIO_ANALYTICS_ENABLED', 'False')  # read when gradio is imported

import random
import sys
from pathlib import Path

import gradio as gr
from tok1d.basics import default_device, to_pil
from tok1d.explore.film import film_html, film_links, tiled
from tok1d.explore.generate import artist, artists, class_choices, draw, drawn_code
from tok1d.explore.generate import film_notes, knobs, reads_words
from tok1d.hub.pretrained import load_pipeline

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import demo_common as common

INTRO = """# Draw pictures
A generator writes a line of tokens, a tokenizer turns it into a picture.
The same seed and settings draw the same picture again."""
CSS = """
#draw-results .html-container { padding: 0 }
#draw-gallery .grid-container { grid-template-columns: repeat(auto-fill, minmax(110px, 1fr)) }
#draw-gallery .grid-wrap { overflow: visible; min-height: 0; max-height: none; height: auto }
"""
WAITING, DONE = common.waiting('draw-results')
MAX_SEED, MOST, LETTERS = 2**31-1, 16, 300  # of seeds; pictures at once; letters of a prompt
PROMPT = 'a pink blocky critter on a royal blue background'


def opened(name): return load_pipeline(name, device=default_device())


def build(model=None, # Pipeline; all that ship with tok1d when None
          name=None, # What its generator is called
         ):
    "The page, ready to `launch`"
    names = artists() if model is None else [name or 'your own']
    def pipe_of(which): return artist(which) if model is None else model

    def asked(which, label, prompt):
        "A class or words, if they are usable"
        text = prompt if reads_words(pipe_of(which)) else label
        if isinstance(text, str) and text.strip() and len(text) <= LETTERS: return text.strip()
        raise gr.Error(f'What shall be drawn? Give a class, or words of at most {LETTERS} letters.',
                       print_exception=False)

    def picture(which, label, prompt, seed, count, steps, guidance, temperature):
        "The pictures, the film of the steps, links to it, and the code that draws them again"
        label, pipe = asked(which, label, prompt), pipe_of(which)
        given = dict(steps=steps, guidance=guidance, temperature=temperature)
        settings = {
            knob: given[knob]
            for knob, usual in knobs(pipe).items() if given[knob] != usual
        }
        try: drawn = draw(pipe, label, seed, count, frames=8, **settings)
        except ValueError as e: raise common.refused(e) from e
        gallery = [(to_pil(x), f'seed {s}') for x, s in zip(drawn.pictures, drawn.seeds)]
        frames = [tiled(x) for x in drawn.film]
        film = film_html(frames, film_notes(drawn), 'steps of the run', min(512, 140*min(4, count)))
        here = common.link_to('generation', model=which, label=label, seed=seed, count=count,
                              **{knob: given[knob] for knob in knobs(pipe)})
        links = film_links(frames, 'steps', back=False) + here
        return gallery, film, links, drawn_code(which, label, seed, count, **settings)

    def parts(which):
        "What a model takes, and where it starts"
        pipe = pipe_of(which)
        own = knobs(pipe)
        words = reads_words(pipe)
        choices = class_choices(pipe)
        return [
            gr.update(choices=choices, value=choices[0] if choices else None, visible=not words),
            gr.update(visible=words),
            *(gr.update(visible=knob in own, **({'value': own[knob]} if knob in own else {}))
              for knob in ('steps', 'guidance', 'temperature'))
        ]

    first = pipe_of(names[0])
    own = knobs(first)
    words = reads_words(first)
    choices = class_choices(first)
    with common.page('generation') as demo:
        gr.Markdown(INTRO)
        with gr.Row():
            with gr.Column(scale=1, min_width=280):
                which = gr.Dropdown(names, value=names[0], label='model', elem_id='draw-model')
                label = gr.Dropdown(choices, value=choices[0] if choices else None, label='class',
                                    visible=not words, allow_custom_value=True,
                                    elem_id='draw-class')
                prompt = gr.Textbox(PROMPT, label='words', max_length=LETTERS, lines=2,
                                    visible=words, elem_id='draw-prompt')
                seed = common.Whole(0, label='seed',
                                    info='Of the first picture; the next one has the next.',
                                    minimum=0, maximum=MAX_SEED, precision=0, elem_id='draw-seed')
                count = common.Count(1, MOST, 4, step=1, label='pictures', elem_id='draw-count')
                steps = common.Count(1, 64, own.get('steps', 8), step=1, label='steps',
                                     visible='steps' in own, elem_id='draw-steps')
                guidance = common.Amount(0, 20, own['guidance'], step=.1, label='guidance',
                                         info='How hard to push towards what is asked for.',
                                         elem_id='draw-guidance')
                temperature = common.Amount(0, 12, own['temperature'], step=.1, label='temperature',
                                            info='How much chance; 0 for none.',
                                            elem_id='draw-temperature')
                with gr.Row():
                    go = gr.Button('Draw', variant='primary', min_width=100, elem_id='draw-go')
                    other = gr.Button('New seed', min_width=100, elem_id='draw-other')
            with gr.Column(scale=2, min_width=300, elem_id='draw-results', elem_classes='results'):
                gallery = gr.Gallery(label='pictures', show_label=False, columns=4, format='png',
                                     height='auto', object_fit='contain', interactive=False,
                                     buttons=['download', 'fullscreen'], elem_id='draw-gallery',
                                     elem_classes='pixels')
                gr.Markdown('**the steps**')
                film = gr.HTML(elem_id='draw-film')
                links = gr.HTML(elem_id='draw-links')
                code = gr.Code(language='python', label='the same in Python', interactive=False,
                               wrap_lines=True, lines=1, elem_id='draw-code')
        inputs = [which, label, prompt, seed, count, steps, guidance, temperature]
        outputs = [gallery, film, links, code]
        shows = dict(trigger_mode='always_last', show_progress='hidden', js=WAITING)
        quiet = dict(api_visibility='private', show_progress='hidden')
        knob_parts = dict(seed=seed, count=count, steps=steps, guidance=guidance,
                          temperature=temperature)

        def restore(request: gr.Request):
            "What a link asks for"
            said = common.asked_for(request, 'generation')
            wanted = said.get('model') if said.get('model') in names else names[0]
            updates = dict(zip(('label', 'prompt', 'steps', 'guidance', 'temperature'),
                               parts(wanted)))
            updates |= dict(seed=gr.update(), count=gr.update())
            box = 'prompt' if reads_words(pipe_of(wanted)) else 'label'
            if said.get('label'): updates[box]['value'] = said['label'][:LETTERS]
            for name, part in knob_parts.items():
                value = common.fitting(part, said.get(name))
                if value is not None: updates[name]['value'] = value
            return [gr.update(value=wanted)] + [updates[name] for name in (
                'label', 'prompt', 'seed', 'count', 'steps', 'guidance', 'temperature')]

        events = [go.click, prompt.submit]
        changed = which.input(parts, which, [label, prompt, steps, guidance, temperature], **quiet)
        another = other.click(lambda: random.randrange(10_000), None, seed, **quiet)
        runs = [gr.on(events, picture, inputs, outputs, api_name='generate', **shows)]
        earlier = [changed, another]
        if model is None: earlier.append(demo.load(restore, None, inputs, **quiet))
        runs += [event.then(picture, inputs, outputs, api_visibility='private', **shows)
                 for event in earlier]
        for run in runs: run.then(None, js=DONE)
    return demo


def launch(demo, host='127.0.0.1', port=None, **kw):
    return common.serve(demo, host, port, CSS, **kw)


if __name__ == '__main__':
    common.run(build, opened, launch, 'Draw pictures of a class or of words, in a page.',
               'name, folder or file of a generator')

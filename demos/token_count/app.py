"""How many tokens does an image need? A Gradio page over `tok1d.explore`.

    python demos/token_count/app.py [--model tok1d-tiny-vq128] [--host 127.0.0.1] [--port 7860]
"""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import demo_common as common  # before gradio, which would report its use

import gradio as gr
from tok1d.data.embedded import photos, samples
from tok1d.hub.pretrained import LONGEST
from tok1d.reports import tokenizer as opened
from token_count.counts import Counts

INTRO = """# How many tokens does an image need?
A tokenizer turns an image into a short line of tokens. Keep only the first few of them
with the slider, and see what comes back."""
PSNR = (' **PSNR** says how close the reconstruction is: at 20 dB a picture is recognisable, at 30 '
        'dB it looks good.')
SEARCH = ('Try four codes for each token and let the decoder judge: slower, and closer to the '
          'image.')
WHOLE = 'Put it on a white square instead of cutting out its centre.'
launch = common.serve


def build(model=None, # Tokenizer; the shipped one when None
          k=8, # Tokens to start with
          name=None, # What the model is called
         ):
    "The page, ready to `launch`"
    model, name = common.given(model, name, LONGEST)
    n, examples = model.num_tokens, [*photos(), *samples()]
    explore = Counts(model, name, examples).explore

    with common.page('token count', INTRO, model, name, PSNR) as demo:
        with gr.Row(elem_classes='page'):
            with gr.Column(scale=1, min_width=260):
                gr.Markdown('**your image, or one of these**')
                image = common.choose('your image', dict(examples)['critter'], examples, 'image',
                                      'examples', 260, elem_classes='upload')
                note = gr.Markdown(elem_id='note')
                caption = common.caption_box(model)
                better = gr.Checkbox(False, label='search for better tokens', info=SEARCH,
                                     visible=bool(model.codebook_size), container=False,
                                     elem_id='search')
                whole = gr.Checkbox(False, label='whole picture', info=WHOLE, container=False,
                                    elem_id='whole')
            with gr.Column(scale=2, min_width=320):
                slider = common.Count(1, n, min(k, n), step=1, label=f'tokens kept, of {n}',
                                      elem_id='tokens')
                outputs = shown(model)
        outputs.insert(-1, note)
        inputs = [image, slider, better, whole, caption]
        settings = dict(image=image, tokens=slider, search=better, whole=whole)
        ready = common.restore(demo, 'token_count', settings, examples)
        events = [image.change, slider.change, better.input, whole.input, caption.submit]
        common.answers(events, explore, inputs, outputs, 'results', 'explore')
        common.answers(ready, explore, inputs, outputs, 'results')
    return demo


def shown(model):
    "Parts for what comes back"
    with gr.Column(elem_id='results', elem_classes='results'):
        with gr.Row(elem_id='pictures'):
            pictures = [common.picture('original', 'original'),
                        common.picture('reconstruction', 'reconstruction', ['download']),
                        common.picture('difference', 'difference')]
        stats, ids = (gr.HTML(padding=False, elem_id=part) for part in ('stats', 'ids'))
        line = gr.Textbox(label='the ids as text', buttons=['copy'], interactive=False, lines=1,
                          max_lines=4, visible=bool(model.codebook_size), elem_id='line')
        plot = gr.Plot(show_label=False, label='quality against tokens', container=False,
                       format='png', elem_id='curve')
        return [*pictures, stats, ids, plot, line, common.code_box('code')]


if __name__ == '__main__':
    common.run(build, opened, 'How many tokens does an image need? A page to try it.')

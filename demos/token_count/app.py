"""How many tokens does an image need? A Gradio page over `tok1d.explore`.

    python demos/token_count/app.py [--model tok1d-tiny-vq] [--host 127.0.0.1] [--port 7860]

Nothing is asked from outside: no analytics, no web fonts, no share link.
The logic is in `tok1d.explore.tokens`,
the drawing in `tok1d.explore.show`; here are only the parts of the page and what calls what.
"""
import os
os.environ.setdefault('GRADIO_ANALYTICS_ENABLED', 'False')  # read when gradio is imported

import math
import sys
import tempfile
import time
from functools import lru_cache
from pathlib import Path

import gradio as gr
from tok1d.basics import crop_share, default_device, pad_square
from tok1d.reports import tokenizer as opened
from tok1d.data.embedded import photos, samples
from tok1d.data.tokens import TokenSet, save_tokens, source
from tok1d.explore.film import download_html
from tok1d.explore.search import tokens_and_curve
from tok1d.explore.show import curve_figure, ids_html, stats_html, view_pictures
from tok1d.explore.tokens import explore_tokens
from tok1d.hub.pretrained import DEFAULT, load

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import demo_common as common

INTRO = """# How many tokens does an image need?
A tokenizer turns an image into a short line of tokens. Keep only the first few of them
with the slider, and see what comes back."""
PSNR = (' **PSNR** says how close the reconstruction is: at 20 dB a picture is recognisable, at 30 '
        'dB it looks good.')

CSS = """
#stats .html-container, #ids .html-container { padding: 0 }
#pictures .column { gap: 4px }
#pictures strong { font-size: .85rem; white-space: nowrap }
@media (max-width: 640px) {
  #pictures strong { font-size: .75rem }
  #image, #image > * { max-height: 190px; min-height: 0 !important }
}
#curve img { max-width: min(100%, 480px); background: none }
"""
WAITING, DONE = common.waiting('results')


def on_any_ground(figure):
    """A figure for light and dark pages

    No ground of its own, lines and letters in a grey that both show.
    """
    figure.patch.set_alpha(0)
    for ax in figure.axes:
        ax.patch.set_alpha(0)
        ax.tick_params(colors='#808080')
        for part in (ax.xaxis.label, ax.yaxis.label): part.set_color('#808080')
        for spine in ax.spines.values(): spine.set_color('#808080')
    return figure


def crop_note(size, whole):
    "What the model does not see of an image that is not square"
    share = crop_share(*size)
    if whole or share > .98: return ''
    return (f'This picture has {size[0]:,} × {size[1]:,} pixels; only the square at its centre is '
            f'used, {share:.0%} of it. Tick *whole picture* to keep all of it.')


def download(tokens, name, origin):
    "A link that holds the tokens as a file for `tok1d decode`"
    with tempfile.TemporaryDirectory() as folder:
        data = save_tokens(TokenSet(tokens[None], [name], origin),
                           Path(folder)/'tokens.json').read_bytes()
    link = download_html(data, 'tokens.json', 'application/json', 'Download the tokens')
    return f'<p>{link}, for <code>tok1d decode tokens.json -o pictures</code></p>'


def build(model=None, # Tokenizer; the shipped one when None
          k=8, # Tokens to start with
          name=None, # What the model is called
         ):
    "The page, ready to `launch`"
    name = name or (DEFAULT if model is None else 'your own')
    model = load(device=default_device()) if model is None else model
    n, examples, origin = model.num_tokens, [*photos(), *samples()], source(model, name)

    # Gradio names an uploaded file by its content, so a path stands for one image
    @lru_cache(maxsize=32)
    def opened(path, search, whole):
        image = common.read_upload(path)
        return *tokens_and_curve(model,
                                 pad_square(image, model.image_size) if whole else image,
                                 4 if search else 0), image.size, common.example_called(
                                     image, examples)

    @lru_cache(maxsize=256)
    def said(*what): return [-math.inf]  # when a message was given last

    def explore(path, k, search=False, whole=False, request: gr.Request = None):
        """Pictures, figures, ids, curve, line of ids and note about an image seen through its first
        `k` tokens"""
        if not path: return [None, None, None, '', '', None, '', '']
        begin = time.monotonic()
        try:
            ti, curve, size, example = opened(path, bool(search), bool(whole))
            view = explore_tokens(model, ti, k)
            link = download(ti.tokens[:k], Path(path).name, origin) + common.link_to(
                'token_count', tokens=k, search=bool(search), whole=bool(whole), image=example)
        except ValueError as e:  # the folder of the upload is no business of whoever uploaded it
            last = said(request and request.session_hash, path, k, search, whole)
            # the page tells of one upload twice; its visitor need not hear twice
            again = begin - last[0] < 3
            last[0] = time.monotonic()   # not when it began: reading may take long
            raise common.refused(e, path, visible=not again) from e
        line = ' '.join(map(str, view.ids or ()))
        return *view_pictures(view), stats_html(view), ids_html(view) + link, on_any_ground(
            curve_figure(curve, view, dpi=160)), line, crop_note(size, whole)

    def pick(event: gr.SelectData): return examples[event.index][1]

    with common.page('token count') as demo:
        gr.Markdown(f'{INTRO}\n\n{common.about(model, name)}{PSNR}')
        with gr.Row():
            with gr.Column(scale=1, min_width=260):
                gr.Markdown('**your image**')
                image = common.Upload(
                    dict(examples)['critter'], show_label=False, label='your image',
                    sources=['upload', 'clipboard',
                             'webcam'], format='png', height=260, elem_id='image')
                note = gr.Markdown(elem_id='note')
                gr.Markdown('**or one of these**')
                gallery = common.examples_row(examples, label='examples', elem_id='examples')
            with gr.Column(scale=2, min_width=320):
                slider = common.Count(1, n, min(k, n), step=1, label=f'tokens kept, of {n}',
                                      elem_id='tokens')
                with gr.Row():
                    better = gr.Checkbox(
                        False, label='search for better tokens', info=
                        'Try four codes for each token and let the decoder judge: slower, and '
                        'closer to the image.',
                        visible=bool(model.codebook_size), container=False, elem_id='search')
                    whole = gr.Checkbox(
                        False, label='whole picture',
                        info='Put it on a white square instead of cutting out its centre.',
                        container=False, elem_id='whole')
                with gr.Column(elem_id='results', elem_classes='results'):
                    with gr.Row(elem_id='pictures'):
                        pictures = [
                            common.picture('original', 'original'),
                            common.picture('reconstruction', 'reconstruction', ['download']),
                            common.picture('difference', 'difference')
                        ]
                    stats = gr.HTML(padding=False, elem_id='stats')
                    ids = gr.HTML(padding=False, elem_id='ids')
                    line = gr.Textbox(label='the ids as text', buttons=['copy'], interactive=False,
                                      lines=1, max_lines=4, visible=bool(model.codebook_size),
                                      elem_id='line')
                    plot = gr.Plot(show_label=False, label='quality against tokens',
                                   container=False, format='png', elem_id='curve')
        inputs, outputs = [image, slider, better, whole], [*pictures, stats, ids, plot, line, note]
        settings = dict(tokens=slider, search=better, whole=whole)

        def restore(path, k, search, whole, request: gr.Request):
            "What a link asks for; like every function here it takes the page's parts as they are"
            asked = common.asked_for(request, 'token_count')
            picked = dict(examples).get(asked.get('image'))
            shown = gr.skip() if picked is None else gr.update(value=picked)
            return [shown, *common.restored(request, 'token_count', settings)]

        ready = demo.load(restore, inputs, inputs, api_visibility='private', show_progress='hidden')
        events = [image.change, slider.change, better.input, whole.input]
        look = dict(trigger_mode='always_last', show_progress='hidden', js=WAITING)
        gr.on(events, explore, inputs, outputs, api_name='explore', **look).then(None, js=DONE)
        ready.then(explore, inputs, outputs, api_visibility='private', **look).then(None, js=DONE)
        gallery.select(pick, None, image, api_visibility='private', show_progress='hidden')
    return demo


def launch(demo, host='127.0.0.1', port=None, **kw):
    return common.serve(demo, host, port, CSS, **kw)


if __name__ == '__main__':
    common.run(build, opened, launch, 'How many tokens does an image need? A page to try it.',
               'name, folder or file of a tokenizer')

"""How many tokens does an image need? A Gradio page over `tok1d.explore`.

    python demos/token_count/app.py [--model tok1d-tiny-vq] [--host 127.0.0.1] [--port 7860]

Nothing is asked from outside: no analytics, no web fonts, no share link. The logic is in `tok1d.explore.tokens`,
the drawing in `tok1d.explore.show`; here are only the parts of the page and what calls what.
"""
import os
os.environ.setdefault('GRADIO_ANALYTICS_ENABLED', 'False')  # read when gradio is imported

import argparse
from functools import lru_cache
from pathlib import Path

import gradio as gr
from tok1d.data.embedded import photos, samples
from tok1d.explore.search import tokens_and_curve
from tok1d.explore.show import curve_figure, ids_html, stats_html, view_pictures
from tok1d.explore.tokens import explore_tokens
from tok1d.hub.pretrained import load

INTRO = """# How many tokens does an image need?
A tokenizer turns an image into a short line of tokens. Keep only the first few of them with the slider, and see what comes back."""

CSS = """
.gradio-container { max-width: 1180px !important; margin: auto }
.pixels img { image-rendering: pixelated; width: 100%; height: 100%; object-fit: contain }
#examples .grid-container { grid-template-columns: repeat(auto-fill, minmax(56px, 1fr)); grid-template-rows: none; grid-auto-rows: auto }
#examples .grid-wrap { overflow: visible; padding: 0; min-height: 0; height: auto }
#examples { min-height: 0 !important }
#stats .html-container, #ids .html-container { padding: 0 }
#pictures .column { gap: 4px }
#pictures strong { font-size: .85rem; white-space: nowrap }
@media (max-width: 500px) { #pictures strong { font-size: .75rem } }
#curve img { max-width: min(100%, 480px) }
"""

class AnyImage(gr.Image):
    "An image input that hands on the uploaded file itself, so that every format, and every broken file, reaches `load_image`"
    is_template = True  # gr.Image in the browser

    def preprocess(self, payload): return payload and payload.path


def picture(name):
    "A picture below its name"
    with gr.Column(min_width=96):
        gr.Markdown(f'**{name}**')
        return gr.Image(show_label=False, label=name, interactive=False, format='png', buttons=[], elem_id=name, elem_classes='pixels')


def build(model=None, # Tokenizer; the shipped one when None
          k=8, # Tokens to start with
         ):
    "The page, ready to `launch`"
    model = load() if model is None else model
    n, examples = model.num_tokens, [*photos(), *samples()]

    @lru_cache(maxsize=32)  # Gradio names an uploaded file by its content, so a path stands for one image
    def opened(path, search): return tokens_and_curve(model, path, 4 if search else 0)

    def explore(path, k, search=False):
        "Pictures, figures, ids and curve of an image seen through its first `k` tokens, searched for if asked"
        if not path: return [gr.skip()]*6
        try:
            ti, curve = opened(path, search)
            view = explore_tokens(model, ti, k)
        except ValueError as e:  # the folder of the upload is no business of whoever uploaded it
            raise gr.Error(str(e).replace(f'{Path(path).parent}{os.sep}', ''), print_exception=False) from e
        return *view_pictures(view), stats_html(view), ids_html(view), curve_figure(curve, view, dpi=160)

    def pick(event: gr.SelectData): return examples[event.index][1]

    with gr.Blocks(title='tok1d: token count', analytics_enabled=False) as demo:
        gr.Markdown(INTRO)
        with gr.Row():
            with gr.Column(scale=1, min_width=260):
                gr.Markdown('**your image**')
                image = AnyImage(dict(examples)['critter'], show_label=False, label='your image', sources=['upload', 'clipboard', 'webcam'], format='png', height=260, elem_id='image')
                gr.Markdown('**or one of these**')
                gallery = gr.Gallery([im for _, im in examples], show_label=False, label='examples', container=False, allow_preview=False, interactive=False,
                                     object_fit='cover', height='auto', buttons=[], elem_id='examples', elem_classes='pixels')
            with gr.Column(scale=2, min_width=320):
                slider = gr.Slider(1, n, min(k, n), step=1, label=f'tokens kept, of {n}', elem_id='tokens')
                better = gr.Checkbox(False, label='search for better tokens', info='Try four codes for each token and let the decoder judge: slower, and closer to the image.',
                                     visible=bool(model.codebook_size), container=False, elem_id='search')
                with gr.Row(elem_id='pictures'):
                    pictures = [picture(name) for name in ('original', 'reconstruction', 'difference')]
                stats = gr.HTML(padding=False, elem_id='stats')
                ids = gr.HTML(padding=False, elem_id='ids')
                plot = gr.Plot(show_label=False, label='quality against tokens', container=False, format='png', elem_id='curve')
        outputs = [*pictures, stats, ids, plot]
        gr.on([image.input, slider.change, better.input, demo.load], explore, [image, slider, better], outputs, api_name='explore', trigger_mode='always_last', show_progress='hidden')
        gallery.select(pick, None, image, api_visibility='private', show_progress='hidden').then(
            explore, [image, slider, better], outputs, api_visibility='private', show_progress='hidden')
    return demo


def launch(demo, host='127.0.0.1', port=None, **kw):
    "Serve the page, to this machine unless `host` says otherwise"
    theme = gr.themes.Default(font=['system-ui', 'sans-serif'], font_mono=['monospace'])
    return demo.queue(default_concurrency_limit=2).launch(server_name=host, server_port=port, share=False, ssr_mode=False, theme=theme, css=CSS,
                                                          footer_links=['api', 'settings'], **kw)


def main(argv=None):
    p = argparse.ArgumentParser(description='How many tokens does an image need? A page to try it.')
    p.add_argument('--model', help='name, folder or file of a tokenizer (see `tok1d list`); the shipped one if not given')
    p.add_argument('--host', default='127.0.0.1', help='address to serve on; 0.0.0.0 for every machine that can reach this one')
    p.add_argument('--port', type=int, help='port to serve on; the first free one from 7860 if not given')
    args = p.parse_args(argv)
    launch(build(load(args.model) if args.model else None), args.host, args.port)


if __name__ == '__main__': main()

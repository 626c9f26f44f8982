"""All demos, as tabs of one page.

    python demos/all/app.py [--model tok1d-tiny-vq] [--host 127.0.0.1] [--port 7860]
"""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import demo_common as common  # before gradio, which would report its use

import gradio as gr
from tok1d.cli import load_page
from tok1d.reports import tokenizer
from tok1d.hub.pretrained import load

TABS = dict(token_count='Token count', interpolation='Interpolation', generation='Generation',
            microscope='Microscope', workbench='Workbench')
DRAWING = 'generation', 'microscope'
PAGES = {page: load_page(page) for page in TABS}
launch = common.serve


def opened(name):
    "A pipeline, if it is the name of a generator; else a tokenizer"
    if hasattr(load(name), 'generate'): return common.generator(name)
    return tokenizer(name)


def build(model=None, # Tokenizer, or pipeline; what ships with tok1d when None
          name=None, # What it is called
         ):
    "The page, ready to `launch`"
    draws = hasattr(model, 'tokenizer')
    drawn = (model, name) if draws else (None, None)
    read = (model.tokenizer, f'tokenizer of {name}') if draws else (model, name)
    given = {page: drawn if page in DRAWING else read for page in TABS}
    built = {page: PAGES[page].build(model, name=called) for page, (model, called) in given.items()}
    with common.page('demos') as demo:
        with gr.Tabs() as tabs:
            for page, title in TABS.items():
                with gr.Tab(title, id=page): built[page].render()

        def choose(request: gr.Request):
            "The tab that a link asks for"
            wanted = request.query_params.get('tab')
            return gr.Tabs(selected=wanted) if wanted in TABS else gr.skip()
        demo.load(choose, None, tabs, **common.QUIET)
    return demo


if __name__ == '__main__':
    common.run(build, opened, 'All demos, as tabs of one page.', 'tokenizer or generator')

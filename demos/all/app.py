"""All demos, as tabs of one page.

    python demos/all/app.py [--model tok1d-tiny-vq] [--host 127.0.0.1] [--port 7860]
"""
import os
os.environ.setdefault('GRADIO_ANALYTICS_ENABLED', 'False')  # read when gradio is imported

import sys
from pathlib import Path

import gradio as gr
from tok1d.basics import default_device
from tok1d.cli import load_page
from tok1d.reports import tokenizer
from tok1d.hub.pretrained import load, load_pipeline

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import demo_common as common

TABS = dict(token_count='Token count', interpolation='Interpolation', generation='Generation',
            workbench='Workbench')
PAGES = {page: load_page(page) for page in TABS}


def opened(name):
    "A pipeline, if it is the name of a generator; else a tokenizer"
    if hasattr(load(name), 'generate'): return load_pipeline(name, device=default_device())
    return tokenizer(name)


def build(model=None, # Tokenizer, or pipeline; what ships with tok1d when None
          name=None, # What it is called
         ):
    "The page, ready to `launch`"
    draws = hasattr(model, 'tokenizer')
    reads = model.tokenizer if draws else model
    given = {page: (reads, f'tokenizer of {name}' if draws else name)
             for page in TABS} | dict(generation=(model, name) if draws else (None, None))
    built = {page: PAGES[page].build(model, name=called) for page, (model, called) in given.items()}
    with common.page('demos') as demo:
        with gr.Tabs() as tabs:
            for page, title in TABS.items():
                with gr.Tab(title, id=page): built[page].render()

        def choose(request: gr.Request):
            "The tab that a link asks for"
            wanted = request.query_params.get('tab')
            return gr.Tabs(selected=wanted) if wanted in TABS else gr.skip()
        demo.load(choose, None, tabs, api_visibility='private', show_progress='hidden')
    return demo


def launch(demo, host='127.0.0.1', port=None, **kw):
    css = ''.join(page.CSS for page in PAGES.values())
    return common.serve(demo, host, port, css, **kw)


if __name__ == '__main__':
    common.run(build, opened, launch, 'All demos, as tabs of one page.',
               'name, folder or file of a tokenizer or a generator')

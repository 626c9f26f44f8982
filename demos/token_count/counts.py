"What the page says of an image seen through its first tokens"
import time
from functools import lru_cache
from pathlib import Path

import demo_common as common
import gradio as gr
from tok1d.basics import pad_square
from tok1d.data.tokens import source
from tok1d.explore.search import tokens_and_curve
from tok1d.explore.show import curve_figure, ids_html, stats_html, view_pictures
from tok1d.explore.tokens import explore_tokens


class Counts:
    "Uploaded images through one tokenizer"
    def __init__(self, model, name, examples):
        self.model, self.name, self.examples = model, name, examples
        self.origin, self.told = source(model, name), common.Told()
        # Gradio names an uploaded file by its content, so a path stands for one image
        self.read = lru_cache(maxsize=32)(self.read)

    def read(self, path, search, whole, caption):
        "The tokens of an image, their curve, its size, and which example it is"
        image = common.read_upload(path)
        seen = pad_square(image, self.model.image_size) if whole else image
        ti, curve = tokens_and_curve(self.model, seen, 4 if search else 0, caption or None)
        return ti, curve, image.size, common.example_called(image, self.examples)

    def explore(self, path, k, search=False, whole=False, caption='', request: gr.Request = None):
        """Pictures, figures, ids, curve, line of ids, note and code about an image seen through its
        first `k` tokens"""
        if not path: return [None, None, None, '', '', None, '', '', '']
        begin, asked = time.monotonic(), (path, bool(search), bool(whole), caption)
        try:
            ti, curve, size, example = self.read(*asked)
            view = explore_tokens(self.model, ti, k)
        except ValueError as e:  # the folder of the upload is no business of whoever uploaded it
            again = self.told.again(begin, request and request.session_hash, k, *asked)
            raise common.refused(e, path, visible=not again) from e
        links = common.tokens_link(ti.tokens[:k], Path(path).name, self.origin) + common.link_to(
            'token_count', tokens=k, search=asked[1], whole=asked[2], image=example)
        figure = common.on_any_ground(curve_figure(curve, view, dpi=160))
        return (*view_pictures(view), stats_html(view), ids_html(view) + links, figure,
                ' '.join(map(str, view.ids or ())), common.crop_note(size, whole),
                common.or_why_not(lambda: ti.keep(k).code(self.name)))

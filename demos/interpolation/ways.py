"What the page says of a way between two images, or of a grid between four"
from functools import lru_cache
from pathlib import Path

import demo_common as common
from tok1d.explore.film import film_links, way_view
from tok1d.explore.interpolate import interpolate, interpolate_grid, way_code
from tok1d.explore.tokens import TokenImage

ENDS = 'first', 'second', 'third', 'fourth'
MOST, MOST_OF_GRID = 24, 9  # pictures of a way, and along a side of a grid


class Ways:
    "Ways between uploaded images, through one tokenizer"
    def __init__(self, model, name, examples):
        self.model, self.name, self.examples = model, name, examples
        # Gradio names an uploaded file by its content, so a path stands for one image
        self.read = lru_cache(maxsize=32)(self.read)
        self.view = lru_cache(maxsize=32)(self.view)

    def read(self, path):
        "The image as tokens, and which example it is"
        image = common.read_upload(path)
        called = common.example_called(image, self.examples)
        return TokenImage.from_image(self.model, image), called

    def view(self, files, how, steps, order):
        "The way or the grid: film, pictures, figures and frames"
        images = [self.read(path)[0] for path in files]
        if len(files) == 2: way = interpolate(*images, steps, how, order)
        else: way = interpolate_grid(images, steps, how, order)
        return way_view(self.model, way)

    def walk(self, first, second, how, steps, order, third=None, fourth=None, four=False):
        "A film of the way, all its pictures, how smooth it is, and the code that goes the same way"
        files, steps = chosen(first, second, third, fourth, four, steps)
        if not files: return f'<p>Choose {"four" if four else "two"} images.</p>', '', '', ''
        try: film, row, figures, _ = self.view(files, how, steps, order)
        except ValueError as e: raise common.refused(e, *files) from e
        names = [Path(path).name for path in files]
        if len({*names}) < len(files): names = [f'{end}.png' for end in ENDS[:len(files)]]
        return film, row, figures, way_code(self.name, names, steps, how, order)

    def films(self, first, second, how, steps, order, third, fourth, four):
        "Links to the way as films, and to these settings"
        files, steps = chosen(first, second, third, fourth, four, steps)
        if not files: return ''
        called = {end: self.read(path)[1] for end, path in zip(ENDS, files)}
        frames = self.view(files, how, steps, order).frames
        return film_links(frames, 'between', back=not four) + common.link_to(
            'interpolation', how=how, steps=steps, order=order, four=four or None, **called)


def chosen(first, second, third, fourth, four, steps):
    "The files to go between, none if one is missing; and how many pictures along a side"
    files = (first, second, third, fourth)[:4 if four else 2]
    return files if all(files) else (), min(steps, MOST_OF_GRID if four else MOST)

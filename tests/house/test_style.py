"What every notebook has in common (nbs/ reads as one book)"
import ast
import base64
import json
import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted(p for p in (ROOT/'nbs').rglob('*.ipynb') if '.ipynb_checkpoints' not in p.parts)
MODULES = sorted(p for part in ('tests', 'demos', '.ci') for p in (ROOT/part).rglob('*.py'))
MAX_WIDTH = 100     # columns of code: what the docs show without a scroll bar
MAX_LINES = 25      # of code in an export cell: seen whole, without scrolling
MAX_IMAGE = 60_000  # bytes of a stored picture
WITH_EXAMPLE = .7   # of export cells are followed by an example or a test, at least

class Cell:
    def __init__(self, raw):
        self.kind = raw['cell_type']
        self.id = raw['id']
        self.source = ''.join(raw['source'])
        self.outputs = raw.get('outputs', [])
        lines = self.source.splitlines()
        self.directives = {line[2:].split()[0] for line in lines if line.startswith('#|')}
        code = [line for line in lines if line.strip() and not line.startswith('#|')]
        self.code = code if self.kind == 'code' else []
        self.exported = bool({'export', 'exporti', 'exports'} & self.directives)

    def statements(self):
        magic = re.search(r'^\s*[%!]', self.source, re.M)
        return ast.parse('\n'.join(self.code)).body if self.code and not magic else []

    def imports_only(self):
        return all(isinstance(s, (ast.Import, ast.ImportFrom)) for s in self.statements())

def cells(path): return [Cell(raw) for raw in json.loads(path.read_text(encoding='utf-8'))['cells']]
def each(f):
    names = [p.relative_to(ROOT/'nbs').as_posix() for p in NOTEBOOKS]
    return pytest.mark.parametrize('path', NOTEBOOKS, ids=names)(f)

@each
def test_opening(path):
    first = next(c for c in cells(path) if c.kind == 'markdown')
    only = re.fullmatch(r'# \S[^\n]*\n+> \S[^\n]*\n*', first.source)
    assert only, ('open with a cell of `# Title` and `> subtitle`, and nothing else in it: the '
                  'docs show no more of that cell')

FOR_READERS = [ # run as they are
    *(ROOT/'nbs/tutorials').glob('*.ipynb'), *(ROOT/'nbs/howto').glob('*.ipynb'),
    ROOT/'nbs/index.ipynb',
    ROOT/'nbs/explore/30_widgets.ipynb']

@each
def test_ending(path):
    *_, last = (c for c in cells(path) if c.code)
    if path in FOR_READERS:
        assert not any('nbdev_export(' in line for c in cells(path)
                       for line in c.code), "a reader's Run All must not rewrite the package"
    elif any('default_exp' in c.directives for c in cells(path)):
        ends = ' '.join(last.code) == 'import nbdev; nbdev.nbdev_export()'
        assert 'hide' in last.directives and ends, 'end with the hidden export cell'

@each
def test_ids_differ(path):
    ids = [raw['id'] for raw in json.loads(path.read_text(encoding='utf-8'))['cells']]
    assert len(ids) == len(set(ids)), 'two cells with one id: merging by id would mix them up'

@each
def test_short_export_cells(path):
    long = {
        c.id: len(c.code)
        for c in cells(path) if c.exported and len(c.code) > MAX_LINES and not c.imports_only()
    }
    assert not long, f'cells of more than {MAX_LINES} lines; split them, classes with @patch'

@each
def test_width(path):
    wide = {c.id: line for c in cells(path) for line in c.code if len(line) > MAX_WIDTH}
    assert not wide, f'lines of more than {MAX_WIDTH} columns: a reader never scrolls sideways'

@pytest.mark.parametrize('path', MODULES, ids=[p.relative_to(ROOT).as_posix() for p in MODULES])
def test_width_of_modules(path):
    wide = [n for n, line in enumerate(path.read_text().splitlines(), 1) if len(line) > MAX_WIDTH]
    assert not wide, f'lines of more than {MAX_WIDTH} columns'

@each
def test_examples(path):
    book = [c for c in cells(path) if c.code and 'nbdev_export(' not in c.source]
    followed = [
        not after.exported for here, after in zip(book, book[1:])
        if here.exported and not here.imports_only()
    ]
    enough = sum(followed) >= WITH_EXAMPLE*len(followed)
    assert enough, 'show what the exported code does, next to it'

@each
def test_imports_apart(path):
    mixed = [
        c.id for c in cells(path) if c.code and not c.exported and 'nbdev_export(' not in c.source
        and not c.imports_only() and any(
            isinstance(n, (ast.Import, ast.ImportFrom)) for s in c.statements()
            for n in ast.walk(s))
    ]
    assert not mixed, ('imports share a cell with other code; the docs run every cell that '
                       'imports, so they stand alone')

@each
def test_outputs(path):
    for cell in cells(path):
        for out in cell.outputs:
            assert out['output_type'] != 'error', f'cell {cell.id} was saved with an error'
            for kind, data in out.get('data', {}).items():
                if kind.startswith('image/') and kind != 'image/svg+xml':
                    size = len(base64.b64decode(''.join(data)))
                    assert size <= MAX_IMAGE, f'the {kind} of cell {cell.id} has {size} bytes'

MACHINE = re.compile(r'(?<![\w.])/(tmp|root|home|work|Users)/\w')  # a folder of whoever ran it
BAR = re.compile(r'\d+%\|')                                      # of tqdm

def texts(cell):
    "What a cell said, as text"
    for out in cell.outputs:
        yield ''.join(out.get('text', []))
        yield from (''.join(data) for kind, data in out.get('data', {}).items()
                    if kind.startswith('text/'))

@pytest.mark.parametrize('path', [*FOR_READERS, ROOT/'nbs/90_cli.ipynb'], ids=lambda p: p.stem)
def test_outputs_for_readers(path):
    "No folder of the machine that ran it, and no progress bar that stands still"
    for cell in cells(path):
        for text in texts(cell):
            assert not MACHINE.search(text), f'cell {cell.id} tells of {MACHINE.search(text)[0]}…'
            moving = BAR.search(text) or '\r' in text or '\x1b[' in text
            assert not moving, f'cell {cell.id} holds a progress bar'

@each
def test_diagrams(path):
    text = '\n'.join(c.source for c in cells(path))
    braces = re.search(r'^```\s*\{mermaid\}', text, re.M)
    assert not braces, 'write ```mermaid without braces: Jupyter and GitHub draw that'

def test_sidebar():
    def entries(item):
        if isinstance(item, str): yield item
        elif isinstance(item, dict):
            yield from (e for i in item.get('contents', []) for e in entries(i))
            if 'href' in item: yield item['href']
    quarto = yaml.safe_load((ROOT/'_quarto.yml').read_text(encoding='utf-8'))
    listed = [e for item in quarto['website']['sidebar']['contents'] for e in entries(item)]
    assert sorted(listed) == sorted(p.relative_to(ROOT/'nbs').as_posix() for p in NOTEBOOKS)
    assert (ROOT/'nbs/_quarto.yml').is_symlink() and (ROOT/'nbs/_quarto.yml').samefile(
        ROOT/'_quarto.yml')

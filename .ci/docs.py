"""The documentation, without Quarto and a network: `python .ci/docs.py [OUT]` (default: _docs)

nbdev filters the notebooks as saved (nothing in them is run; what they export is looked up in the
package), this script turns links, formulas and diagrams into what a page can show by itself,
smalldocs lays out the site. Exits with 1 on a warning, a broken link, or anything from outside.
"""
import ast
import hashlib
import html
import json
import os
import posixpath
import re
import shutil
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from configparser import ConfigParser
from html.parser import HTMLParser
from importlib import import_module
from operator import attrgetter
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

ROOT = Path(__file__).parents[1]
LINK = re.compile(r'(\]\()([^)\s]+)')
# what Python says of a method without a docstring
NOTHING = r'\*?(Call self as a function\.|Initialize self\. .*?signature\.)\*?'

def documented(nb):
    """nbdev's filters of a notebook, with two changes

    What `show_doc` shows is looked up in the exported module; nbdev would run the notebook's
    imports and exports for it, minutes for all. And exported cells are shown, behind what
    documents them.
    """
    from nbdev import processors as filters
    from nbdev.doclinks import _get_exps
    from nbdev.process import NBProcessor, Processor
    from nbdev.showdoc import show_doc

    class Documented(Processor):
        "The documentation of every name that a notebook exports"
        def begin(self):
            name = filters._default_exp(self.nb)
            self.module = import_module(f'tok1d.{name}') if name else None

        def cell(self, cell):
            said = re.search(r'^show_doc\(([\w.]+)\)', cell.source, re.M)
            if cell.cell_type != 'code' or not said: return
            text = show_doc(attrgetter(said[1])(self.module))._repr_markdown_()
            text = re.sub(NOTHING, '', text)
            # nbdev knows the module's file, and looks for the line of the name with its module
            line = _get_exps(self.module.__name__.replace('.', '/') + '.py').get(said[1])
            text = text.replace('#LNone', f'#L{line}' if line else '')
            data = {'text/markdown': text.splitlines(keepends=True)}
            cell['outputs'] = [dict(output_type='display_data', metadata={}, data=data)]

    class Sources(Processor):
        "The code of exported cells, after the documentation of its names; imports are folded"
        def begin(self):
            cells = self.nb.cells
            i = 0
            while i < len(cells):
                end = i + 1
                if 'export' in getattr(cells[i], 'directives_', {}):
                    while end < len(cells) and getattr(cells[end], 'has_sd', False): end += 1
                    cells.insert(end, cells[i])  # first into its new place, then out of the old
                    del cells[i]
                i = end

        def cell(self, cell):
            directives = getattr(cell, 'directives_', {})
            if {'exporti', 'hide', 'default_exp'} & directives.keys():
                del cell['source']
            elif 'export' in directives:
                imports = all(isinstance(node, (ast.Import, ast.ImportFrom))
                              for node in ast.parse(cell.source).body)
                fold = ('true', 'Imports') if imports else ('show', 'Code')
                cell.source = (f'#| code-fold: {fold[0]}\n#| code-summary: "{fold[1]}"\n'
                               f'#| output: false\n{cell.source}')

    instead = {'exec_show_docs': Documented, 'rm_export': Sources}
    usual = filters.FilterDefaults().base_procs()
    without = 'add_links', 'add_fold', 'mv_exports'  # nbdev would link any word of any library
    procs = [instead.get(p.__name__, p) for p in usual if p.__name__ not in without]
    NBProcessor(nb=nb, procs=procs).process()

def filter_notebook(path):
    "Filter a notebook in its place"
    from execnb.nbio import read_nb, write_nb
    nb = read_nb(path)
    documented(nb)
    write_nb(nb, path)

def filtered(root, work):
    "What the docs need of `nbs/`, in a folder in `work`, with its notebooks filtered"
    os.environ['IN_TEST'] = '1'
    os.chdir(root)  # for nbdev, which looks for settings.ini
    sys.path.insert(0, str(root))  # this tree is documented, whatever is installed
    proc = work/'proc'
    shutil.copytree(root/'nbs', proc, ignore=shutil.ignore_patterns('.*', '__pycache__'))
    with ProcessPoolExecutor() as pool:
        for _ in pool.map(filter_notebook, sorted(proc.rglob('*.ipynb')), chunksize=4): pass
    return proc

def page_names(proc):
    "`models/20_quantizer.ipynb` → `models/quantizer.ipynb`, as nbdev's own links call the pages"
    names = {}
    for path in proc.rglob('*.ipynb'):
        first = json.loads(path.read_text(encoding='utf-8'))['cells'][0]
        name = re.search(r'^output-file: (\S+)\.html$', ''.join(first['source']), re.M)
        old = path.relative_to(proc).as_posix()
        names[old] = posixpath.join(posixpath.dirname(old), f'{name[1]}.ipynb') if name else old
    return names

class Symbols:
    "Where a name of this library is documented"
    def __init__(self, root):
        index = (root/'tok1d/_modidx.py').read_text(encoding='utf-8').split('d = ', 1)[1]
        modules = ast.literal_eval(index)['syms']
        self.homes, self.methods = {}, set()
        for module, symbols in modules.items():
            for full, (place, _) in symbols.items():
                name = full.removeprefix(f'{module}.')
                if '.' in name: self.methods.add(name.split('.')[-1])
                if not name.split('.')[-1].startswith('_'):
                    self.homes.setdefault(name, []).append(place)
            if symbols: self.homes[module] = [next(iter(symbols.values()))[0].split('#')[0]]

    def find(self, name, page):
        "The place of `name` as `page` means it: on that page, or else the only one it can be"
        homes = self.homes.get(name, [])
        own = [h for h in homes if h.split('#')[0] == page]
        if own: return own[0]
        return homes[0] if len(homes) == 1 and name not in self.methods else None

class Source:
    "Pages for other files of the repository: what `[source]` and links out of nbs/ lead to"
    def __init__(self, root, proc): self.root, self.proc = root, proc

    def page(self, path):
        "The page of the file at `path` in the repository, or None if there is no such file"
        from pygments import highlight
        from pygments.formatters import HtmlFormatter
        from pygments.lexers import TextLexer, get_lexer_for_filename
        from pygments.util import ClassNotFound
        file, out = self.root/path, self.proc/'source'/f'{path}.html'
        if not file.is_file(): return None
        if not out.exists():
            try: lexer = get_lexer_for_filename(file.name)
            except ClassNotFound: lexer = TextLexer()
            out.parent.mkdir(parents=True, exist_ok=True)
            form = HtmlFormatter(full=True, title=path, linenos='inline', lineanchors='L',
                                 style='default', encoding='utf-8')
            out.write_bytes(highlight(file.read_text(encoding='utf-8'), lexer, form))
        return f'source/{path}.html'

WIDE = 1150  # pixels; a diagram of this width is read at two thirds of its size

def width_of(svg): return float(re.search(r'max-width: ([\d.]+)px', svg)[1])

def breakable(text):
    "Long names in a table may be broken after / and _, so that the table fits its column"
    lines = text.splitlines()
    if not lines or not all(line.startswith('|') for line in lines): return text
    word = re.compile(r'(?<![\w`(\[/.-])[\w./-]{24,}(?![\w`)\]])')
    return word.sub(lambda m: re.sub(r'([/_])', r'\1<wbr>', m[0]), text)

def drawing(text):
    "The SVG of a diagram; one takes more than a second, so they are kept from build to build"
    from mermaidx import __version__, render
    from tok1d.basics import atomic_write
    from tok1d.config import cache_folder
    name = hashlib.sha256(f'{__version__} {WIDE}\n{text}'.encode()).hexdigest()[:24]
    kept = cache_folder('diagrams')/f'{name}.svg'
    if not kept.is_file():
        kept.parent.mkdir(parents=True, exist_ok=True)
        svg = render(text).svg()
        if '\nflowchart LR' in f'\n{text}' and width_of(svg) > WIDE:  # downwards, if too wide
            down = render(text.replace('flowchart LR', 'flowchart TB', 1)).svg()
            svg = min(svg, down, key=width_of)
        with atomic_write(kept) as file: Path(file).write_text(svg, encoding='utf-8')
    return kept.read_text(encoding='utf-8')

class Text:
    "Turns the Markdown of one page into what smalldocs can render without a network"
    def __init__(self, page, names, symbols, source, doc_base, git_base):
        self.page = page
        self.names = names
        self.symbols = symbols
        self.source = source
        self.doc_base = doc_base
        self.git_base = git_base
        self.folder = posixpath.dirname(page)
        self.html = str(PurePosixPath(names[page]).with_suffix('.html'))
        self.diagrams = 0

    def relative(self, target):
        return posixpath.relpath(target, posixpath.dirname(self.names[self.page]) or '.')

    def target(self, url):
        "A link as written → as the site has it"
        if url.startswith(self.doc_base): return self.relative(url.removeprefix(self.doc_base))
        if url.startswith(self.git_base):
            path, _, line = url.removeprefix(self.git_base).partition('#L')
            return self.relative(self.source.page(path)) + (f'#L-{line}' if line else '')
        path, hash, anchor = url.partition('#')
        if not path or re.match(r'[a-z]+:|//', path): return url
        path = posixpath.normpath(posixpath.join('nbs', self.folder, unquote(path)))
        inside = path.removeprefix('nbs/')
        page = self.names.get(inside, inside) if path.startswith('nbs/') else self.source.page(path)
        return f'{self.relative(page)}{hash}{anchor}' if page else url

    def diagram(self, m):
        self.diagrams += 1
        svg = drawing(m[1]).replace('my-svg', f'diagram-{self.diagrams}')
        # a wide one scrolls rather than shrink until nobody can read it
        svg = re.sub(r'max-width: ([\d.]+)px',
                     lambda w: f'{w[0]}; min-width: {.65*float(w[1]):.0f}px', svg, count=1)
        return f'````{{=html}}\n<div class="diagram">{svg}</div>\n````'

    def link_name(self, m):
        home = self.symbols.find(m[1], self.html)
        return f'[{m[0]}]({self.relative(home)})' if home else m[0]

    def __call__(self, text, link_names=False):
        text = re.sub(r'^```\s*\{?mermaid\}?\n(.*?)^```', self.diagram, text, flags=re.M | re.S)
        # prose, fence, its backticks, prose…
        parts = re.split(r'(^(`{3,}).*?^\2)', text, flags=re.M | re.S)
        for i in range(0, len(parts), 3):
            parts[i] = LINK.sub(lambda m: m[1] + self.target(m[2]), parts[i])
            if link_names:
                parts[i] = re.sub(r'(?<!\[)`([A-Za-z_][\w.]*)(?:\(\))?`(?!\])', self.link_name,
                                  parts[i])
        return ''.join(part for i, part in enumerate(parts) if i % 3 != 2)

def plain(markdown):
    "The words of a piece of Markdown"
    text = re.sub(r'```.*?```|<[^>]+>', ' ', markdown, flags=re.S)
    text = re.sub(r'\[([^\]]*)\]\([^)]*\)', r'\1', text)
    return re.sub(r'[*`$#>|]+', '', text).strip()

def describe_pictures(cells):
    "Every picture without an alternative text gets the heading and the sentence before it"
    heading, sentence = '', ''
    for cell in cells:
        src = ''.join(cell['source'])
        if cell['cell_type'] == 'markdown':
            headings = re.findall(r'^#+ (.+)', src, re.M)
            if headings: heading = plain(headings[-1])
            prose = [line for line in src.splitlines() if line and line[0] not in '#|:']
            sentences = re.findall(r'[^.:!?]+[.:!?]?', plain('\n'.join(prose[-1:])))
            sentence = sentences[-1].strip(' :') if sentences else ''
        if cell['cell_type'] != 'code': continue
        words = json.dumps(': '.join(filter(None, (heading, sentence)))[:200] or 'A picture',
                           ensure_ascii=False)
        kinds = [kind for out in cell.get('outputs', []) for kind in out.get('data', {})]
        if any(kind.startswith('image/') for kind in kinds) and 'fig-alt' not in src:
            cell['source'] = f'#| fig-alt: {words}\n{src}'
        for data in (out.get('data', {}) for out in cell.get('outputs', [])):
            if 'text/html' in data:
                data['text/html'] = re.sub(r'<img(?![^>]*\balt=)',
                                           lambda m: f'<img alt={words}',
                                           ''.join(data['text/html']))

def rewrite(proc, root):
    "Give the filtered notebooks in `proc` their page names, text and links as the site needs"
    ini = ConfigParser(delimiters=['='])
    ini.read(root/'settings.ini', encoding='utf-8')
    cfg = ini['DEFAULT']
    names = page_names(proc)
    symbols = Symbols(root)
    source = Source(root, proc)
    docs = f"{cfg['doc_host']}{cfg['doc_baseurl']}".rstrip('/') + '/'
    code = f"{cfg['git_url']}/blob/{cfg['branch']}/"
    for old, new in names.items():
        text = Text(old, names, symbols, source, docs, code)
        nb = json.loads((proc/old).read_text(encoding='utf-8'))
        for cell in nb['cells']:
            src = ''.join(cell['source'])
            if cell['cell_type'] == 'raw':
                cell['source'] = re.sub(r'^output-file:.*\n', '', src, flags=re.M)
            if cell['cell_type'] == 'markdown': cell['source'] = text(src, link_names=True)
            for data in (out.get('data', {}) for out in cell.get('outputs', [])):
                if 'text/markdown' in data:
                    data['text/markdown'] = breakable(text(''.join(data['text/markdown'])))
        describe_pictures(nb['cells'])
        (proc/old).unlink()
        (proc/new).write_text(json.dumps(nb), encoding='utf-8')
    index_of_names(proc, symbols)
    quarto = (root/'_quarto.yml').read_text(encoding='utf-8')
    listed = re.sub(r'\S+\.ipynb', lambda m: names.get(m[0], m[0]), quarto)
    last = list(re.finditer(r'^( *)- dev/\S+\.ipynb\n', listed, re.M))[-1]
    listed = f'{listed[:last.end()]}{last[1]}- names.ipynb\n{listed[last.end():]}'
    if 'example.org' not in cfg['git_url']: # the placeholder of a project without an address
        links = (f"  repo-url: {cfg['git_url']}\n  repo-subdir: nbs\n"
                 f"  repo-branch: {cfg['branch']}\n  repo-actions: [source, issue]\n")
        listed = listed.replace('website:\n', f'website:\n{links}', 1)
    (proc/'_quarto.yml').write_text(listed, encoding='utf-8')
    return names

def titles(root):
    "Notebook → its title and its subtitle, in the order of the sidebar"
    quarto = (root/'_quarto.yml').read_text(encoding='utf-8')
    found = {}
    for path in re.findall(r'\S+\.ipynb', quarto.partition('sidebar:')[2]):
        cells = json.loads((root/'nbs'/path).read_text(encoding='utf-8'))['cells']
        opening = ''.join(next(c for c in cells if c['cell_type'] == 'markdown')['source'])
        said = re.match(r'# (\S[^\n]*)\n+> (\S[^\n]*)', opening)
        found[path] = said.groups()
    return found

def index_of_names(proc, symbols):
    "A page that lists every public name with the place where it is documented"
    homes = {name: places for name, places in symbols.homes.items()
             if '.' not in name or name.split('.')[0][0].isupper()}
    letters = {}
    for name in sorted(homes, key=str.lower):
        links = ' '.join(f'[{place.split("#")[0].removesuffix(".html")}]({place})'
                         for place in dict.fromkeys(homes[name]))
        letters.setdefault(name[0].upper(), []).append(f'- `{name}` {links}')
    texts = ['# Index of names\n\n> Every public function and class, and where it is explained']
    texts += [f'## {letter}\n\n' + '\n'.join(lines) for letter, lines in sorted(letters.items())]
    cells = [dict(cell_type='markdown', metadata={}, source=text) for text in texts]
    kernel = dict(kernelspec=dict(display_name='python3', language='python', name='python3'))
    (proc/'names.ipynb').write_text(
        json.dumps(dict(cells=cells, metadata=kernel, nbformat=4, nbformat_minor=5)))

def for_language_models(root, names, out):
    "`llms.txt` (llmstxt.org): what the site is, and its pages with a line each"
    lines = ['# tok1d', '', '> Interactive, notebook-driven research kit for 1D visual '
             'tokenization and generation: TiTok, TA-TiTok, MaskGIT, RAR and MaskGen.', '',
             '## Pages', '']
    for path, (title, subtitle) in titles(root).items():
        page = PurePosixPath(names[path]).with_suffix('.html')
        lines.append(f'- [{title}]({page}): {subtitle}')
    (out/'llms.txt').write_text('\n'.join(lines) + '\n', encoding='utf-8')

def formula(m):
    "A formula as MathML, which needs no script"
    from latex2mathml.converter import convert
    tex = html.unescape(m[2])
    out = convert(tex, display='block' if m[1] == 'display' else 'inline')
    if '\\' in re.sub(r'<annotation.*?</annotation>', '', out):
        raise ValueError(
            f'latex2mathml does not know a command of {tex!r}; write it in simpler LaTeX')
    return out

def self_contained(site):
    "Take the web out of the pages: formulas become MathML, fonts of themes become the system's"
    for page in site.rglob('*.html'):
        text = re.sub(r'<span class="math (inline|display)">\\[(\[](.*?)\\[)\]]</span>', formula,
                      page.read_text(encoding='utf-8'), flags=re.S)
        page.write_text(re.sub(r'<(link|script)[^>]*katex[^>]*>(\s*</script>)?', '', text),
                        encoding='utf-8')
    for css in site.rglob('*.css'):
        css.write_text(
            re.sub(r'@import\s+(url\([^)]*\)|"[^"]*")\s*;?', '', css.read_text(encoding='utf-8')),
            encoding='utf-8')

class Page(HTMLParser):
    "The ids, links and resources of a page"
    def __init__(self, path):
        super().__init__()
        self.ids = set()
        self.links = set()
        self.resources = set()
        self.feed(path.read_text(encoding='utf-8'))

    def handle_starttag(self, tag, attrs):
        attrs = {k: v or '' for k, v in attrs}
        self.ids |= {attrs[k] for k in ('id', 'name') if k in attrs and tag != 'meta'}
        if 'src' in attrs or tag == 'link': self.resources.add(attrs.get('src', attrs.get('href')))
        elif tag == 'a' and 'href' in attrs: self.links.add(attrs['href'])

def read_pages(site):
    "Path within the site → `Page`, of every page"
    paths = sorted(site.rglob('*.html'))
    with ProcessPoolExecutor() as pool:
        return {p.relative_to(site).as_posix(): page
                for p, page in zip(paths, pool.map(Page, paths, chunksize=8))}

def faults(site, pages):
    "What is wrong with a finished site, a line each"
    for name, page in sorted(pages.items()):
        for url in sorted(page.links | page.resources):
            parts = urlsplit(url)
            if parts.scheme or parts.netloc:
                if url in page.resources and parts.scheme != 'data':
                    yield f'{name}: asks for {url} from outside'
                continue
            to = name
            if parts.path:
                folder = posixpath.dirname(name)
                to = posixpath.normpath(posixpath.join(folder, unquote(parts.path)))
            if (site/to).is_dir(): to = posixpath.join(to, 'index.html')
            if not (site/to).is_file(): yield f'{name}: broken link {url}'
            elif parts.fragment and to in pages and unquote(parts.fragment) not in pages[to].ids:
                yield f'{name}: no such place {url}'
    for file in sorted(p for p in site.rglob('*') if p.suffix in ('.html', '.css', '.js')):
        for url in re.findall(
                r'(?:@import |url\(|\bimport\b[^;\n]{,80}? from '
                r'|\bimport\()\s*["\']?((?:https?:)?//[^"\')\s>]+)',
                file.read_text(encoding='utf-8')):
            yield f'{file.relative_to(site)}: asks for {url} from outside'

def only_known_places(site, pages):
    "In the index of names, a name without a place of its own leads to its page"
    file = site/'names.html'
    def link(m):
        page, _, place = m[1].partition('#')
        known = not place or page not in pages or unquote(place) in pages[page].ids
        return m[0] if known else f'href="{page}"'
    file.write_text(re.sub(r'href="([^":]+\.html#[^"]+)"', link, file.read_text(encoding='utf-8')),
                    encoding='utf-8')

def build(out, root=ROOT):
    "Write the site to the folder `out`; the list of its faults"
    from smalldocs.site import build as lay_out
    out, root = Path(out).resolve(), Path(root).resolve()
    with tempfile.TemporaryDirectory(prefix='tok1d-docs-') as work:
        proc = filtered(root, Path(work))
        names = rewrite(proc, root)
        site = lay_out(proc, quiet=True)
        self_contained(site.out)
        pages = read_pages(site.out)
        only_known_places(site.out, pages)
        pages['names.html'] = Page(site.out/'names.html')
        shutil.rmtree(out, ignore_errors=True)
        shutil.move(site.out, out)
        for_language_models(root, names, out)
        os.chdir(root)
    return [f'warning: {w}' for w in site.warnings] + list(faults(out, pages))

if __name__ == '__main__':
    out = Path(sys.argv[1] if len(sys.argv) > 1 else ROOT/'_docs').resolve()
    found = build(out)
    print(*found, f'{len(list(out.rglob("*.html")))} pages in {out}', sep='\n')
    sys.exit(1 if found else 0)

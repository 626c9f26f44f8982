"""README.md from nbs/index.ipynb, without Quarto: `python .ci/readme.py [ROOT]`

Markdown cells stay as they are, with their links turned to the top level; code and its saved
output follow, pictures as files in nbs/index_files. Directives of the docs hold here too:
`#| hide`, `#| echo: false`, `#| output: false`, `#| fig-alt: what a picture shows`.
"""
import base64
import json
import re
import sys
from pathlib import Path

PICTURES = {'image/png': 'png', 'image/jpeg': 'jpg', 'image/svg+xml': 'svg'}

def directives(source):
    "The `#|` lines at the top of a cell, and the rest"
    lines = source.splitlines()
    top = [line[2:].strip() for line in lines if line.startswith('#|')]
    options = {}
    for line in top:
        key, _, value = line.partition(':')
        options[key.strip()] = value.strip()
    rest = [line for line in lines if not line.startswith('#|')]
    return options, '\n'.join(rest).strip()

def from_top(markdown):
    "Links and pictures relative to nbs/ become relative to the top level; code is left alone"
    link = re.compile(r'(\]\(|src="|href=")(?!(?:[a-z]+:|#|/))([^)"\s]+)')
    def turn(m):
        return m[1] + (m[2].removeprefix('../') if m[2].startswith('../') else f'nbs/{m[2]}')
    parts = re.split(r'(^```.*?^```$|`[^`\n]+`)', markdown, flags=re.M | re.S)
    return ''.join(part if i % 2 else link.sub(turn, part) for i, part in enumerate(parts))

def text_of(value): return value if isinstance(value, str) else ''.join(value)

def fenced(text, language=''): return f'```{language}\n{text.rstrip()}\n```'

def shown(output, name, pictures, alt=''):
    "One saved output as Markdown; a picture is added to `pictures` (name → bytes)"
    if output['output_type'] == 'stream':
        return fenced(text_of(output['text'])) if output['name'] == 'stdout' else ''
    data = {kind: text_of(value) for kind, value in output.get('data', {}).items()}
    for kind, ending in PICTURES.items():
        if kind not in data: continue
        file = f'{name}.{ending}'
        pictures[file] = data[kind].encode() if ending == 'svg' else base64.b64decode(data[kind])
        return f'![{alt}](nbs/index_files/{file})'
    if 'text/markdown' in data: return from_top(data['text/markdown'])
    return fenced(data['text/plain']) if 'text/plain' in data else ''

def convert(nb):
    "(Markdown, pictures) of a notebook"
    blocks = ['<!-- made from nbs/index.ipynb by .ci/readme.py: edit the notebook -->']
    pictures = {}
    for cell in nb['cells']:
        source = text_of(cell['source'])
        if cell['cell_type'] == 'markdown': blocks.append(from_top(source))
        if cell['cell_type'] != 'code': continue
        opts, code = directives(source)
        if 'hide' in opts or opts.get('include') == 'false' or 'nbdev_export(' in code: continue
        if code and opts.get('echo') != 'false': blocks.append(fenced(code, 'python'))
        if opts.get('output') == 'false': continue
        blocks += [
            shown(out, f"{cell['id']}-{i}", pictures, opts.get('fig-alt', ''))
            for i, out in enumerate(cell['outputs'])
        ]
    return '\n\n'.join(filter(None, (block.strip() for block in blocks))) + '\n', pictures

def main(root):
    text, pictures = convert(json.loads((root/'nbs/index.ipynb').read_text(encoding='utf-8')))
    folder = root/'nbs/index_files'
    for old in folder.glob('*-*'):
        if old.name not in pictures: old.unlink()
    for name, data in pictures.items():
        folder.mkdir(exist_ok=True)
        (folder/name).write_bytes(data)
    (root/'README.md').write_text(text, encoding='utf-8')

if __name__ == '__main__':
    main(Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parents[1]))

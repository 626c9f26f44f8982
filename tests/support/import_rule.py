"""Who imports whom, read from the source

Imports anywhere in a file, relative or absolute, by statement or by name.
"""
import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

LEVELS = [
    'plugins', 'config basics terminal', 'data', 'ops families', 'models', 'sample', 'hub',
    'train eval explore', '__init__ reports cli __main__ dev', 'demos']
LEVEL = {room: level for level, rooms in enumerate(LEVELS) for room in rooms.split()}
# a network takes tensors, wherever they come from
NOT_FROM_DATA = {'ops', 'families', 'models', 'sample'}
WIDGETS = tuple(
    f'tok1d.explore.{name}.' for name in ('parts', 'widgets', 'between', 'strip', 'workbench',
                                          'rates', 'generation', 'scope'))
ONLY = dict(accelerate='tok1d.train.', ipywidgets=WIDGETS, anywidget=WIDGETS, gradio='demos.',
            webdataset='tok1d.data.')

def module_name(path, root):
    "`tok1d/models/titok.py` → `tok1d.models.titok`"
    return '.'.join(path.relative_to(root).with_suffix('').parts).removesuffix('.__init__')

def imported(path, root):
    """(line, name) of everything that the file at `path` imports

    What `from tok1d import b` takes from the top is `tok1d.b`
    """
    tree = ast.parse(path.read_text(encoding='utf-8'))
    package = list(path.parent.relative_to(root).parts)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[:len(package) - node.level + 1] if node.level else []
            source = '.'.join(base + (node.module.split('.') if node.module else []))
            yield from ((node.lineno, f'tok1d.{alias.name}')
                        for alias in node.names) if source == 'tok1d' else [(node.lineno, source)]
        elif isinstance(node, ast.Call) and node.args and isinstance(
                node.args[0], ast.Constant) and isinstance(node.args[0].value, str):
            if ast.unparse(node.func) in ('__import__', 'import_module', 'importlib.import_module'):
                yield node.lineno, node.args[0].value

def room_of(name):
    """The room a module of ours lives in

    `models` for `tok1d.models.titok`; None for others' modules.
    """
    top, *rest = name.split('.')
    if top == 'demos': return top
    if top != 'tok1d': return None
    return rest[0] if rest and rest[0] in LEVEL else '__init__'

def owners(prefix):
    "Module or modules, in words"
    each = (prefix,) if isinstance(prefix, str) else prefix
    return ', '.join(name.removesuffix('.') for name in each)

def sources(root):
    return [p for folder in ('tok1d', 'demos') for p in sorted((root/folder).rglob('*.py'))
            if p.name != '_modidx.py']

def violations(root):
    "One sentence for each import under `root` that breaks the rule of the house"
    root = Path(root)
    edges = {}
    found = []
    for path in sources(root):
        here = module_name(path, root)
        room = room_of(here)
        if here.startswith('tok1d.') and here.split('.')[1] not in LEVEL:
            found.append(f'{path.relative_to(root)}: no such room in the house')
        for line, name in imported(path, root):
            at = f'{path.relative_to(root)}:{line}'
            owner = ONLY.get(name.split('.')[0])
            if owner and not f'{here}.'.startswith(owner):
                found.append(f'{at}: {here} imports {name}, which only {owners(owner)} may')
            other = room_of(name)
            if other in (None, room) or name == 'tok1d' or name.endswith('.__version__'): continue
            if LEVEL[other] > LEVEL[room]:
                found.append(f'{at}: {room} imports {name}, which comes after it')
            elif other == 'data' and room in NOT_FROM_DATA:
                found.append(f'{at}: {room} imports {name}, but takes tensors only')
            elif LEVEL[other] == LEVEL[room]: edges.setdefault(room, set()).add(other)
    try: TopologicalSorter(edges).prepare()
    except CycleError as e: found.append(f'a circle of rooms: {" → ".join(e.args[1])}')
    return found

"A public class means one thing across the package"
import ast
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[2]
TWICE = {}  # class → why two modules may define it


def public_classes():
    "Name → the modules whose top level defines it"
    found = defaultdict(set)
    for path in (ROOT/'tok1d').rglob('*.py'):
        for node in ast.parse(path.read_text(encoding='utf-8')).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith('_'):
                found[node.name].add(path.relative_to(ROOT).as_posix())
    return found


def test_classes_are_defined_once():
    twice = {name: sorted(where) for name, where in public_classes().items() if len(where) > 1}
    new = {name: where for name, where in twice.items() if name not in TWICE}
    assert not new, 'rename one of each: a reader should not have to ask which is meant'
    assert set(TWICE) <= set(twice), 'an exception that is no longer needed'


# typer shows these as help texts, which are given elsewhere
UNSAID = {'cli.py: common', 'eval/commands.py: measure'}


def test_public_names_say_what_they_do():
    silent = set()
    for path in (ROOT/'tok1d').rglob('*.py'):
        for node in ast.parse(path.read_text(encoding='utf-8')).body:
            named = isinstance(node, ast.FunctionDef | ast.ClassDef)
            if named and not node.name.startswith('_') and not ast.get_docstring(node):
                silent.add(f"{path.relative_to(ROOT/'tok1d').as_posix()}: {node.name}")
    assert silent == UNSAID, 'a docstring of one line that says what it is or does'

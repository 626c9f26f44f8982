"What the buttons of the workbench do to the tokens, and what the page then shows"
import html

import demo_common as common
from tok1d.explore.attribution import without
from tok1d.explore.show import cost_html, enlarge, heat
from tok1d.explore.strip import strip_state
from tok1d.explore.tokens import check_places

NAMES = 'original', 'from its tokens', 'difference', 'chosen tokens'


def by_strip(ti, line):
    "What was done on the strip itself"
    if line['asked'] == 'undo': return ti.undo()
    if line['asked'] == 'redo': return ti.redo()
    return ti.drop_only(line['dropped'])


EDITS = dict(  # state, what the strip says, more → state
    strip=by_strip,
    flip=lambda ti, line: ti.flip(*line['selected']),
    undo=lambda ti, line: ti.undo(),
    redo=lambda ti, line: ti.redo(),
    put=lambda ti, line, code: ti.put(line['selected'], code),
    nudge=lambda ti, line: ti.nudge(line['selected']),
    keep=lambda ti, line, k: ti.keep(min(k, len(ti))))


def after(change, # One of `EDITS`
          state, # The tokens, and their attribution
          line, # What the strip says
          name, *more):
    "All that the page says once the tokens are changed"
    if state is None: raise ValueError('Choose a picture first.')
    ti, marks = state
    at = check_places(ti, line['selected'] or [0])
    now = change(ti, line | dict(selected=at), *more)
    # where only the choice changed, what each token does is known
    return shown(now, name, at, line['turn'], marks if now is ti else None)


def shown(ti, name=None, chosen=(), turn=None, marks=None):
    "All that the page says of a state, and which turn of the strip it answers"
    if ti is None: return [None]*len(NAMES) + ['', '', '', '', {}, None]
    marks = marks or without(ti)
    at = [i for i in chosen if i < len(ti)] or [0]
    pictures = ti.image, ti.decode(), heat(ti.difference()), marks.where(at)
    past = html.escape(' → '.join(['encoded', *ti.history][-6:]))
    line = strip_state(ti, marks) | ({} if turn is None else dict(turn=turn))
    return [*map(enlarge, pictures), cost_html(ti), f'<p>{past}</p>',
            common.or_why_not(lambda: ti.code(name)), ti.to_json(), line, (ti, marks)]

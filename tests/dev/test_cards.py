"Model cards say what was stored, and what was stored belongs to the weights that ship"
import pytest
from tok1d.data.tokens import fingerprint
from tok1d.dev.ship import OPEN, WEIGHTS, card_part, with_part
from tok1d.eval.reproduce import row_of, sets_of, stored_results
from tok1d.hub.pretrained import list_pretrained, load

NAMES = [row.name for row in list_pretrained() if row.embedded]

@pytest.mark.parametrize('name', NAMES)
def test_card_is_made_from_what_is_stored(name):
    stored = stored_results(name)
    assert {*stored} == {*sets_of(row_of(name))}
    card = (WEIGHTS/name/'README.md').read_text(encoding='utf-8')
    assert card.count(OPEN) == 1
    assert with_part(card, card_part(name)) == card

@pytest.mark.parametrize('name', NAMES)
def test_results_are_of_these_weights(name):
    want = fingerprint(load(name))
    for result in stored_results(name).values():
        assert result['protocol']['model'] == name
        assert result['protocol']['weights'] == want

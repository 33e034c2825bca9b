"""An utterance put down."""

from __future__ import annotations

import pytest

from amanuensis.stream.utterance_state import UtteranceState
from tests.helpers.scripted_engine import ScriptedTokenizer
from tests.helpers.words import words


def test_words_are_spelt_by_another_model() -> None:
    """All words get the tokens of the other tokenizer and keep their times."""
    state = UtteranceState(0, 0, 0, forced=tuple(words("a b")), hypothesis=tuple(words("c", 1.0)))
    spelt = state.spelt_by(ScriptedTokenizer(()))
    assert [word.tokens for word in (*spelt.forced, *spelt.hypothesis)] == [(0, 1)] * 3
    assert [word.start for word in spelt.forced] == [word.start for word in state.forced]


def test_impossible_positions_are_refused() -> None:
    """A window outside its utterance, and words that go back in time, are no state of an utterance."""
    with pytest.raises(ValueError, match="cannot begin at 5, 3 and end at None"):
        UtteranceState(5, 3, 5)
    with pytest.raises(ValueError, match="cannot begin at 0, 3 and end at 2"):
        UtteranceState(0, 3, 5, end=2)
    with pytest.raises(ValueError, match="not in order"):
        UtteranceState(0, 0, 0, forced=tuple(reversed(words("a b"))))

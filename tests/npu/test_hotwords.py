"""The trie of hotwords."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from amanuensis.kernels.records import MAX_BONUSES
from amanuensis.npu.hotwords import MAX_HOTWORDS, HotwordTrie

SEQUENCES = st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=4), min_size=1, max_size=4)


@settings(deadline=None)
@given(SEQUENCES, st.lists(st.integers(0, 3), max_size=8))
def test_bonus_goes_to_what_continues_a_hotword(sequences: list[list[int]], tokens: list[int]) -> None:
    """A token gets the bonus exactly when the end of the text, with it, begins some hotword."""
    expected = {
        sequence[length]
        for sequence in sequences
        for length in range(len(sequence))
        if length <= len(tokens) and tokens[len(tokens) - length :] == sequence[:length]
    }
    assert HotwordTrie(sequences, 1.5).bonuses(tokens) == dict.fromkeys(expected, 1.5)


def test_all_hotwords_have_room() -> None:
    """As many words as are allowed, twice spelt and alike at their beginnings, all get their bonus."""
    spellings = [(first, 9, k) for k in range(MAX_HOTWORDS) for first in (7, 1000 + k)]
    bonuses = HotwordTrie(spellings, 2.0).bonuses((7, 9))
    assert set(bonuses) == {7, *range(MAX_HOTWORDS), *range(1000, 1000 + MAX_HOTWORDS)}


def test_longest_beginnings_go_first() -> None:
    """Where the text is a beginning of more hotwords than fit a row, the shortest beginnings go without."""
    text = tuple(range(1000, 1000 + MAX_BONUSES))
    spellings = [(*text[start:], 5000 + start) for start in range(len(text))]
    bonuses = HotwordTrie(spellings, 2.0).bonuses(text)
    assert set(bonuses) == {5000 + start for start in range(MAX_BONUSES)}

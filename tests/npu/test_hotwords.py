"""The trie of hotwords."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from amanuensis.npu.hotwords import HotwordTrie

SEQUENCES = st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=4), min_size=1, max_size=4)


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

"""The memory of a speaker's pauses."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from amanuensis.stream.pauses import ENDED, MAX_PAUSES, SPREAD, PauseMemory

SHORTEST, LONGEST = 2_000, 6_400  # samples
LENGTHS = st.lists(st.sampled_from([ENDED, 2_240, 3_200, 4_800, 9_000]), max_size=40)


def test_an_unknown_speaker_has_the_shortest_hold() -> None:
    """Nothing was heard yet, or only ends."""
    assert PauseMemory().hold(SHORTEST, LONGEST) == SHORTEST
    assert PauseMemory([ENDED] * 5).hold(SHORTEST, LONGEST) == SHORTEST


def test_a_speaker_with_pauses_in_every_sentence_gets_a_longer_hold() -> None:
    """As many pauses as ends: what is as long as those pauses is no end any more."""
    assert PauseMemory([4_800, ENDED] * 4).hold(SHORTEST, LONGEST) == 4_800 + SPREAD


def test_few_pauses_among_many_ends_do_not_count() -> None:
    """One pause in a while is not worth the wait after every sentence."""
    assert PauseMemory([4_800, *[ENDED] * 6]).hold(SHORTEST, LONGEST) == SHORTEST


def test_short_pauses_lengthen_the_hold_by_as_much_only() -> None:
    """The hold is just beyond the pauses that are made."""
    assert PauseMemory([2_240, 2_240, 2_400, ENDED]).hold(SHORTEST, LONGEST) == 2_240 + SPREAD


@given(LENGTHS)
def test_it_is_bounded(lengths: list[int]) -> None:
    """Only the newest silences are kept, and the hold stays within its bounds."""
    memory = PauseMemory()
    for length in lengths:
        memory.add(length)
        assert SHORTEST <= memory.hold(SHORTEST, LONGEST) <= LONGEST
    assert memory.lengths == tuple(lengths[-MAX_PAUSES:])
    assert PauseMemory(memory.lengths).hold(SHORTEST, LONGEST) == memory.hold(SHORTEST, LONGEST)


def test_a_hold_that_is_longer_than_any_pause_stands() -> None:
    """Who sets the shortest above the longest gets the shortest."""
    assert PauseMemory([4_800] * 9).hold(LONGEST, SHORTEST) == LONGEST

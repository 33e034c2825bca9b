"""What was speech."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amanuensis.stream.voice_map import VoiceMap, VoiceState

DECISIONS = st.lists(st.booleans(), max_size=40)


@given(DECISIONS, st.integers(0, 14_000), st.integers(0, 14_000), st.integers(0, 20))
def test_spans_are_the_voiced_frames(decisions: list[bool], a: int, b: int, dropped: int) -> None:
    """Each sample of a span is in a frame that was called speech, and no other sample is."""
    voices = VoiceMap()
    voices.push(decisions)
    voices.drop_before(dropped * 320)
    start, stop = min(a, b), max(a, b)
    spans = voices.spans(start, stop)
    kept = range(min(dropped, len(decisions)), len(decisions))
    expected = sum(max(0, min(stop, (k + 1) * 320) - max(start, k * 320)) for k in kept if decisions[k])
    assert sum(y - x for x, y in spans) == expected
    assert all(start <= x < y <= stop for x, y in spans)
    assert all(first[1] < second[0] for first, second in pairwise(spans))


def test_the_newest_speech_is_remembered() -> None:
    """Where speech last ended stays known when its decisions are forgotten."""
    voices = VoiceMap()
    voices.push([False, True, False])
    voices.push([])
    voices.drop_before(960)
    voices.push([False] * 5)
    assert voices.last_voiced == 640


@given(DECISIONS, DECISIONS, st.integers(0, 20))
def test_a_map_goes_on_from_its_state(before: list[bool], after: list[bool], dropped: int) -> None:
    """Put down anywhere, another map has the same speech in it, at an eighth of a byte a frame."""
    voices = VoiceMap()
    voices.push(before)
    voices.drop_before(dropped * 320)
    state = voices.state()
    assert len(state.packed) <= len(before) / 8 + 1
    again = VoiceMap(state)
    assert again.stop_frame == len(before)
    for each in (voices, again):
        each.push(after)
    assert again.spans(0, 100 * 320) == voices.spans(0, 100 * 320)
    assert again.last_voiced == voices.last_voiced


def test_a_state_of_another_length_is_refused() -> None:
    """As many decisions as are told must be there."""
    with pytest.raises(ValueError, match="9 decisions from frame 0 cannot be 1 bytes"):
        VoiceState(0, 9, b"x")

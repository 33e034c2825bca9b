"""What was speech."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from amanuensis.stream.voice_map import VoiceMap

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

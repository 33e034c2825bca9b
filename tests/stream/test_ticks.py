"""When an open utterance is decoded again."""

from __future__ import annotations

import pytest

from amanuensis.stream.jobs import JobKind
from amanuensis.stream.ticks import HEARD, IDLE_TICKS, SPEAKING, tick_kind

TICK = 8_000
SPOKEN = 32_000  # where speech ends


@pytest.mark.parametrize(
    ("newest", "decoded_end", "told", "kind"),
    [
        (SPOKEN, SPOKEN - TICK, False, JobKind.TICK),
        (SPOKEN, SPOKEN - TICK + 1, False, None),
        (SPOKEN + SPEAKING, SPOKEN - TICK, False, JobKind.TICK),
        (SPOKEN + SPEAKING + 1, SPOKEN - TICK, False, None),
        (SPOKEN + HEARD - 1, SPOKEN, False, None),
        (SPOKEN + HEARD, SPOKEN, False, JobKind.PAUSE),
        (SPOKEN + HEARD, SPOKEN, True, JobKind.PAUSE),
        (SPOKEN + HEARD + TICK, SPOKEN + HEARD, False, None),
        (SPOKEN + HEARD + IDLE_TICKS * TICK, SPOKEN + HEARD, False, JobKind.PAUSE),
        (SPOKEN + HEARD + 9 * TICK, SPOKEN + HEARD, True, None),
    ],
    ids=[
        "speech",
        "too soon",
        "a gap",
        "a silence to come",
        "a short silence",
        "a silence",
        "new speech",
        "nothing new",
        "in doubt",
        "all told",
    ],
)
def test_what_is_due(newest: int, decoded_end: int, told: bool, kind: JobKind | None) -> None:
    """Speech is decoded in ticks, a silence once at its start, and nothing when nothing can come of it."""
    assert tick_kind(newest, SPOKEN, decoded_end, TICK, told=told) is kind

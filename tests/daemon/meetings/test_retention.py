"""How long meetings are kept."""

from __future__ import annotations

import pytest

from amanuensis.daemon.meetings.model import Meeting, Track, TrackState
from amanuensis.daemon.meetings.retention import DAY_S, expired
from amanuensis.daemon.meetings.settings import MeetingSettings

NOW_S = 100.0 * DAY_S
BYTES = {"a": 40, "b": 30, "c": 20, "d": 10}


def meeting(name: str, days_ago: float, state: TrackState = "finished") -> Meeting:
    """A meeting that ended so long ago."""
    return Meeting(name, "", NOW_S - days_ago * DAY_S, (Track(name, "me", 0, 0, 16_000, "-", state),))


MEETINGS = [meeting("d", 1), meeting("c", 5), meeting("b", 10), meeting("a", 50, "recording")]


@pytest.mark.parametrize(
    ("settings", "gone"),
    [
        (MeetingSettings(), []),
        (MeetingSettings(keep_days=7), ["b"]),
        (MeetingSettings(keep_days=2), ["b", "c"]),
        (MeetingSettings(max_bytes=75), ["b"]),
        (MeetingSettings(max_bytes=1), ["b", "c", "d"]),
        (MeetingSettings(keep_days=7, max_bytes=55), ["b", "c"]),
    ],
)
def test_the_oldest_go_first_and_never_one_that_goes_on(settings: MeetingSettings, gone: list[str]) -> None:
    """By age, then by bytes."""
    assert [one.id for one in expired(MEETINGS, BYTES, settings, NOW_S)] == gone

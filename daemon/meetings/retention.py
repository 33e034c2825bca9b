"""How long meetings are kept: what the settings say must go. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from amanuensis.daemon.meetings.model import Meeting
from amanuensis.daemon.meetings.settings import MeetingSettings

DAY_S: Final = 86_400


def expired(
    meetings: Sequence[Meeting], n_bytes: Mapping[str, int], settings: MeetingSettings, now_s: float
) -> list[Meeting]:
    """Return the meetings that are to be removed, oldest first; never one that goes on.

    Args:
        meetings: all.
        n_bytes: what the sound of each takes, by id.
        settings: the rules.
        now_s: seconds since the epoch.

    """
    over = sorted((one for one in meetings if one.state != "recording"), key=lambda one: one.ended_s)
    horizon_s = now_s - settings.keep_days * DAY_S if settings.keep_days else float("-inf")
    going = [meeting for meeting in over if meeting.ended_s < horizon_s]
    rest_bytes = sum(n_bytes.values()) - sum(n_bytes[meeting.id] for meeting in going)
    for meeting in over[len(going) :]:
        if not settings.max_bytes or rest_bytes <= settings.max_bytes:
            break
        going.append(meeting)
        rest_bytes -= n_bytes[meeting.id]
    return going

"""The settings `[meetings]`: where meetings are, how long they are kept, what is run when one begins and ends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from amanuensis.daemon.data_folder import data_folder

MAX_DAYS: Final = 36_500
MAX_BYTES: Final = 2**50
DATABASE: Final = "meetings.db"


@dataclass(frozen=True, slots=True)
class MeetingSettings:
    """Meetings that were recorded.

    Attributes:
        folder: of the index; not set: `meetings` in `$XDG_DATA_HOME/amanuensis` (`~/.local/share/amanuensis`); of a
            service of the machine in `$STATE_DIRECTORY`.
        keep_days: meetings that ended longer ago are removed, with their sound; 0: none is.
        max_bytes: of the sound of all meetings; above it the oldest are removed, never one that goes on; 0: no limit.
        on_start: command and arguments that are run when a meeting begins; it gets JSON on standard input.
        on_end: the same, when it is over.
        hook_timeout_s: after it such a command is killed.

    """

    folder: str | None = None
    keep_days: int = 0
    max_bytes: int = 0
    on_start: tuple[str, ...] = ()
    on_end: tuple[str, ...] = ()
    hook_timeout_s: float = 30.0

    def __post_init__(self) -> None:
        _in_range("keep_days", self.keep_days, 0, MAX_DAYS)
        _in_range("max_bytes", self.max_bytes, 0, MAX_BYTES)
        _in_range("hook_timeout_s", self.hook_timeout_s, 0.1, 3600)

    def place(self, env: Mapping[str, str]) -> Path:
        """Return the file of the index."""
        if self.folder is not None:
            return Path(self.folder).expanduser() / DATABASE
        return data_folder(env) / "meetings" / DATABASE


def _in_range(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise ValueError(f"{name} {value!r} is not allowed: it must be {low:g} to {high:g}")

"""Where sessions are kept, and how many bytes they may take: the settings `[spool]` and `[recording]`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

RecordingMode = Literal["off", "asked", "all"]


@dataclass(frozen=True, slots=True)
class SpoolSettings:
    """Sessions kept so that they outlive their daemon.

    Attributes:
        enabled: keep sessions; without, they live as long as the daemon.
        folder: where; not set: `spool` in `$RUNTIME_DIRECTORY`, else in `$XDG_RUNTIME_DIR/amanuensis`, else beside the
            recordings.
        max_bytes: of all sessions together; one that finds no room goes on unkept, with a warning `spool_stopped`.

    """

    enabled: bool = True
    folder: str | None = None
    max_bytes: int = 2**28

    def __post_init__(self) -> None:
        check_bytes(self.max_bytes)

    def place(self, env: Mapping[str, str]) -> Path:
        """Return the folder."""
        if self.folder is not None:
            return Path(self.folder).expanduser()
        runtime = _first(env.get("RUNTIME_DIRECTORY"))
        if runtime is None and env.get("XDG_RUNTIME_DIR"):
            runtime = Path(env["XDG_RUNTIME_DIR"]) / "amanuensis"
        return (runtime or state_folder(env)) / "spool"


@dataclass(frozen=True, slots=True)
class RecordingSettings:
    """Sessions kept for good, sound and events.

    Attributes:
        mode: off: none; asked: those whose hello says `record`; all: every one.
        folder: where; not set: `recordings` in `$STATE_DIRECTORY`, else in `$XDG_STATE_HOME/amanuensis`
            (`~/.local/state/amanuensis`).
        max_bytes: of all recordings together; at it recording stops, with a warning `recording_stopped`.

    """

    mode: RecordingMode = "off"
    folder: str | None = None
    max_bytes: int = 2**34

    def __post_init__(self) -> None:
        check_bytes(self.max_bytes)

    def place(self, env: Mapping[str, str]) -> Path:
        """Return the folder."""
        return Path(self.folder).expanduser() if self.folder is not None else state_folder(env) / "recordings"


def state_folder(env: Mapping[str, str]) -> Path:
    """Return the folder for what outlives the machine's next start."""
    home = Path(env.get("XDG_STATE_HOME") or Path(env.get("HOME", "/")) / ".local" / "state")
    return _first(env.get("STATE_DIRECTORY")) or home / "amanuensis"


def _first(folders: str | None) -> Path | None:
    """Return the first of the folders that systemd names, separated by colons."""
    return Path(folders.split(":")[0]) if folders else None


def check_bytes(max_bytes: int) -> None:
    """Raise ValueError where a folder may not be bounded so."""
    if not 2**20 <= max_bytes <= 2**50:
        raise ValueError(f"max_bytes {max_bytes} is not allowed: it must be 1048576 (1 MiB) to {2**50} (1 PiB)")

"""Where what people keep lies: meetings, enrolled voices."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


def data_folder(env: Mapping[str, str]) -> Path:
    """Return the folder of a user's data; of a service of the machine, `$STATE_DIRECTORY`."""
    if state := env.get("STATE_DIRECTORY"):
        return Path(state.split(":")[0])
    return Path(env.get("XDG_DATA_HOME") or Path(env.get("HOME", "/")) / ".local" / "share") / "amanuensis"

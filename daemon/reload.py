"""What of new settings a running daemon takes over, and what must wait for a restart. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from amanuensis.daemon.config import Config
from amanuensis.daemon.settings import build, leaf_types

# Everything else is in use from the start on: the engine, sockets, folders, the daemon's own input.
CHANGEABLE: Final = ("server.", "stream.", "limits.", "log.")
FIXED: Final = frozenset({"server.listen", "server.tls_cert", "server.tls_key", "limits.hello_s"})
STREAMS: Final = "limits.sessions"  # the engine was started for so many streams


@dataclass(frozen=True, slots=True)
class Reload:
    """The outcome of reading the settings again.

    Attributes:
        config: what the daemon goes on with.
        taken: keys whose new values hold from now on; those of [stream] for new sessions.
        waiting: keys whose new values need a restart.

    """

    config: Config
    taken: tuple[str, ...]
    waiting: tuple[str, ...]

    def __str__(self) -> str:
        parts = [f"changed: {', '.join(self.taken)}" if self.taken else "no setting changed"]
        if self.waiting:
            parts.append(f"needs a restart: {', '.join(self.waiting)}")
        return "; ".join(parts)


def reload(now: Config, read: Config, streams: int) -> Reload:
    """Compare the settings in use with those that were read.

    Args:
        now: in use.
        read: from files, environment and flags, checked.
        streams: that the engine was started for.

    """
    before, after = values_of(now), values_of(read)
    changed = [key for key in before if before[key] != after[key]]
    waiting = [key for key in changed if not is_changeable(key) or (key == STREAMS and after[key] > streams)]
    kept = after | {key: before[key] for key in waiting}
    config = build(Config, kept, {})
    return Reload(config, tuple(key for key in changed if key not in waiting), tuple(waiting))


def is_changeable(key: str) -> bool:
    """Whether a setting can change while the daemon runs."""
    return key.startswith(CHANGEABLE) and key not in FIXED


def values_of(config: Config) -> dict[str, Any]:
    """Return every setting by its dotted key."""
    found: dict[str, Any] = {}
    for key in leaf_types(Config):
        value: Any = config
        for name in key.split("."):
            value = getattr(value, name)
        found[key] = value
    return found

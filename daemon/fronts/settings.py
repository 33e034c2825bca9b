"""The settings `[fronts]`."""

from __future__ import annotations

from dataclasses import dataclass

from amanuensis.daemon.spool.places import check_bytes


@dataclass(frozen=True, slots=True)
class FrontSettings:
    """Several daemons behind one address that share their sessions through a Ray cluster.

    Attributes:
        enabled: share sessions with all other daemons of the cluster that do.
        folder: of the store that they share, on whichever machine it runs; not set: `fronts` in `$STATE_DIRECTORY`,
            else in `$XDG_STATE_HOME/amanuensis` (`~/.local/state/amanuensis`). The first daemon of a cluster says.
        max_bytes: of all sessions in the store together; one that finds no room goes on at its daemon alone, with a
            warning `spool_stopped`.

    """

    enabled: bool = False
    folder: str | None = None
    max_bytes: int = 2**32

    def __post_init__(self) -> None:
        check_bytes(self.max_bytes)

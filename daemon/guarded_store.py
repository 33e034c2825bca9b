"""A spool that may fail: its session is told once, and goes on without."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

from amanuensis.daemon.cursor import Chunk
from amanuensis.daemon.journal import Entry
from amanuensis.daemon.session_store import Order
from amanuensis.daemon.spool.header import SessionHeader
from amanuensis.daemon.spool.log_file import SpoolError
from amanuensis.daemon.spool.records import RecordError
from amanuensis.daemon.spool.session_spool import SessionSpool
from amanuensis.stream.events import Warning  # noqa: A004 - the name on the wire
from amanuensis.stream.session import StreamSession

log = logging.getLogger(__name__)


class GuardedStore:
    """The store of a session that is kept, until it cannot be.

    Args:
        spool: of the session.
        tell: takes the warning that says so, to be told after what is being told now.

    """

    def __init__(self, spool: SessionSpool, tell: Callable[[Warning], None]) -> None:
        self._spool: SessionSpool | None = spool
        self._header = spool.header
        self._tell = tell

    @property
    def survives(self) -> bool:
        """Whether the session can be taken up again by another process."""
        return self._spool is not None

    @property
    def newest_kept(self) -> int | None:
        """Number of the newest chunk that may be acknowledged; None: of the newest one that was taken."""
        return self._spool.newest_kept if self._spool else None

    @property
    def wants_step(self) -> bool:
        """Whether a checkpoint without events is worth being written."""
        return self._spool is not None and self._spool.wants_step

    def append_audio(self, chunk: Chunk) -> None:
        """Keep sound before it is acknowledged."""
        self._try(lambda spool: spool.append_audio(chunk))

    def append_skip(self, n_samples: int, why: str) -> None:
        """Keep that the source lost so many samples of each channel."""
        self._try(lambda spool: spool.append_skip(n_samples, why))

    def append_order(self, order: Order, controls: int) -> None:
        """Keep an order before it is carried out."""
        self._try(lambda spool: spool.append_order(order, controls))

    def append_step(self, entries: Sequence[Entry], stream: StreamSession) -> None:
        """Keep durable events before they are told."""
        self._try(lambda spool: spool.append_step(entries, stream))

    async def sync(self) -> None:
        """Have a recording on the disk, in another thread."""
        if self._spool is None or not self._header.recorded:
            return
        try:
            await asyncio.to_thread(self._spool.sync)
        except SpoolError as error:
            self._stop(error)
        else:
            self._try(SessionSpool.tidy)

    def suspend(self) -> None:
        """Let go of the session, which goes on in another process."""
        self._try(SessionSpool.suspend)

    def end(self, reason: str, stream: StreamSession) -> None:
        """Take note that the session is over and everything has been told."""
        self._try(lambda spool: spool.end(reason, stream))

    def forget(self) -> None:
        """Remove a session that is over; keep it if it is a recording."""
        self._try(SessionSpool.forget)

    def _stop(self, error: Exception) -> None:
        """Keep nothing more, and say why."""
        if self._spool is None:
            return
        spool, self._spool = self._spool, None
        spool.abandon()
        warning = not_kept(self._header, error)
        log.error("session %s: %s", self._header.id, warning.message)
        self._tell(warning)

    def _try(self, step: Callable[[SessionSpool], None]) -> None:
        if self._spool is not None:
            try:
                step(self._spool)
            except (SpoolError, RecordError) as error:
                self._stop(error)


def not_kept(header: SessionHeader, error: Exception) -> Warning:
    """Return what a session is told that is kept no more, or never was."""
    if header.recorded:
        return Warning("recording_stopped", f"this session is not recorded any more, captions go on: {error}")
    return Warning("spool_stopped", f"this session would not survive the end of the daemon: {error}")

"""A spool that may fail: its session is told once, and goes on without."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from amanuensis.daemon.cursor import Chunk
from amanuensis.daemon.hub import Hub
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
        move: gives another spool for a recording that cannot go on, or None.

    """

    def __init__(
        self,
        spool: SessionSpool,
        tell: Callable[[Warning], None],
        move: Callable[[SessionSpool], SessionSpool | None] = lambda _: None,
    ) -> None:
        self._spool: SessionSpool | None = spool
        self._tell = tell
        self._move = move

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

    def append_skip(self, n_samples: int, why: str, controls: int | None = None) -> None:
        """Keep that so many samples of each channel were lost."""
        self._try(lambda spool: spool.append_skip(n_samples, why, controls))

    def append_order(self, order: Order, controls: int) -> None:
        """Keep an order before it is carried out."""
        self._try(lambda spool: spool.append_order(order, controls))

    def carried_out(self, index: int | None) -> None:
        """Take note that the orders before record `index` are done again; None: all."""
        self._try(lambda spool: spool.carried_out(index))

    def append_step(self, entries: Sequence[Entry], stream: StreamSession) -> None:
        """Keep durable events before they are told."""
        self._try(lambda spool: spool.append_step(entries, stream))

    @property
    def folder(self) -> Path | None:
        """Where the session is kept now."""
        return self._spool.folder if self._spool else None

    def hub(self) -> Hub:
        """Return what tells the session's clients: what it was given before is kept."""
        return Hub()

    async def kept(self) -> None:
        """Wait for nothing: what it was given is kept."""

    async def sync(self) -> None:
        """Have a recording on the disk, in another thread."""
        spool = self._spool
        if spool is None or not spool.header.recorded:
            return
        try:
            await asyncio.to_thread(spool.sync)
        except SpoolError as error:
            if spool is self._spool:
                self._stop(spool, error)
        else:
            self._try(SessionSpool.tidy)

    def suspend(self) -> None:
        """Let go of the session, which goes on in another process."""
        self._try(SessionSpool.suspend)

    def end(self, reason: str, stream: StreamSession) -> None:
        """Take note that the session is over and everything has been told."""
        self._try(lambda spool: spool.end(reason, stream))

    def forget(self) -> None:
        """Remove a session that is over; if it is a recording, put it where it stays."""
        spool, self._spool = self._spool, None
        if spool is None:
            return
        try:
            spool.forget()
        except SpoolError as error:
            log.error("session %s: its recording is finished when the daemon starts next: %s", spool.header.id, error)
            spool.close()

    def _stop(self, spool: SessionSpool, error: Exception) -> None:
        """Say why the session cannot be kept as it was, and go on with what can be had instead."""
        warning = not_kept(spool.header, error)
        log.error("session %s: %s", spool.header.id, warning.message)
        spool.close()
        self._spool = self._move(spool) if spool.header.recorded else None
        spool.abandon()
        self._tell(warning)
        if self._spool is None and spool.header.recorded:
            self._tell(not_kept(replace(spool.header, recorded=False), error))

    def _try(self, step: Callable[[SessionSpool], None]) -> None:
        """Do something with the spool; a spool that took the place of a recording is given it anew."""
        while (spool := self._spool) is not None:
            try:
                return step(spool)
            except (SpoolError, RecordError) as error:
                self._stop(spool, error)
        return None


def not_kept(header: SessionHeader, error: Exception) -> Warning:
    """Return what a session is told that is kept no more, or never was."""
    if header.recorded:
        return Warning("recording_stopped", f"this session is not recorded any more, captions go on: {error}")
    return Warning("spool_stopped", f"this session would not survive the end of the daemon: {error}")

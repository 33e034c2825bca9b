"""What a daemon does for meetings beside recording them: the index, the hooks, the rules for how long they are kept."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

from amanuensis.daemon.meetings import worker
from amanuensis.daemon.meetings.export import as_map
from amanuensis.daemon.meetings.hooks import run_hook
from amanuensis.daemon.meetings.library import Library, begin
from amanuensis.daemon.meetings.model import MeetingError
from amanuensis.daemon.meetings.retention import expired
from amanuensis.daemon.meetings.settings import MeetingSettings
from amanuensis.daemon.meetings.store import Store
from amanuensis.daemon.sessions import Sessions
from amanuensis.daemon.spool.header import SessionHeader
from amanuensis.daemon.spool.log_file import SpoolError

log = logging.getLogger(__name__)

TIDY_S: Final = 600.0
MAX_WAITING: Final = 1024  # steps; what is left out is caught up with at the next start


class Secretary:
    """Writes down which sessions of a daemon are meetings.

    Args:
        library: where they are kept.
        settings: hooks and rules.
        clock: seconds since the epoch.

    """

    def __init__(self, library: Library, settings: MeetingSettings, clock: Callable[[], float] = time.time) -> None:
        self._library = library
        self._settings = settings
        self._clock = clock
        self._live: dict[str, SessionHeader] = {}
        self._steps: asyncio.Queue[Callable[[Store], dict[str, Any] | None]] = asyncio.Queue(MAX_WAITING)
        self._hooks: set[asyncio.Task[bool]] = set()

    @asynccontextmanager
    async def attending(self, sessions: Sessions) -> AsyncIterator[None]:
        """Write down what becomes of the sessions; on leaving, finish what was begun."""
        sessions.on_begin, sessions.on_over = self.begun, self.over
        self._look()
        worker, ticker = asyncio.create_task(self._work()), asyncio.create_task(self._tick())
        try:
            yield
        finally:
            ticker.cancel()
            await self._steps.join()
            worker.cancel()
            await asyncio.gather(worker, ticker, *self._hooks, return_exceptions=True)

    def begun(self, header: SessionHeader, *, again: bool = False) -> None:
        """Take note of a session that was opened, or taken up again."""
        if header.meeting is None:
            return
        is_first = _meeting(header) not in map(_meeting, self._live.values())
        self._live[header.id] = header

        def step(store: Store) -> dict[str, Any] | None:
            begin(store, header, "recording")
            return self._told(store, "start", header) if is_first and not again else None

        self._put(step)

    def over(self, session: str) -> None:
        """Take note of a session that is over."""
        header = self._live.pop(session, None)
        if header is None:
            return
        is_last = _meeting(header) not in map(_meeting, self._live.values())

        def step(store: Store) -> dict[str, Any] | None:
            if (folder := self._library.folder(session)) is not None:
                self._library.take(store, folder)
            else:  # there was no room to record it
                begin(store, header, "stopped")
            return self._told(store, "end", header) if is_last else None

        self._put(step)

    def _told(self, store: Store, event: str, header: SessionHeader) -> dict[str, Any]:
        return {"event": event, "meeting": as_map(store.record(_meeting(header)))}

    def _put(self, step: Callable[[Store], dict[str, Any] | None]) -> None:
        try:
            self._steps.put_nowait(step)
        except asyncio.QueueFull:
            log.error("meetings: the index is too slow; it is caught up with at the next start")

    def _look(self) -> None:
        """Look after what is there; a daemon that never records makes no index."""
        if self._library.index.exists() or self._library.recordings.exists():
            self._put(self._catch_up)

    async def _work(self) -> None:
        while True:
            step = await self._steps.get()
            try:
                content = await asyncio.to_thread(self._do, step)
                if content is not None:
                    self._hook(content)
            except (MeetingError, SpoolError) as error:
                log.error("meetings: %s", error)
            except Exception:
                log.exception("meetings: a fault; recordings are not touched by it")
            finally:
                self._steps.task_done()

    def _do(self, step: Callable[[Store], dict[str, Any] | None]) -> dict[str, Any] | None:
        with self._library.open() as store:
            return step(store)

    def _hook(self, content: dict[str, Any]) -> None:
        command = self._settings.on_start if content["event"] == "start" else self._settings.on_end
        if command:
            task = asyncio.create_task(run_hook(command, content, self._settings.hook_timeout_s))
            self._hooks.add(task)
            task.add_done_callback(self._hooks.discard)

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TIDY_S)
            self._look()

    def _catch_up(self, store: Store) -> None:
        self._library.catch_up(store, self._library.is_open)  # of those that are open we are told
        self._tidy(store)
        worker.wake(self._library, store)

    def _tidy(self, store: Store) -> None:
        """Remove what the rules say."""
        if not (self._settings.keep_days or self._settings.max_bytes):
            return
        meetings = store.meetings()
        n_bytes = {meeting.id: self._library.sound_bytes(meeting) for meeting in meetings}
        for meeting in expired(meetings, n_bytes, self._settings, self._clock()):
            with contextlib.suppress(MeetingError):
                self._library.remove(store, meeting.id)
                log.warning("meetings: %s was removed, as [meetings] says", meeting.id)


def _meeting(header: SessionHeader) -> str:
    assert header.meeting is not None
    return header.meeting.id or header.id

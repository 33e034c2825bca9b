"""The daemon's own input: a microphone or another source of this machine, spoken into a session that all may watch.

A source that goes away is opened again for as long as the daemon runs. Its session goes on: the time without sound
becomes a `gap`, so that what follows keeps its place. Where the session is over before the source, the next one begins
with a gap as long as what was captured and is in neither.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Final, TypeAlias

from amanuensis.daemon.live_session import END, LiveSession
from amanuensis.daemon.protocol import Audio, Flush, Hello, ProtocolError
from amanuensis.daemon.sessions import Sessions
from amanuensis.daemon.sources.base import Chunk, Lost, Pause, Source, SourceError
from amanuensis.stream.formats import AudioFormat

log = logging.getLogger(__name__)

FIRST_RETRY_S: Final = 1.0
LAST_RETRY_S: Final = 30.0
AWAY: Final = "the input was away"
BETWEEN: Final = "captured when the session before was over here"
OpenSource: TypeAlias = Callable[[], AbstractAsyncContextManager[Source]]


class OwnInput:
    """Feeds a session from a source.

    Args:
        sessions: of the daemon.
        opening: opens the source; SourceError when it cannot be opened.
        clock: seconds that go on while there is no sound.
        sleep: waits for so many seconds.

    Attributes:
        session: that it speaks into, while there is one.

    """

    def __init__(
        self,
        sessions: Sessions,
        opening: OpenSource,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.session: LiveSession | None = None
        self._sessions = sessions
        self._opening = opening
        self._clock = clock
        self._sleep = sleep
        self._heard_s = clock()  # when the session got sound last
        self._unheard_s = 0.0  # captured, and in no session
        self._wait_s, self._told = FIRST_RETRY_S, ""

    async def run(self) -> None:
        """Capture until the source ends by itself (a file does) or this is cancelled."""
        while True:
            try:
                async with self._opening() as source:
                    log.info("own input: listening to %s", source.name)
                    if await self._speak(source):
                        self._finish()
                        return
            except (SourceError, ProtocolError) as error:
                if str(error) != self._told:  # the same trouble is told once
                    log.warning("own input: %s; trying again", error)
                self._told = str(error)
            except Exception:
                log.exception("own input: a fault; trying again")
            wait_s, self._wait_s = self._wait_s, min(2 * self._wait_s, LAST_RETRY_S)
            await self._sleep(wait_s)

    async def _speak(self, source: Source) -> bool:
        """Speak into the session until the source ends (True) or the session does (False)."""
        session = self._session_for(source.format)
        try:
            async for chunk in source.chunks():
                self._take(session, chunk)
                if session.ending is not None:
                    return False
                await session.room()  # meanwhile a live source keeps its sound in its own ring
        finally:
            async for chunk in source.drain():
                self._take(session, chunk)
        return True

    def _session_for(self, fmt: AudioFormat) -> LiveSession:
        """Go on in the session that there is, if it still goes on and its sound is of this format; else open one."""
        if self.session is None:
            self.session, self._heard_s = self._sessions.take_input(), self._clock()
        session = self.session
        if session is not None and session.ending is None and session.cursor.format == fmt:
            self._lose_absence(session)
            return session
        if session is not None:
            self._unheard_s += session.forsaken_bytes / session.cursor.format.bytes_per_s
        self._finish()
        self.session = self._sessions.open(Hello("speak", fmt), "input")
        if samples := round(self._unheard_s * fmt.rate):
            self.session.lose(samples, BETWEEN)
        self._heard_s, self._unheard_s = self._clock(), 0.0
        return self.session

    def _lose_absence(self, session: LiveSession) -> None:
        """Make the time since the last sound a gap."""
        now_s = self._clock()
        if (samples := round((now_s - self._heard_s) * session.cursor.format.rate)) > 0:
            session.lose(samples, AWAY)
        self._heard_s = now_s

    def _take(self, session: LiveSession, chunk: Chunk) -> None:
        if session.ending is not None:
            self._unheard_s += _seconds(chunk, session.cursor.format)
            return
        if isinstance(chunk, Pause):
            session.obey(Flush())
        elif isinstance(chunk, Lost):
            session.lose(chunk.samples, chunk.why)
        elif (piece := session.cursor.take(Audio(None, None, chunk))) is not None:
            session.hear(piece)
        self._heard_s = self._clock()
        self._wait_s, self._told = FIRST_RETRY_S, ""

    def _finish(self) -> None:
        if self.session is not None:
            self.session.finish(END)
            self.session = None


def _seconds(chunk: Chunk, fmt: AudioFormat) -> float:
    """Return how much sound was captured, whether the source still has it or not."""
    if isinstance(chunk, Pause):
        return 0.0
    return chunk.samples / fmt.rate if isinstance(chunk, Lost) else len(chunk) / fmt.bytes_per_s

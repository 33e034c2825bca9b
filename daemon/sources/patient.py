"""A live source that outlives its device: lost, it waits or falls back and says so; back, it goes on.

The format stays that of the first device; the time away becomes `Lost`, so that what follows keeps its place.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Final, Protocol

from amanuensis.daemon.sources.base import Chunk, Lost, Pause, Source, SourceError, elapsed_s
from amanuensis.daemon.sources.converter import Converter
from amanuensis.daemon.sources.process import ProcessSource
from amanuensis.stream.formats import AudioFormat

FIRST_WAIT_S: Final = 0.5
WATCH_S: Final = 4.0  # between two looks for a better place
AWAY: Final = "the input was away"


class Places(Protocol):
    """Where sound of one kind can be captured.

    Attributes:
        what: for people.
        most_wait_s: between two looks for a place.

    """

    what: str
    most_wait_s: float

    async def open(self) -> ProcessSource:
        """Open the best place that there is now; SourceError where there is none."""
        ...

    async def better(self, current: ProcessSource) -> ProcessSource | None:
        """Open a better place than the current one, if one has come; None or SourceError where none has."""
        ...


class PatientSource(Source):
    """Hears the best of the places for as long as it is read.

    Args:
        places: where.
        first: open already; None: nothing is there yet.
        fmt: of what comes out.
        say: told in words what comes and goes.
        clock: seconds that go on while nothing comes.
        sleep: waits for so many seconds.

    """

    live = True

    def __init__(
        self,
        places: Places,
        first: ProcessSource | None,
        fmt: AudioFormat,
        say: Callable[[str], None],
        *,
        clock: Callable[[], float] = elapsed_s,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.name = first.name if first else places.what
        self.format = fmt
        self._places = places
        self._current = first
        self._next: ProcessSource | None = None  # better than the current one, and open
        self._watching: asyncio.Task[None] | None = None
        self._say = say
        self._clock = clock
        self._sleep = sleep
        self._converter = Converter(first.format if first else fmt, fmt)
        self._heard_s = clock()
        self._has_begun = first is not None
        self._is_back = False  # from another place: the time between is to be told
        self._wait_s = 0.0  # before a place is opened: it grows until one is heard
        self._told = ""  # what was said last of what is wrong

    async def chunks(self) -> AsyncIterator[Chunk]:
        while True:
            if self._current is None:
                self._current = await self._find()
                self._begin(self._current)
            async for chunk in self._hear(self._current):
                yield chunk
            async for chunk in self.drain():
                yield chunk
            await self._current.aclose()
            self._current, self._next = self._next, None
            if self._current is not None:
                self._begin(self._current)
            yield Pause(AWAY)

    async def drain(self) -> AsyncIterator[Chunk]:
        if self._current is not None:
            async for chunk in self._current.drain():
                for piece in self._taken(chunk):
                    yield piece
            if rest := self._converter.end():
                yield rest

    async def aclose(self) -> None:
        await self._stop_watching()
        places, self._current, self._next = (self._current, self._next), None, None
        for place in places:
            if place is not None:
                await place.aclose()

    async def _hear(self, current: ProcessSource) -> AsyncIterator[Chunk]:
        """Yield what the current place hears until it is lost or a better one has come."""
        self._watching = asyncio.create_task(self._watch(current))
        try:
            async for chunk in current.chunks():
                for piece in self._taken(chunk):
                    yield piece
        except SourceError as error:
            self._trouble(f"{error}; waiting for sound")
        finally:
            await self._stop_watching()

    async def _stop_watching(self) -> None:
        if self._watching is not None:
            watching, self._watching = self._watching, None
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)

    async def _watch(self, current: ProcessSource) -> None:
        """Stop the current place once there is a better one."""
        while True:
            await self._sleep(WATCH_S)
            with contextlib.suppress(SourceError):
                self._next = await self._places.better(current)
            if self._next is not None:
                current.stop()
                return

    async def _find(self) -> ProcessSource:
        """Wait until a place can be opened; the same trouble is told once, and the first only by its loss."""
        before = ""
        while True:
            if self._wait_s:
                await self._sleep(self._wait_s)
            self._wait_s = min(max(2 * self._wait_s, FIRST_WAIT_S), self._places.most_wait_s)
            try:
                return await self._places.open()
            except SourceError as error:
                if before and str(error) != before:
                    self._trouble(str(error))
                before = str(error)

    def _trouble(self, text: str) -> None:
        if text != self._told:
            self._say(text)
        self._told = text

    def _begin(self, place: ProcessSource) -> None:
        self.name = place.name
        self._converter = Converter(place.format, self.format)
        self._is_back = self._has_begun
        self._has_begun = True

    def _taken(self, chunk: Chunk) -> Iterator[Chunk]:
        now_s = self._clock()
        if isinstance(chunk, bytes):
            self._wait_s, self._told = 0.0, ""
            if self._is_back:
                self._is_back = False
                self._say(f"listening to {self.name}")
                away_s = now_s - self._heard_s - self._converter.seconds(chunk)
                if (samples := round(away_s * self.format.rate)) > 0:
                    yield Lost(samples, AWAY)
        self._heard_s = now_s
        if isinstance(chunk, bytes):
            if converted := self._converter.take(chunk):
                yield converted
        else:
            yield self._converter.lost(chunk) if isinstance(chunk, Lost) else chunk

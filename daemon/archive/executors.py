"""Where the pieces of an archive are heard: what an executor is, and the one that uses an engine of this machine."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol, TypeAlias

from amanuensis.daemon.archive.hearing import HeardPiece, hear
from amanuensis.daemon.archive.pieces import CutRules, Piece
from amanuensis.daemon.archive.reading import Ended, Opened, read_pieces
from amanuensis.daemon.pipeline import Pipeline
from amanuensis.daemon.sources.base import SourceError
from amanuensis.npu.engine.api import EngineError, EngineLostError
from amanuensis.stream.config import StreamConfig, StreamConfigError

PIECE_TRIES: Final = 3


@dataclass(frozen=True, slots=True)
class Task:
    """A file to be heard.

    Attributes:
        number: by which its outcomes are told.
        file: of the sound.
        config: of its streams.

    """

    number: int
    file: Path
    config: StreamConfig


@dataclass(frozen=True, slots=True)
class Failed:
    """A file cannot be heard, and why."""

    reason: str


Outcome: TypeAlias = Opened | HeardPiece | Ended | Failed
Tell: TypeAlias = Callable[[int, Outcome], Awaitable[None]]


class Executor(Protocol):
    """Hears files."""

    async def run(self, tasks: Sequence[Task], tell: Tell) -> None:
        """Hear files; whatever comes of one is told with its number, that it failed at most once and last.

        Pieces of a file are told in any order, also after its end. Outcomes are told one at a time.

        Raises:
            amanuensis.npu.engine.api.EngineError: nothing more can be heard.
            amanuensis.stream.config.StreamConfigError: the model cannot do what is asked of all files.

        """
        ...


Start: TypeAlias = Callable[[], contextlib.AbstractAsyncContextManager[Pipeline]]


class LocalExecutor:
    """Hears pieces with one engine, several at once so that it always has one to work on.

    Args:
        start: starts the pipeline, as `open_pipeline` does; called when there is a first piece.
        streams: pieces at once; None: one more than the engine decodes at once, while the next is prepared.
        rules: where files are cut.

    """

    def __init__(self, start: Start, streams: int | None = None, rules: CutRules | None = None) -> None:
        self._start = start
        self._streams = streams
        self._rules = rules or CutRules()

    async def run(self, tasks: Sequence[Task], tell: Tell) -> None:
        await _Run(self._start, self._streams, self._rules, tell).run(tasks)


class _Run:
    """One run of a local executor."""

    def __init__(self, start: Start, streams: int | None, rules: CutRules, tell: Tell) -> None:
        self._start = start
        self._streams = streams
        self._rules = rules
        self._tell_outcome = tell
        self._telling = asyncio.Lock()
        self._failed: set[int] = set()
        self._waiting: asyncio.Queue[tuple[Task, Piece] | None] = asyncio.Queue(1)

    async def run(self, tasks: Sequence[Task]) -> None:
        await together([self._read_all(tasks), self._hear_all()])

    async def _read_all(self, tasks: Sequence[Task]) -> None:
        for task in tasks:
            await self._read(task)
        await self._waiting.put(None)

    async def _hear_all(self) -> None:
        first = await self._waiting.get()
        if first is None:
            return
        async with self._start() as pipeline:
            n = self._streams or min(pipeline.engine.info.batch + 1, pipeline.config.limits.sessions)
            await together([self._work(pipeline, first if k == 0 else None) for k in range(n)])

    async def _read(self, task: Task) -> None:
        try:
            async for found in read_pieces(task.file, self._rules, task.config.vad):
                if task.number in self._failed:
                    return
                if isinstance(found, Piece):
                    await self._waiting.put((task, found))
                else:
                    await self._tell(task, found)
        except (SourceError, OSError) as error:
            await self._fail(task, error)

    async def _work(self, pipeline: Pipeline, first: tuple[Task, Piece] | None) -> None:
        item = first or await self._waiting.get()
        while item is not None:
            task, piece = item
            if task.number not in self._failed:
                try:
                    await self._tell(task, await hear_patiently(piece, pipeline, task.config))
                except EngineLostError:
                    raise
                except (EngineError, StreamConfigError) as error:
                    await self._fail(task, error)
            item = await self._waiting.get()
        await self._waiting.put(None)  # for the others

    async def _fail(self, task: Task, error: Exception) -> None:
        if task.number not in self._failed:
            self._failed.add(task.number)
            await self._tell(task, Failed(said(error)))

    async def _tell(self, task: Task, outcome: Outcome) -> None:
        async with self._telling:
            if task.number not in self._failed or isinstance(outcome, Failed):
                await self._tell_outcome(task.number, outcome)


async def together(works: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Do several things at once; what one of them raises ends the others, and is raised."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def hear_patiently(piece: Piece, pipeline: Pipeline, config: StreamConfig) -> HeardPiece:
    """Hear a piece, from its beginning again where the engine failed at it.

    Raises:
        amanuensis.npu.engine.api.EngineLostError: the engine does nothing more.
        amanuensis.npu.engine.api.EngineError: it failed each time.

    """
    for _ in range(PIECE_TRIES - 1):
        try:
            return await hear(piece, pipeline, config)
        except EngineLostError:
            raise
        except EngineError:
            continue
    return await hear(piece, pipeline, config)


def said(error: Exception) -> str:
    """Return what an error says in one line."""
    return " ".join(str(error).split()) or type(error).__name__

"""From an uploaded file to its words."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from typing import BinaryIO, Final, cast

from amanuensis.daemon.captioner import Captioner
from amanuensis.daemon.outputs import Transcript
from amanuensis.daemon.pipeline import Pipeline
from amanuensis.daemon.rest.answers import Heard
from amanuensis.daemon.rest.errors import RestError
from amanuensis.daemon.rest.form import TranscriptionRequest
from amanuensis.daemon.sources.base import Source, SourceError
from amanuensis.daemon.sources.file import FileSource
from amanuensis.daemon.sources.media import MediaSource
from amanuensis.npu.engine.api import Engine, EngineBusyError, EngineError, EngineInfo, EngineStats
from amanuensis.npu.window import WindowJob, WindowResult
from amanuensis.stream.config import StreamConfigError
from amanuensis.stream.events import Commit, Event, Gap

PATIENCE_S: Final = 5.0  # a file's window may be so much later than one of somebody who speaks now
RETRY_S: Final = 5


class PatientEngine:
    """An engine whose windows are behind those of live sessions.

    Args:
        engine: that does them.

    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @property
    def info(self) -> EngineInfo:
        return self._engine.info

    def stats(self) -> EngineStats:
        return self._engine.stats()

    def open_stream(self) -> int:
        return self._engine.open_stream()

    def close_stream(self, stream: int) -> None:
        self._engine.close_stream(stream)

    def wake(self) -> None:
        self._engine.wake()

    async def decode(self, stream: int, job: WindowJob, deadline_s: float) -> WindowResult:
        """As `Engine.decode`, with a later deadline."""
        return await self._engine.decode(stream, job, deadline_s + PATIENCE_S)

    async def aclose(self) -> None:
        """The engine is the daemon's; it stays."""


class Hearing:
    """One file that is heard.

    Args:
        pipeline: the daemon's.
        request: what is asked for.
        longest_s: sound that is heard at most.

    Raises:
        RestError: the model cannot do it.

    """

    def __init__(self, pipeline: Pipeline, request: TranscriptionRequest, longest_s: float) -> None:
        stream = pipeline.config.stream
        try:
            stream = replace(
                stream,
                language=request.language or stream.language,
                task=request.task,
                prompt=request.prompt or stream.prompt,
            )
            stream.check_model(pipeline.engine.info)
        except StreamConfigError as error:
            raise RestError(400, str(error)) from None
        config = replace(pipeline.config, stream=stream)
        self._pipeline = Pipeline(PatientEngine(pipeline.engine), pipeline.tokenizer, config, pipeline.voices)
        self._longest_s = longest_s
        self._transcript = Transcript()
        self._language: str | None = None
        self._heard_ms = 0.0

    async def words(self, source: Source) -> AsyncGenerator[str, None]:
        """Yield text as it is found.

        Raises:
            RestError: the file is damaged or too long, or the engine cannot hear it now.

        """
        captioner = Captioner(source, self._pipeline, mode="windows")
        try:
            async with aclosing(cast("AsyncGenerator[Event, None]", captioner.events())) as events:
                async for event in events:
                    self._check(event, captioner.heard_ms)
                    self._transcript.add(event)
                    if isinstance(event, Commit):
                        yield "".join(word.text for word in event.words)
        except SourceError as error:
            raise RestError(400, str(error), param="file") from None
        except EngineBusyError:
            message = "all streams of the engine are taken; try again"
            raise RestError(429, message, code="rate_limit_exceeded", headers={"Retry-After": str(RETRY_S)}) from None
        except EngineError as error:
            raise RestError(503, str(error), headers={"Retry-After": str(RETRY_S)}) from None
        info = self._pipeline.engine.info
        self._check(None, captioner.heard_ms)
        if not captioner.heard_ms:
            raise RestError(400, "file: there is no sound in it (0 samples)", param="file")
        self._language = captioner.session.language or (info.languages[0] if len(info.languages) == 1 else None)

    def _check(self, event: Event | None, heard_ms: float) -> None:
        self._heard_ms = heard_ms
        if heard_ms > 1000 * self._longest_s:
            message = f"the file has more than {self._longest_s:g} s of sound (rest.audio_s); cut it"
            raise RestError(400, message, param="file")
        if isinstance(event, Gap):
            raise RestError(500, f"{event.start_ms / 1000:g} to {event.end_ms / 1000:g} s were not heard: {event.why}")

    @property
    def heard(self) -> Heard:
        """What was heard, once `words` has ended."""
        return Heard(self._transcript, self._language, self._heard_ms / 1000)


async def open_upload(file: BinaryIO, name: str, size: int) -> Source:
    """Open what was uploaded; its bytes say what it is, not its name or type.

    Raises:
        RestError: there is no sound in it that can be read.

    """
    if size == 0:
        raise RestError(400, f"file: {name} is empty (0 bytes)", param="file")
    try:
        return await asyncio.to_thread(_open, file, name)
    except SourceError as error:
        raise RestError(400, f"file: {error}", param="file") from None


def _open(file: BinaryIO, name: str) -> Source:
    try:
        return FileSource.from_stream(file, name)
    except SourceError:
        return MediaSource(file, name)

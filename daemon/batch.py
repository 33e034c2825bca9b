"""Transcribing files one after the other with one engine."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from amanuensis.daemon.captioner import Captioner, Mode
from amanuensis.daemon.commands.common import complain
from amanuensis.daemon.console import notice
from amanuensis.daemon.outputs import OutputError, Transcript, check_place, write_transcript, written
from amanuensis.daemon.pipeline import Pipeline
from amanuensis.daemon.progress import Bar, progress_bar
from amanuensis.daemon.sources.base import Source, SourceError
from amanuensis.daemon.sources.choose import InputRequest, open_source
from amanuensis.daemon.wire import wire_map
from amanuensis.npu.atomic import WriteError
from amanuensis.stream.events import Event, Gap, Word
from amanuensis.stream.formats import AudioFormat

STDIN: Final = "-"
DECIMALS: Final = 3


@dataclass(frozen=True, slots=True)
class Job:
    """One input and the files that are to be written of it, with their formats."""

    name: str
    outputs: tuple[tuple[Path, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Printing:
    """What goes to standard output."""

    as_json: bool = False  # one JSON object a line
    text: str | None = None  # in this format
    titles: bool = False  # whose text it is stands before it
    word_times: bool = False  # there and in files


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one file."""

    transcript: Transcript
    language: str | None
    duration_ms: float
    compute_ms: float  # wall time from the first sample to the last word, without the start of the engine
    engine: dict[str, str]
    complete: bool  # nothing of it became a gap


class Batch:
    """A run over files. The engine is started for the first one that can be read.

    Args:
        start: starts the pipeline, as `open_pipeline` does.
        raw: format of files without a header.
        printing: what goes to standard output.
        mode: "windows", or "lockstep" for the text that live captions would give.

    """

    def __init__(
        self,
        start: Callable[[], contextlib.AbstractAsyncContextManager[Pipeline]],
        raw: AudioFormat | None,
        printing: Printing,
        mode: Mode = "windows",
    ) -> None:
        self._start = start
        self._raw = raw
        self._printing = printing
        self._mode: Mode = mode
        self._stack = contextlib.AsyncExitStack()
        self._pipeline: Pipeline | None = None

    async def run(self, jobs: Sequence[Job]) -> int:
        """Transcribe all; returns 0, or 1 if a file failed or was not transcribed to its end.

        Raises:
            amanuensis.npu.engine.api.EngineError: no file can be transcribed.
            amanuensis.stream.config.StreamConfigError: the model cannot do what is asked.

        """
        failed = 0
        async with self._stack:
            with progress_bar(sys.stderr) as bar:
                for job in jobs:
                    failed += not await self._attempt(job, bar)
        return 1 if failed else 0

    async def _attempt(self, job: Job, bar: Bar) -> bool:
        """Transcribe one file; what is wrong with it, or with its output, is said in one line."""
        try:
            for path, _ in job.outputs:
                check_place(path)
            result = await self._transcribe(job.name, bar)
            for path, chosen in job.outputs:
                write_transcript(path, chosen, result.transcript.utterances, word_times=self._printing.word_times)
        except (SourceError, OutputError, WriteError) as error:
            bar.message(f"amanuensis: {error}")
            return False
        self._print(job.name, result)
        return result.complete

    async def _transcribe(self, name: str, bar: Bar) -> Result:
        spec = STDIN if name == STDIN else f"file:{name}"
        async with open_source(InputRequest(spec, self._raw, speed=0.0), complain) as source:
            if self._pipeline is None:
                self._pipeline = await self._stack.enter_async_context(self._start())
            with bar.task(name, source.duration_s):
                return await self._caption(name, source, self._pipeline, bar)

    async def _caption(self, name: str, source: Source, pipeline: Pipeline, bar: Bar) -> Result:
        started_s = time.perf_counter()
        captioner = Captioner(source, pipeline, mode=self._mode)
        transcript = Transcript()
        complete = True
        async for event in captioner.events():
            transcript.add(event)
            complete = complete and not isinstance(event, Gap)
            tell(name, event, bar)
            bar.advance(captioner.session.committed_ms / 1000)
        if transcript.shortfall:
            bar.message(f"amanuensis: {name}: {transcript.shortfall}")
        info = pipeline.engine.info
        return Result(
            transcript=transcript,
            language=captioner.session.language or (info.languages[0] if len(info.languages) == 1 else None),
            duration_ms=captioner.heard_ms,
            compute_ms=1000 * (time.perf_counter() - started_s),
            engine={"encoder": info.encoder, "decoder": info.decoder, "model": info.model},
            complete=complete and not transcript.dropped,
        )

    def _print(self, name: str, result: Result) -> None:
        if self._printing.as_json:
            print(json.dumps(as_map(name, result), ensure_ascii=False), flush=True)
        if self._printing.text is not None:
            title = f"{name}:\n" if self._printing.titles else ""
            utterances, word_times = result.transcript.utterances, self._printing.word_times
            print(title + written(self._printing.text, utterances, word_times=word_times), end="", flush=True)


def tell(name: str, event: Event, bar: Bar) -> None:
    """Say what a person should know of a file: warnings and what was not transcribed."""
    if event.type in ("gap", "warning"):
        bar.message(f"amanuensis: {name}: {notice(wire_map(event, 1))}")


def as_map(name: str, result: Result) -> dict[str, Any]:
    """Return the result of one file as programs read it."""
    return {
        "file": name,
        "text": result.transcript.text,
        "language": result.language,
        "duration_ms": round(result.duration_ms, DECIMALS),
        "compute_ms": round(result.compute_ms, DECIMALS),
        "words": [word_map(word) for word in result.transcript.words],
        "engine": result.engine,
    }


def word_map(word: Word) -> dict[str, str | float]:
    """Return a word as programs read it; its text keeps its own leading space."""
    times = {"from_ms": round(word.start_ms, DECIMALS), "to_ms": round(word.end_ms, DECIMALS)}
    speaker = {} if word.spk is None else {"spk": word.spk}
    return {"text": word.text, **times, "conf": round(word.conf, DECIMALS), **speaker}

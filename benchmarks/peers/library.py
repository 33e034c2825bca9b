"""Libraries that are no servers: a driver in their environment reads PCM on its standard input.

It prints JSON lines: `{"ready": true}` first, then `{"kind": ..., "text": ...}` with the kinds of `measures.Shown`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from amanuensis.benchmarks.peers.peer import INSIDE, Link, PeerFailedError, Setup, Text


class _PipeLink:
    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def send(self, pcm: bytes) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(pcm)
        await self._process.stdin.drain()

    async def end(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()

    async def texts(self) -> AsyncIterator[Text]:
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            row = json.loads(line)
            yield row["kind"], row["text"]


@dataclass(frozen=True, slots=True)
class Library:
    """A library with a driver in `inside`.

    Args:
        name: how the table calls it.
        environment: of `script/peers`.
        libraries: whose versions belong to the figures.
        driver: file name.
        form: field of `Weights` that it reads.
        finishes: as `Peer` has it.
        tick_s: its own time between decodes, whatever the setup says.
        extra: more arguments of the driver.

    """

    name: str
    environment: str
    libraries: tuple[str, ...]
    driver: str
    form: str
    finishes: bool
    tick_s: float | None = None
    extra: tuple[str, ...] = ()
    is_library: bool = True

    def command(self, python: Path, setup: Setup, port: int) -> list[str]:  # noqa: ARG002 - no server
        driver = str(INSIDE / self.driver)
        numbers = (str(setup.threads), str(self.tick_s or setup.tick_s))
        return [str(python), driver, str(setup.weights.need(self.form)), *numbers, *self.extra]

    @asynccontextmanager
    async def open(self, process: asyncio.subprocess.Process, port: int) -> AsyncIterator[Link]:  # noqa: ARG002 - no server
        assert process.stdout is not None
        first = await process.stdout.readline()
        if not first:
            raise PeerFailedError(f"{self.name} ended before it was ready")
        assert json.loads(first) == {"ready": True}, first
        yield _PipeLink(process)


REALTIME_STT = Library(
    name="RealtimeSTT",
    environment="realtimestt",
    libraries=("realtimestt", "faster-whisper", "ctranslate2", "torch"),
    driver="realtime_stt_driver.py",
    form="ctranslate2",
    finishes=False,
)
WHISPER_CPP = Library(
    name="whisper.cpp stream",
    environment="pywhispercpp",
    libraries=("pywhispercpp",),
    driver="whisper_cpp_driver.py",
    form="ggml",
    finishes=False,
    extra=("5.0",),
)
WHISPER_CPP_SLOW = replace(WHISPER_CPP, name="whisper.cpp stream, 3 s", tick_s=3.0, extra=("10.0",))

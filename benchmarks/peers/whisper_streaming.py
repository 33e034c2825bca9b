"""ufal/whisper_streaming: LocalAgreement on faster-whisper, its own TCP server (MIT).

PCM goes in; each line that comes back is `BEGIN_MS END_MS TEXT`, text that will not change. Text that may change is not
sent. Its server never flushes the last words (`online.finish()` is commented out there). faster-whisper's own
voice detection is switched on (`--vad`); the other one that it offers is fetched from the network at each start.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from amanuensis.benchmarks.peers.peer import INSIDE, Link, Setup, Text


def read_line(line: str) -> list[Text]:
    """Return the text of one line of the server; lines and padding without one have none."""
    parts = line.strip("\0\r\n").split(" ", 2)
    return [("commit", " " + parts[2].strip())] if len(parts) == 3 and parts[2].strip() else []


class _TcpLink:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def send(self, pcm: bytes) -> None:
        self._writer.write(pcm)
        await self._writer.drain()

    async def end(self) -> None:
        self._writer.write_eof()

    async def texts(self) -> AsyncIterator[Text]:
        while line := await self._reader.readline():
            for text in read_line(line.decode(errors="replace")):
                yield text


@dataclass(frozen=True, slots=True)
class WhisperStreaming:
    """The server of the repository, beam 5 and word times as it calls faster-whisper."""

    name: str = "whisper_streaming"
    is_library: bool = False
    finishes: bool = False
    environment: str = "whisper-streaming"
    libraries: tuple[str, ...] = ("faster-whisper", "ctranslate2")

    def command(self, python: Path, setup: Setup, port: int) -> list[str]:
        launcher = str(INSIDE / "whisper_streaming_launcher.py")
        words = ["--host", "127.0.0.1", "--port", str(port), "--lan", "en", "--log-level", "WARNING"]
        words += ["--model_dir", str(setup.weights.need("ctranslate2")), "--min-chunk-size", str(setup.tick_s), "--vad"]
        checkout = python.parents[1] / "whisper_streaming"
        return [str(python), launcher, str(checkout), *words, "--warmup-file", str(setup.warm_up)]

    @asynccontextmanager
    async def open(self, process: asyncio.subprocess.Process, port: int) -> AsyncIterator[Link]:  # noqa: ARG002 - not stdio
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            yield _TcpLink(reader, writer)
        finally:
            writer.close()

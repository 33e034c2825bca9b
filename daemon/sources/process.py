"""Sound that a program of its own captures and writes to its standard output."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from abc import abstractmethod
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Final

from amanuensis.daemon.sources.base import Chunk, Source, SourceError
from amanuensis.stream.formats import AudioFormat

READ_BYTES: Final = 65_536
STOP_S: Final = 2.0  # for the last sound of a program that was asked to stop
MAX_ERROR_BYTES: Final = 4096

Process = asyncio.subprocess.Process


class ProcessSource(Source):
    """What a running program captures; the program ends with the source.

    Args:
        process: with pipes at standard input and output.
        name: what a person calls the source.
        fmt: of the sound that `_taken` returns.

    """

    live = True

    def __init__(self, process: Process, name: str, fmt: AudioFormat) -> None:
        self.name = name
        self.format = fmt
        self._process = process
        self._stopping = False

    async def chunks(self) -> AsyncIterator[Chunk]:
        while data := await self._read():
            for chunk in self._taken(data):
                yield chunk
        if not self._stopping:
            raise SourceError(await self._why())

    async def drain(self) -> AsyncIterator[Chunk]:
        self.stop()
        with contextlib.suppress(TimeoutError):
            while data := await self._read_soon():
                for chunk in self._taken(data):
                    yield chunk

    async def _read_soon(self) -> bytes:
        async with asyncio.timeout(STOP_S):
            return await self._read()

    def stop(self) -> None:
        """Ask the program to stop: `chunks` ends once its last sound has come."""
        self._stopping = True
        self._ask_to_stop()

    async def aclose(self) -> None:
        self._stopping = True
        await end(self._process)

    def _ask_to_stop(self) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()

    @abstractmethod
    def _taken(self, data: bytes) -> Iterable[Chunk]:
        """Return the sound in what the program wrote."""

    @abstractmethod
    async def _why(self) -> str:
        """Say why the program has ended by itself."""

    async def _read(self) -> bytes:
        assert self._process.stdout is not None
        return await self._process.stdout.read(READ_BYTES)


async def start(command: Sequence[str], env: Mapping[str, str] | None = None) -> Process:
    """Start a program; a Ctrl-C at the terminal is for us alone.

    Args:
        command: its words.
        env: its environment; None: ours.

    Raises:
        SourceError: there is no such program.

    """
    pipe = asyncio.subprocess.PIPE
    try:
        return await asyncio.create_subprocess_exec(
            *command,
            stdin=pipe,
            stdout=pipe,
            stderr=pipe,
            env=env,
            start_new_session=True,
        )
    except OSError as error:
        raise SourceError(f"{command[0]} cannot be started: {error.strerror}") from None


async def end(process: Process) -> None:
    """Kill a program and wait until it is gone."""
    send(process, signal.SIGKILL)
    await process.wait()


def send(process: Process, number: signal.Signals) -> None:
    """Send a signal to a program that may have ended.

    Not by `process.kill`: that looks whether it has ended, which takes the answer from asyncio's own look.
    """
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, number)


async def last_words(process: Process) -> str:
    """Return the last line that a program which has ended wrote to its standard error."""
    assert process.stderr is not None
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(STOP_S):
            said = await process.stderr.read(MAX_ERROR_BYTES)
        lines = [" ".join(line.split()) for line in said.decode(errors="replace").splitlines() if line.strip()]
        return lines[-1] if lines else ""
    return ""

"""Microphones as the capture process hears them (see capture.py)."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterator
from typing import Any, Final

import msgpack

from amanuensis.daemon.sources.base import Chunk, Lost, SourceError
from amanuensis.daemon.sources.microphone import is_same
from amanuensis.daemon.sources.process import READ_BYTES, Process, ProcessSource, end, last_words, start
from amanuensis.stream.formats import AudioFormat

MAX_MESSAGE_BYTES: Final = 8 << 20  # above the longest ring: 10 s of two channels at 192 kHz
ANSWER_S: Final = 20.0  # for opening a device: Bluetooth takes some seconds


class CapturedMicrophone(ProcessSource):
    """A microphone that a capture process has opened."""

    def __init__(self, process: Process, name: str, fmt: AudioFormat, messages: msgpack.Unpacker) -> None:
        super().__init__(process, name, fmt)
        self._messages = messages
        self._gone = ""

    def _taken(self, data: bytes) -> Iterator[Chunk]:
        self._messages.feed(data)
        for said in self._messages:
            if said["t"] == "a":
                yield said["d"]
            elif said["t"] == "lost":
                yield Lost(said["n"], said["why"])
            else:
                self._gone = said["why"]

    async def _why(self) -> str:
        if self._gone:
            return self._gone
        said = await last_words(self._process)
        return f"the capture of the microphone {self.name!r} ended" + (f" ({said})" if said else "")


async def open_microphone(wanted: str | None, *, again: bool = False) -> CapturedMicrophone:
    """Open a microphone.

    Args:
        wanted: as in `choose_device`, or `choose_again`.
        again: it was lost: the default one will do as well.

    Raises:
        SourceError: there is none, or it cannot be opened.

    """
    process = await start(command("again" if again else "open", wanted))
    messages = msgpack.Unpacker(max_buffer_size=MAX_MESSAGE_BYTES)
    try:
        said = await first_of(process, messages)
    except BaseException:
        await end(process)
        raise
    return CapturedMicrophone(process, said["name"], AudioFormat("s16le", said["rate"], said["ch"]), messages)


def command(order: str, wanted: str | None) -> list[str]:
    """Return the command line of a capture process."""
    words = [] if wanted is None else [wanted]
    return [sys.executable, "-m", "amanuensis.daemon.sources.capture", str(os.getpid()), order, *words]


async def first_of(process: Process, messages: msgpack.Unpacker) -> dict[str, Any]:
    """Return the first message of a capture process."""
    assert process.stdout is not None
    try:
        async with asyncio.timeout(ANSWER_S):
            while data := await process.stdout.read(READ_BYTES):
                messages.feed(data)
                for said in messages:
                    if said["t"] == "gone":
                        raise SourceError(said["why"])
                    return dict(said)
    except TimeoutError:
        raise SourceError(f"the sound system does not answer within {ANSWER_S:.0f} s") from None
    raise SourceError(f"the capture process has failed: {await last_words(process)}")


class Microphones:
    """The microphone that is wanted, and what does in its place.

    Args:
        wanted: NAME or INDEX; None: the default one.

    """

    what = "the microphone"
    most_wait_s = 4.0  # each look starts a process

    def __init__(self, wanted: str | None) -> None:
        self._wanted = wanted
        self._name: str | None = None  # of the first that was opened

    async def open(self) -> CapturedMicrophone:
        """Open it, or after it was lost the default one."""
        if self._name is not None:
            return await open_microphone(self._name, again=True)
        source = await open_microphone(self._wanted)
        self._name = source.name
        return source

    async def better(self, current: ProcessSource) -> CapturedMicrophone | None:
        """Open the one that is wanted if it is back while another is heard."""
        if self._name is None or is_same(current.name, self._name):
            return None
        back = await open_microphone(self._name, again=True)
        if is_same(back.name, self._name):
            return back
        await back.aclose()
        return None

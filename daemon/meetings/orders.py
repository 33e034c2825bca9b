"""What is typed while a meeting is recorded: notes, marks, pause."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final, TextIO

from amanuensis.daemon.dial import ClientError
from amanuensis.daemon.meetings.recorder import Recorder

PAUSE: Final = "/p"
MAX_LINE_BYTES: Final = 2000  # of a note, as the protocol has it
READ_BYTES: Final = 4096


@asynccontextmanager
async def orders_from(
    lines: TextIO, recorder: Recorder, say: Callable[[str], None], *, taken: bool
) -> AsyncIterator[None]:
    """Obey the lines of a terminal or a pipe while inside.

    Args:
        lines: where they come from.
        recorder: that obeys.
        say: answers.
        taken: they are something else: sound.

    """
    if taken or not _is_ours(lines):
        yield
        return
    loop, waiting = asyncio.get_running_loop(), asyncio.Queue[str](64)
    rest = bytearray()

    def read() -> None:
        data = os.read(lines.fileno(), READ_BYTES)
        if not data:
            loop.remove_reader(lines)
        rest.extend(data)
        while (end := rest.find(b"\n")) >= 0 or len(rest) > MAX_LINE_BYTES:
            line = bytes(rest[: end if end >= 0 else MAX_LINE_BYTES])
            del rest[: len(line) + (end >= 0)]
            with contextlib.suppress(asyncio.QueueFull):
                waiting.put_nowait(line.decode(errors="replace").strip())

    try:
        loop.add_reader(lines, read)
    except OSError:  # a file of its own: nothing is typed there
        yield
        return
    task = asyncio.create_task(_obey(waiting, recorder, say))
    try:
        yield
    finally:
        loop.remove_reader(lines)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _obey(waiting: asyncio.Queue[str], recorder: Recorder, say: Callable[[str], None]) -> None:
    while True:
        line = await waiting.get()
        with contextlib.suppress(ClientError):  # the track tells itself that it has ended
            await obey(line, recorder, say)


async def obey(line: str, recorder: Recorder, say: Callable[[str], None]) -> None:
    """Do what one line asks for: `/p` pauses and goes on, text is a note, nothing is a mark."""
    if line != PAUSE:
        await recorder.note(line)
        say(f"noted: {line}" if line else "marked")
    elif recorder.is_paused:
        recorder.go_on()
        say("going on")
    else:
        await recorder.pause()
        say("paused: nothing is recorded until /p")


def _is_ours(lines: TextIO) -> bool:
    """Whether lines may be read: a process in the background would be stopped for it."""
    try:
        return not lines.isatty() or os.tcgetpgrp(lines.fileno()) == os.getpgrp()
    except (OSError, ValueError):
        return False

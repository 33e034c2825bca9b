"""The capture process: PortAudio in a process of its own.

PortAudio learns only once what devices there are, and one that has gone may hang it for ever. So each microphone is
opened by a small process, which is thrown away with its device.

    python -m amanuensis.daemon.sources.capture PARENT open|again [NAME|INDEX]

It writes msgpack maps to standard output (see `Said`) and stops when its standard input is closed.
"""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, TypeAlias

import msgpack

from amanuensis.daemon.child import end_with
from amanuensis.daemon.sources.base import CHUNK_S, Chunk, Lost, SourceError
from amanuensis.daemon.sources.microphone import (
    Microphone,
    choose_again,
    choose_device,
    input_devices,
)

# {"t": "open", "name", "rate", "ch"}, {"t": "a", "d": bin},
# {"t": "lost", "n", "why"} or, at the end, {"t": "gone", "why"}
Said: TypeAlias = dict[str, Any]
STDIN: Final = 0
GONE: Final = "the microphone {name!r} has gone: it was unplugged or its sound server stopped"


def main(words: Sequence[str]) -> None:
    """Do what the command line asks for and leave at once, whatever PortAudio still does."""
    parent, order, *wanted = words
    if end_with(int(parent)):
        try:
            perform(order, wanted[0] if wanted else None, write)
        except SourceError as error:
            write({"t": "gone", "why": str(error)})
        except BrokenPipeError:
            pass  # nobody hears us any more
    os._exit(0)  # a device that has gone may never come back from being closed


def perform(order: str, wanted: str | None, tell: Callable[[Said], None]) -> None:
    """Capture until standard input is closed."""
    microphone = reopened(wanted) if order == "again" and wanted else Microphone(choose_device(wanted, input_devices()))
    fmt = microphone.format
    tell({"t": "open", "name": microphone.name, "rate": fmt.rate, "ch": fmt.channels})
    for chunk in captured(microphone):
        tell(as_said(chunk))


def reopened(name: str) -> Microphone:
    """Open the input that was lost; where that fails, the default one."""
    devices = input_devices()
    try:
        return Microphone(choose_again(name, devices))
    except SourceError:
        return Microphone(choose_device(None, devices))


def captured(microphone: Microphone) -> Iterator[Chunk]:
    """Yield what a microphone hears until standard input is closed.

    Raises:
        SourceError: the device has gone.

    """
    stopping = False
    while not stopping:
        stopping = bool(select.select([STDIN], [], [], CHUNK_S)[0])
        has_gone = microphone.has_gone  # asked first: what it heard before comes out below
        yield from microphone.take()
        if has_gone and not stopping:
            raise SourceError(GONE.format(name=microphone.name))


def as_said(chunk: Chunk) -> Said:
    """Return a piece of sound, or what was lost, as a message."""
    return {"t": "lost", "n": chunk.samples, "why": chunk.why} if isinstance(chunk, Lost) else {"t": "a", "d": chunk}


def write(message: Said) -> None:
    """Send a message; waits while the other side takes no more, and the sound waits in the ring."""
    sys.stdout.buffer.write(msgpack.packb(message))
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main(sys.argv[1:])

"""A terminal as standard output, which may be closed at any time."""

from __future__ import annotations

import errno
import io
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


class Terminal(io.FileIO):
    """Drops what is written after the terminal was closed: SIGHUP, on its way, says what that means."""

    def write(self, data: ReadableBuffer, /) -> int:
        """Write, or say so although nobody sees it."""
        try:
            return super().write(data)
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            return memoryview(data).nbytes


def outlive_terminal() -> None:
    """Let standard output and error, where they are a terminal, be written although it was closed."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if isinstance(stream, io.TextIOWrapper) and stream.isatty():
            stream.flush()
            raw = Terminal(stream.fileno(), "w", closefd=False)
            text = io.TextIOWrapper(io.BufferedWriter(raw), stream.encoding, stream.errors, line_buffering=True)
            setattr(sys, name, text)

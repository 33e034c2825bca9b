"""What is wrong with an archive, in one line: file names and what stands in files may hold anything."""

from __future__ import annotations

from typing import Final

MAX_CHARS: Final = 1500


class ArchiveError(Exception):
    """An archive cannot be worked on; the message says where and what to do.

    Args:
        message: is made a line that can be read and sent.

    """

    def __init__(self, message: str) -> None:
        line = " ".join(message.split()).encode(errors="backslashreplace").decode()
        super().__init__(line if len(line) <= MAX_CHARS else f"{line[: MAX_CHARS // 2]} ... {line[-MAX_CHARS // 2 :]}")

"""`python -m tests.helpers.jumping_clock FILE WORD...`: amanuensis with a wall clock that a test can set.

FILE holds a double: seconds that are added to this process's `time.time`, and may change at any moment. Only
`datetime.now`, by which tokens expire, goes on as before.
"""

from __future__ import annotations

import mmap
import struct
import sys
import time
from pathlib import Path

OFFSET = struct.Struct("<d")


def set_offset(file: Path, seconds: float) -> None:
    """Have the clock that follows `file` jump."""
    with file.open("r+b" if file.exists() else "wb") as opened:
        opened.write(OFFSET.pack(seconds))


def follow(file: Path) -> None:
    """Make the wall clock of this process follow `file` from now on."""
    with file.open("rb") as opened:
        content = mmap.mmap(opened.fileno(), OFFSET.size, access=mmap.ACCESS_READ)
    real = time.time
    time.time = lambda: real() + float(OFFSET.unpack(content[:])[0])


if __name__ == "__main__":
    follow(Path(sys.argv.pop(1)))
    from amanuensis.daemon.main import main  # after the clock: modules take it by name

    sys.exit(main())

"""How many bytes the files of a folder may hold together."""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path

from amanuensis.daemon.spool.log_file import SpoolError


class Budget:
    """Counts the bytes of a folder's files against a limit; may be charged from any thread.

    Args:
        folder: whose files are counted.
        key: the setting that is the limit.
        max_bytes: the limit.

    Attributes:
        used: bytes in use.

    """

    def __init__(self, folder: Path, key: str, max_bytes: int) -> None:
        self.used = 0
        self._folder = folder
        self._key = key
        self._max_bytes = max_bytes
        self._lock = threading.Lock()

    def charge(self, n_bytes: int) -> None:
        """Take `n_bytes`, or give them back when negative.

        Raises:
            SpoolError: there are not so many left, even when counted anew; nothing was taken.

        """
        with self._lock:
            if n_bytes > 0 and self.used + n_bytes > self._max_bytes:
                self.used = _bytes_in(self._folder)  # files may have been removed by others
            if n_bytes > 0 and self.used + n_bytes > self._max_bytes:
                raise SpoolError(
                    f"{self._folder} holds {self.used} bytes, and {self._key} allows {self._max_bytes}: "
                    "raise it, or remove what is not needed there"
                )
            self.used += n_bytes

    def measure(self) -> None:
        """Count what is there."""
        with self._lock:
            self.used = _bytes_in(self._folder)


def _bytes_in(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):
            total += 0 if path.is_dir() else path.lstat().st_size
    return total

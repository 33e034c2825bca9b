"""What was compiled, kept in the user's cache by the hash of everything that it depends on."""

from __future__ import annotations

import hashlib
import os
import tempfile
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from amanuensis.kernels.compile.errors import CompileError

MOST_BYTES: Final = 2 << 30  # of compiled files that are kept after a build


def digest(*parts: str | bytes) -> str:
    """Return the SHA-256 of parts, told apart from one another, in hexadecimal."""
    total = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        total.update(f"{len(data)}\0".encode() + data)
    return total.hexdigest()


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal; OSError where it cannot be read."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sources_digest(paths: Iterable[Path]) -> str:
    """Return one hash of several files, by name and content."""
    return digest(*(part for path in paths for part in (path.name, path.read_bytes())))


class Cache:
    """A folder of compiled files.

    Args:
        folder: of them; made when it is not there.

    Attributes:
        made: how many files were compiled because the cache had them not.
        found: how many it had.

    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or _default()
        self.made = self.found = 0
        self._counting = threading.Lock()  # several files are compiled at once
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CompileError(
                f"no place for compiled files: {self.folder}: {error.strerror}; set XDG_CACHE_HOME"
            ) from None

    def file(self, key: str, suffix: str, make: Callable[[Path], object]) -> Path:
        """Return the file of a key; `make` writes it where the cache has it not.

        Raises:
            CompileError: `make` raised it, or wrote nothing.

        """
        target = self.folder / f"{key}{suffix}"
        if target.is_file():
            with self._counting:
                self.found += 1
            os.utime(target)  # it was needed now
            return target
        with tempfile.TemporaryDirectory(dir=self.folder, prefix=".") as folder:
            part = Path(folder) / target.name
            make(part)
            if not part.is_file() or not part.stat().st_size:
                raise CompileError(f"a tool said that all went well and did not write {target.name}")
            part.replace(target)
        with self._counting:
            self.made += 1
        return target

    def prune(self, most_bytes: int = MOST_BYTES) -> int:
        """Remove the files that were needed longest ago until the rest takes no more than so many bytes.

        Returns:
            How many were removed.

        """
        files = [(path.stat(), path) for path in self.folder.iterdir() if path.is_file()]
        files.sort(key=lambda pair: pair[0].st_mtime_ns)
        left, removed = sum(status.st_size for status, _ in files), 0
        for status, path in files:
            if left <= most_bytes:
                break
            path.unlink(missing_ok=True)
            left, removed = left - status.st_size, removed + 1
        return removed


def _default() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "amanuensis" / "compiled"

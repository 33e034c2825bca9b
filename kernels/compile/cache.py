"""What was compiled, kept in the user's cache by the hash of everything that it depends on."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

from amanuensis.kernels.compile.errors import CompileError


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
            self.found += 1
            return target
        with tempfile.TemporaryDirectory(dir=self.folder, prefix=".") as folder:
            part = Path(folder) / target.name
            make(part)
            if not part.is_file() or not part.stat().st_size:
                raise CompileError(f"a tool said that all went well and did not write {target.name}")
            part.replace(target)
        self.made += 1
        return target


def _default() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "amanuensis" / "compiled"

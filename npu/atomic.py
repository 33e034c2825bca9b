"""Files and folders that appear whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from amanuensis.npu.engine.api import EngineError


class WriteError(EngineError):
    """A file or folder cannot be written; the message names it, the cause and what to do."""


@contextmanager
def whole_or_nothing(target: Path) -> Iterator[Path]:
    """Give a path beside the target to write a file or a folder of files to.

    It is synced to disk and renamed to the target when all went well, else it is removed. An existing file or an
    empty folder is replaced.

    Raises:
        WriteError: for every OSError inside the block (full disk, read-only place).

    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as temporary:
            part = Path(temporary, target.name)
            yield part
            for path in [*part.iterdir(), part] if part.is_dir() else [part]:
                _sync(path)
            part.rename(target)
            _sync(target.parent)
    except OSError as error:
        why = error.strerror or str(error)
        raise WriteError(f"{target}: cannot be written ({why}); make room or name another place") from error


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

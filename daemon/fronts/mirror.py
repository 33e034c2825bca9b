"""What has changed in the folder of a session since the store had it: found by looking at the files.

Every record stands in a file before anybody is told of it, so the files say all there is to say, whoever wrote them and
however: appended, cut, rewritten in place of another, or removed. A log is rewritten or cut once in
its life, and does not go on then.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from amanuensis.daemon.fronts.messages import Patch
from amanuensis.daemon.fronts.vault import FILE_NAME

Seen: TypeAlias = Mapping[str, tuple[int, int]]  # files: which one it was (inode), and its bytes


@dataclass(frozen=True, slots=True)
class Look:
    """What a look at a folder has found.

    Attributes:
        patches: what makes the store's files equal to those of the folder.
        seen: the files, for the next look once the store has taken the patches.

    """

    patches: tuple[Patch, ...] = ()
    seen: Seen = field(default_factory=dict)


def look(folder: Path | None, before: Seen) -> Look:
    """Return what has changed in a folder; one that is gone has no files."""
    patches: list[Patch] = []
    seen: dict[str, tuple[int, int]] = {}
    for entry in _files(folder):
        with contextlib.suppress(FileNotFoundError):  # a recording's is turned into FLAC in another thread
            status = entry.stat(follow_symlinks=False)
            if before.get(entry.name) == (status.st_ino, status.st_size):
                seen[entry.name] = (status.st_ino, status.st_size)
            else:
                patch, seen[entry.name] = _changed(entry, before.get(entry.name, (0, 0)))
                patches.append(patch)
    patches += [Patch(name) for name in before if name not in seen]
    return Look(tuple(patches), seen)


def seen_in(folder: Path) -> Seen:
    """Return the files of a folder that the store has as they are."""
    return look(folder, {}).seen


def _changed(entry: os.DirEntry[str], before: tuple[int, int]) -> tuple[Patch, tuple[int, int]]:
    """Return what is new in a file, all of it where it is another one than before, or was cut."""
    descriptor = os.open(entry.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        status = os.fstat(descriptor)
        inode, known = before
        offset = known if inode == status.st_ino and known <= status.st_size else 0
        data = os.pread(descriptor, status.st_size - offset, offset)
    finally:
        os.close(descriptor)
    return Patch(entry.name, offset, data), (status.st_ino, status.st_size)


def _files(folder: Path | None) -> list[os.DirEntry[str]]:
    if folder is None:
        return []
    try:
        with os.scandir(folder) as entries:
            return sorted((entry for entry in entries if FILE_NAME.fullmatch(entry.name)), key=lambda it: it.name)
    except FileNotFoundError:
        return []

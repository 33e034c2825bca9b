"""What has changed in the folder of a session since the store had it: found by looking at the files.

Every record stands in a file before anybody is told of it, so the files say all there is to say, whoever wrote them and
however: appended, cut, rewritten in place of another, or removed. No log goes on in a file that was cut.
"""

from __future__ import annotations

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
    for path in _files(folder):
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except FileNotFoundError:
            continue  # a recording's is turned into FLAC in another thread
        try:
            status = os.fstat(descriptor)
            inode, known = before.get(path.name, (0, 0))
            offset = known if inode == status.st_ino and known <= status.st_size else 0
            if path.name not in before or offset == 0 or status.st_size > offset:
                patches.append(Patch(path.name, offset, os.pread(descriptor, status.st_size - offset, offset)))
            seen[path.name] = (status.st_ino, status.st_size)
        finally:
            os.close(descriptor)
    patches += [Patch(name) for name in before if name not in seen]
    return Look(tuple(patches), seen)


def seen_in(folder: Path) -> Seen:
    """Return the files of a folder that the store has as they are."""
    return look(folder, {}).seen


def _files(folder: Path | None) -> list[Path]:
    if folder is None:
        return []
    try:
        with os.scandir(folder) as entries:
            return sorted(Path(entry.path) for entry in entries if FILE_NAME.fullmatch(entry.name))
    except FileNotFoundError:
        return []

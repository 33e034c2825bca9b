"""The folders of sessions as the store of the fronts keeps them: files on its disk, changed patch by patch, bounded."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import msgpack

from amanuensis.daemon.fronts.messages import Patch
from amanuensis.daemon.spool.log_file import FILE_MODE, FOLDER_MODE, UNFINISHED
from amanuensis.daemon.spool.spool_folder import SESSION_NAME

FILE_NAME: Final = re.compile(r"session\.log|(audio|events|voices)-[0-9]{1,20}\.log")
INDEX: Final = "holdings"  # who has what
SESSIONS: Final = "sessions"
LOCK: Final = "lock"


class VaultError(Exception):
    """The folder is another store's, or a patch has a name that no file of a session has."""


class Vault:
    """The files of all sessions.

    Args:
        folder: made when it does not exist; what is there is taken up.
        max_bytes: of all files.

    Attributes:
        used: bytes of all files.

    Raises:
        VaultError: another store uses the folder.

    """

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self.used = 0
        self._folder = folder
        self._max_bytes = max_bytes
        self._sizes: dict[str, dict[str, int]] = {}
        (folder / SESSIONS).mkdir(FOLDER_MODE, parents=True, exist_ok=True)
        self._lock = _locked(folder / LOCK)
        for path in (folder / SESSIONS).iterdir():
            if path.is_dir() and SESSION_NAME.fullmatch(path.name):
                self._sizes[path.name] = {file.name: file.stat().st_size for file in path.iterdir()}
        self.used = sum(size for sizes in self._sizes.values() for size in sizes.values())

    def close(self) -> None:
        """Let another store have the folder."""
        os.close(self._lock)

    @property
    def sessions(self) -> list[str]:
        """Names of the sessions that it has files of."""
        return list(self._sizes)

    def has_room(self, patches: Iterable[Patch]) -> bool:
        """Whether patches may be applied: more would not be too much."""
        return self.used + sum(len(patch.data or b"") for patch in patches) <= self._max_bytes

    def fits(self, session: str, patches: Iterable[Patch], sizes: Mapping[str, int]) -> bool:
        """Whether patches make files of these sizes from what is there."""
        there = dict(self._sizes.get(session, {}))
        for patch in patches:
            if patch.data is None:
                there.pop(patch.name, None)
            elif patch.offset > there.get(patch.name, 0):
                return False
            else:
                there[patch.name] = patch.offset + len(patch.data)
        return there == sizes

    def apply(self, session: str, patches: Iterable[Patch]) -> None:
        """Change the files of a session; doing so again changes nothing.

        Raises:
            VaultError: a name is none of a session, or of its files.

        """
        if not SESSION_NAME.fullmatch(session):
            raise VaultError(f"{session!r} is no name of a session")
        sizes = self._sizes.get(session)
        if sizes is None:
            (self._folder / SESSIONS / session).mkdir(FOLDER_MODE, exist_ok=True)
            sizes = self._sizes[session] = {}
        for patch in patches:
            if not FILE_NAME.fullmatch(patch.name):
                raise VaultError(f"{patch.name!r} is no name of a session's file")
            path = self._folder / SESSIONS / session / patch.name
            before = sizes.pop(patch.name, 0)
            if patch.data is None:
                path.unlink(missing_ok=True)
            else:
                _write(path, patch.offset, patch.data, cut=before > patch.offset)
                sizes[patch.name] = patch.offset + len(patch.data)
            self.used += sizes.get(patch.name, 0) - before

    def read(self, session: str, prefixes: tuple[str, ...] = ("",)) -> dict[str, bytes]:
        """Return the files of a session whose names begin so."""
        folder = self._folder / SESSIONS / session
        return {
            name: (folder / name).read_bytes() for name in self._sizes.get(session, {}) if name.startswith(prefixes)
        }

    def remove(self, session: str) -> None:
        """Remove the files of a session."""
        self.used -= sum(self._sizes.pop(session, {}).values())
        shutil.rmtree(self._folder / SESSIONS / session, ignore_errors=True)

    def write_index(self, plain: Mapping[str, Any]) -> None:
        """Keep who has what, whole or not at all."""
        path = self._folder / (INDEX + UNFINISHED)
        path.write_bytes(msgpack.packb(plain))
        path.replace(self._folder / INDEX)

    def read_index(self) -> dict[str, Any] | None:
        """Return who has what, as it was kept; None: nothing was."""
        with contextlib.suppress(FileNotFoundError):
            index: dict[str, Any] = msgpack.unpackb((self._folder / INDEX).read_bytes())
            return index
        return None


def _locked(path: Path) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, FILE_MODE)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise VaultError(
            f"{path.parent}: another store of fronts keeps its sessions there: give each its own"
        ) from None
    return descriptor


def _write(path: Path, offset: int, data: bytes, *, cut: bool) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, FILE_MODE)
    try:
        if cut:
            os.ftruncate(descriptor, offset)
        done = 0
        while done < len(data):
            done += os.pwrite(descriptor, data[done:] if done else data, offset + done)
    finally:
        os.close(descriptor)

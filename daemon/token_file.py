"""The file of tokens: read only when nobody else may change it, written whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import stat
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from amanuensis.daemon.tokens import TokenError, TokenTable

NAME: Final = "tokens.json"
SYSTEM_FILE: Final = Path("/etc/amanuensis") / NAME
MAX_BYTES: Final = 2**20
PRIVATE: Final = 0o600
FORBIDDEN: Final = 0o037  # others nothing, the group at most read: a service of its own user may need that


class TokenFileError(Exception):
    """The file of tokens cannot be used; the message names it and says what to do."""


def usual_file(env: Mapping[str, str]) -> Path:
    """Return where tokens are kept unless the configuration says otherwise: of the service, else of the user."""
    if folder := env.get("CONFIGURATION_DIRECTORY"):
        return Path(folder.split(":")[0]) / NAME
    home = env.get("XDG_CONFIG_HOME") or str(Path(env.get("HOME", "/")) / ".config")
    return Path(home) / "amanuensis" / NAME


def read_tokens(file: Path, *, may_miss: bool = False) -> TokenTable:
    """Read a file of tokens.

    Args:
        file: its name.
        may_miss: a file that does not exist is an empty one.

    Raises:
        TokenFileError: it cannot be read, can be read by others, or is not a file of tokens.

    """
    try:
        with file.open("rb") as opened:
            _check_rights(file, os.fstat(opened.fileno()))
            data = opened.read(MAX_BYTES + 1)
    except FileNotFoundError:
        if may_miss:
            return TokenTable()
        raise TokenFileError(f"{file} does not exist; `amanuensis tokens add NAME --role watch` makes it") from None
    except OSError as error:
        raise TokenFileError(f"{file} cannot be read: {error.strerror}") from None
    if len(data) > MAX_BYTES:
        raise TokenFileError(f"{file} is longer than {MAX_BYTES} bytes; it is not a file of tokens")
    try:
        return TokenTable.from_plain(json.loads(data))
    except (ValueError, RecursionError) as error:
        raise TokenFileError(f"{file} is not a file of tokens: {error}") from None


def _check_rights(file: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise TokenFileError(f"{file} is not a regular file")
    if status.st_mode & FORBIDDEN:
        mode = stat.S_IMODE(status.st_mode)
        raise TokenFileError(f"{file} has mode {mode:04o}: others could read or change it; chmod 600 {file}")
    if status.st_uid not in (os.geteuid(), 0):
        raise TokenFileError(f"{file} belongs to user {status.st_uid}: it must be this daemon's or root's own")


@contextlib.contextmanager
def locked(file: Path) -> Iterator[None]:
    """Let no other command change the file meanwhile.

    Raises:
        TokenFileError: its folder cannot be made or locked.

    """
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise TokenFileError(f"{file.parent}: {error.strerror}") from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def write_tokens(file: Path, table: TokenTable) -> None:
    """Write a file of tokens in the place of the old one, with its owner and rights.

    Raises:
        TokenFileError: it cannot be written; the old one is left.

    """
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
        new = Path(name)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
                json.dump(table.to_plain(), opened, indent=1)
                opened.write("\n")
                opened.flush()
                _like_before(file, opened.fileno())
                os.fsync(opened.fileno())
            new.replace(file)
        except BaseException:
            new.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise TokenFileError(f"{file} cannot be written: {error.strerror or os.strerror(errno.EIO)}") from None


def _like_before(file: Path, descriptor: int) -> None:
    try:
        old = file.stat()
    except FileNotFoundError:
        os.fchmod(descriptor, PRIVATE)
        return
    if (old.st_uid, old.st_gid) != (os.geteuid(), os.getegid()):
        os.fchown(descriptor, old.st_uid, old.st_gid)
    os.fchmod(descriptor, stat.S_IMODE(old.st_mode) & ~FORBIDDEN)


__all__ = ["SYSTEM_FILE", "TokenError", "TokenFileError", "locked", "read_tokens", "usual_file", "write_tokens"]

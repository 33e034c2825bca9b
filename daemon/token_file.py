"""The file of tokens: read only when nobody else may change it, written whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from amanuensis.daemon.private_file import PrivateFileError, read_private, write_private
from amanuensis.daemon.tokens import TokenError, TokenTable

NAME: Final = "tokens.json"
SYSTEM_FILE: Final = Path("/etc/amanuensis") / NAME
MAX_BYTES: Final = 2**20
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
        data = read_private(file, MAX_BYTES, forbidden=FORBIDDEN, what="tokens")
    except FileNotFoundError:
        if may_miss:
            return TokenTable()
        raise TokenFileError(f"{file} does not exist; `amanuensis tokens add NAME --role watch` makes it") from None
    except PrivateFileError as error:
        raise TokenFileError(str(error)) from None
    try:
        return TokenTable.from_plain(json.loads(data))
    except (ValueError, RecursionError) as error:
        raise TokenFileError(f"{file} is not a file of tokens: {error}") from None


def write_tokens(file: Path, table: TokenTable) -> None:
    """Write a file of tokens in the place of the old one, with its owner and rights.

    Raises:
        TokenFileError: it cannot be written; the old one is left.

    """
    try:
        write_private(file, json.dumps(table.to_plain(), indent=1) + "\n", forbidden=FORBIDDEN)
    except PrivateFileError as error:
        raise TokenFileError(str(error)) from None


__all__ = ["SYSTEM_FILE", "TokenError", "TokenFileError", "read_tokens", "usual_file", "write_tokens"]

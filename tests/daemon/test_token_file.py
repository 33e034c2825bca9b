"""The file of tokens."""

from __future__ import annotations

import json
import os
import stat
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from amanuensis.daemon.private_file import locked
from amanuensis.daemon.token_file import MAX_BYTES, TokenFileError, read_tokens, usual_file, write_tokens
from amanuensis.daemon.tokens import TokenTable, new_token

NOW = datetime(2027, 1, 1, tzinfo=UTC)


def table(*names: str) -> TokenTable:
    """A table of watchers."""
    return TokenTable(tuple(new_token(name, ["watch"], NOW)[0] for name in names))


def test_what_is_written_is_read_and_nobody_else_reads_it(tmp_path: Path) -> None:
    """The file has mode 0600, and is replaced as a whole; a group that may read it still may afterwards."""
    file, first = tmp_path / "tokens.json", table("a")
    write_tokens(file, first)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert read_tokens(file) == first
    file.chmod(0o640)
    write_tokens(file, table("b"))
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert [path.name for path in tmp_path.iterdir()] == ["tokens.json"]


@pytest.mark.parametrize("mode", [0o604, 0o620, 0o666, 0o644])
def test_a_file_that_others_can_read_or_change_is_refused(tmp_path: Path, mode: int) -> None:
    """Whoever can write it could come in, so it is not believed."""
    file = tmp_path / "tokens.json"
    write_tokens(file, table("a"))
    file.chmod(mode)
    with pytest.raises(TokenFileError, match=f"has mode {mode:04o}: others could read or change it; chmod 600"):
        read_tokens(file)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_file_of_somebody_else_is_refused(tmp_path: Path) -> None:
    """A file of another user is not believed either."""
    file = tmp_path / "tokens.json"
    write_tokens(file, table("a"))
    os.chown(file, 12345, -1)
    with pytest.raises(TokenFileError, match="belongs to user 12345"):
        read_tokens(file)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is not a file of tokens"),
        ("[" * 100_000, "is not a file of tokens"),
        ("[]", "an object is needed"),
        ('{"version": 1, "tokens": [{"name": 3}]}', "token 1"),
        (" " * (MAX_BYTES + 1), "is longer than"),
    ],
)
def test_other_files_are_named(tmp_path: Path, text: str, words: str) -> None:
    """What is no file of tokens is told in one line, whatever is in it."""
    file = tmp_path / "tokens.json"
    file.touch(0o600)
    file.write_text(text)
    with pytest.raises(TokenFileError, match=words) as caught:
        read_tokens(file)
    assert str(file) in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """It is an empty one where it may be missing, and else a mistake; a folder is one anyway."""
    assert read_tokens(tmp_path / "nosuch", may_miss=True) == TokenTable()
    with pytest.raises(TokenFileError, match="does not exist; `amanuensis tokens add"):
        read_tokens(tmp_path / "nosuch")
    with pytest.raises(TokenFileError, match="cannot be read: Is a directory"):
        read_tokens(tmp_path)
    with pytest.raises(TokenFileError, match="cannot be written"):
        write_tokens(tmp_path / "nosuch" / "tokens.json", TokenTable())


def test_two_commands_at_once_lose_nothing(tmp_path: Path) -> None:
    """Tokens that are added at the same time are all there."""
    file = tmp_path / "new" / "tokens.json"

    def add(name: str) -> None:
        with locked(file):
            write_tokens(file, read_tokens(file, may_miss=True).added(table(name).tokens[0]))

    threads = [threading.Thread(target=add, args=(f"t{k}",)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {row["name"] for row in json.loads(file.read_text())["tokens"]} == {f"t{k}" for k in range(8)}


def test_the_usual_file_lies_beside_the_configuration() -> None:
    """The service's folder comes before the user's."""
    assert usual_file({"CONFIGURATION_DIRECTORY": "/etc/a:/etc/b", "HOME": "/h"}) == Path("/etc/a/tokens.json")
    assert usual_file({"XDG_CONFIG_HOME": "/c", "HOME": "/h"}) == Path("/c/amanuensis/tokens.json")
    assert usual_file({"HOME": "/h"}) == Path("/h/.config/amanuensis/tokens.json")

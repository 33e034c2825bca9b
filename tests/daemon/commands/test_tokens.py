"""`amanuensis tokens`."""

from __future__ import annotations

import json
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from amanuensis.daemon.main import main
from amanuensis.daemon.token_file import read_tokens


def test_made_listed_and_revoked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The secret is printed once, alone on stdout; the list shows roles and expiry, and never a secret."""
    file = ["--file", str(tmp_path / "folder" / "tokens.json")]
    assert main(["tokens", "add", "laptop", "--role", "speak", "--role", "watch", *file]) == 0
    secret = capsys.readouterr().out.strip()
    assert main(["tokens", "add", "obs", "--role", "watch", "--expires", "2030-01-01", "--json", *file]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["token"].startswith("amn_")
    assert "captions?token=TOKEN" in err
    table = read_tokens(Path(file[1]))
    token = table.find(secret, datetime.now(UTC))
    assert token is not None
    assert (token.name, token.roles) == ("laptop", {"speak", "watch"})
    assert stat.S_IMODE(Path(file[1]).stat().st_mode) == 0o600
    assert main(["tokens", "list", *file]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines] == [
        ["laptop", "watch,speak", "for", "ever"],
        ["obs", "watch", "until", "2030-01-01T00:00:00+00:00"],
    ]
    assert main(["tokens", "revoke", "laptop", *file]) == 0
    capsys.readouterr()
    assert main(["tokens", "list", "--json", *file]) == 0
    assert [row["name"] for row in json.loads(capsys.readouterr().out)] == ["obs"]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["revoke", "nosuch"], "does not exist; `amanuensis tokens add"),
        (["add", "a b", "--role", "watch"], "token name 'a b' is not allowed"),
        (["add", "a", "--role", "watch", "--expires", "soon"], "expiry 'soon' is not allowed: give a span"),
        (["add", "a", "--role", "watch", "--expires", "2001-01-01"], "which is over"),
    ],
)
def test_mistakes_get_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], expected: str
) -> None:
    """What cannot be done is said in one line, and no file is made."""
    assert main(["tokens", *words, "--file", str(tmp_path / "tokens.json")]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert expected in err
    assert not (tmp_path / "tokens.json").exists()


def test_two_files_are_one_too_many(capsys: pytest.CaptureFixture[str]) -> None:
    """--file and --system together are a wrong use."""
    assert main(["tokens", "list", "--file", "x", "--system"]) == 2
    assert "give one of them" in capsys.readouterr().err


def test_the_daemon_and_the_command_mean_the_same_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without --file it is the file that a daemon with the same settings reads."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert main(["tokens", "add", "a", "--role", "admin"]) == 0
    assert (tmp_path / "amanuensis" / "tokens.json").is_file()
    monkeypatch.setenv("AMANUENSIS_SERVER_TOKENS_FILE", str(tmp_path / "mine.json"))
    assert main(["tokens", "add", "b", "--role", "admin"]) == 0
    assert [token.name for token in read_tokens(tmp_path / "mine.json").tokens] == ["b"]
    capsys.readouterr()

"""`amanuensis speakers`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from amanuensis.daemon.main import main
from tests.helpers.tone_engine import say

WORDS = [0, 3, 1, 6, 2, 4, 5, 0, 2, 6] * 3


def test_enrolled_listed_and_removed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], builtin_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From a file at any rate; nothing but the vector is kept."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    sound = tmp_path / "anna.wav"
    soundfile.write(sound, np.repeat(say(WORDS, 44_100)[:, None], 2, axis=1), 44_100)
    assert main(["speakers", "enroll", "Anna", str(sound), "--json", "--model", str(builtin_model)]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["name"] == "Anna"
    assert "--known-speakers" in err
    assert main(["speakers", "list"]) == 0
    assert capsys.readouterr().out.startswith("Anna ")
    assert main(["speakers", "rm", "Anna"]) == 0
    capsys.readouterr()
    assert main(["speakers", "list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["enroll", "A", "x.wav"], "name 'A' is not allowed"),
        (["enroll", "Anna", "nosuch.wav"], "nosuch.wav: no such file"),
        (["rm", "Anna"], "no voice 'Anna' is enrolled; there is: nobody"),
    ],
)
def test_mistakes_get_one_line(
    words: list[str], expected: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is wrong and what is allowed; exit status 1."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert main(["speakers", *words]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert expected in line

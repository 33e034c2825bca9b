"""`amanuensis speakers`."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

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
    ("name", "rate", "channels", "subtype"),
    [
        ("a.wav", 8_000, 1, "ULAW"),
        ("a.flac", 96_000, 2, "PCM_24"),
        ("a.wav", 48_000, 6, "FLOAT"),
        ("a.ogg", 16_000, 1, ""),
    ],
)
def test_sound_of_any_kind_is_heard(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    builtin_model: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    rate: int,
    channels: int,
    subtype: str,
) -> None:
    """At every rate, with every number of channels and bits that `transcribe` reads."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    sound = np.repeat(say(WORDS, rate)[:, None], channels, axis=1)
    soundfile.write(tmp_path / name, sound, rate, subtype=subtype or None)
    assert main(["speakers", "enroll", "Anna", str(tmp_path / name), "--model", str(builtin_model)]) == 0
    assert "Anna is enrolled from" in capsys.readouterr().err


def noisy(sound: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return sound with a hiss, as that of a microphone has."""
    hiss = np.random.default_rng(0).normal(0, 1e-3, len(sound))
    return np.asarray(sound + hiss, np.float32)


def test_what_makes_a_voice_hard_to_know_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], builtin_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Clipped sound, more than ten minutes, a telephone, another voice that is like it: a line of each; else none."""
    from amanuensis.daemon.commands import speakers

    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setattr(speakers, "MAX_S", 11.0)

    def enrolled(name: str, samples: NDArray[np.float32], rate: int = 16_000) -> list[str]:
        soundfile.write(tmp_path / "a.wav", samples, rate)
        command = ["speakers", "enroll", name, str(tmp_path / "a.wav"), "--model", str(builtin_model)]
        assert main(command) == 0
        return [line.removeprefix(f"amanuensis: {tmp_path}/") for line in capsys.readouterr().err.splitlines()[:-1]]

    short = noisy(say(WORDS[:24]))
    assert enrolled("Anna", short) == []
    assert enrolled(" Anna", short) == []  # in place of her
    (alike,) = enrolled("Ben", short)
    assert alike == "a.wav: the voice is like that of Anna: they will be taken for each other"
    assert enrolled("Carla", noisy(say(WORDS)).clip(-0.02, 0.02) * 50)[:2] == [
        "a.wav: only its first 11 s were heard",
        "a.wav: the audio is clipped: lower the level at the source",
    ]
    narrow = enrolled("Dan", say(WORDS[:24], 8_000), 8_000)
    assert narrow[0].startswith("a.wav: nothing above 4 kHz is in it")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["enroll", "A", "x.wav"], "name 'A' is not allowed"),
        (["enroll", "Anna", "nosuch.wav"], "nosuch.wav: no such file"),
        (["enroll", "Anna", "."], ".: a folder, not a sound file"),
        (["enroll", "Anna", "empty.wav"], "empty.wav: the file is empty (0 bytes)"),
        (["enroll", "Anna", "noise.wav"], "noise.wav: not a sound file that can be read"),
        (["enroll", "Anna", "torn.flac"], "torn.flac: the file is damaged"),
        (["enroll", "Anna", "slow.wav"], "slow.wav: audio rate 4000 is not supported: it must be 8000 to 192000"),
        (["enroll", "Anna", "fifo"], "fifo: a pipe; write the sound to a file first"),
        (["enroll", "Anna", "silence.wav"], "silence.wav: 0.0 s of speech are too few to know a voice by"),
        (["rm", "Anna"], "no voice 'Anna' is enrolled; there is: nobody"),
    ],
)
def test_mistakes_get_one_line(
    words: list[str],
    expected: str,
    capsys: pytest.CaptureFixture[str],
    builtin_model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What is wrong and what is allowed; exit status 1, and nobody is enrolled."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    silence = np.zeros(10 * 16_000, np.float32)
    for name, rate in (("silence.wav", 16_000), ("slow.wav", 4_000), ("torn.flac", 16_000)):
        soundfile.write(name, np.random.default_rng(0).normal(0, 0.1, 64_000) if name == "torn.flac" else silence, rate)
    Path("torn.flac").write_bytes(Path("torn.flac").read_bytes()[:40_000])
    Path("empty.wav").touch()
    Path("noise.wav").write_bytes(bytes(range(256)) * 40)
    os.mkfifo("fifo")
    model = ["--model", str(builtin_model)] if words[0] == "enroll" else []
    assert main(["speakers", *words, *model]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert expected in line
    assert not (tmp_path / "data" / "amanuensis" / "speakers.json").exists()

"""`--word-times` of the commands that show words, each as a program with the built-in model."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers.programs import amanuensis

pytestmark = pytest.mark.long


def check_lines(text: str) -> str:
    """Return the words of lines that each have a start and an end in seconds, in the order of time."""
    lines = [line.split("\t") for line in text.splitlines()]
    assert len(lines) > 2
    times = [float(time) for start_s, end_s, _ in lines for time in (start_s, end_s)]
    assert times == sorted(times)
    return " ".join(word for _, _, word in lines)


@pytest.mark.parametrize("command", ["transcribe", "listen"])
def test_a_file_is_shown_and_written_word_by_word(repository: Path, tmp_path: Path, command: str) -> None:
    """Standard output and files have the same words as without the flag."""
    clip = str(repository / "tests" / "data" / "synthetic" / "narrow_seen_003.flac")
    words = ["transcribe", "--stream", clip] if command == "transcribe" else ["listen", "--input", f"file:{clip}"]
    plain = amanuensis(*words)
    outputs = [word for form in ("srt", "vtt", "csv") for word in ("-o", f"{tmp_path}/a.{form}")]
    timed = amanuensis(*words, "--word-times", *(outputs if command == "listen" else []))
    assert timed.returncode == 0, timed.stderr
    said = check_lines(timed.stdout)
    assert said == " ".join(plain.stdout.split())
    if command == "listen":
        n = len(said.split())
        assert (tmp_path / "a.srt").read_text().count(" --> ") == n
        assert (tmp_path / "a.csv").read_text().count(",word,") == n
        assert (tmp_path / "a.vtt").read_text().count("<00:") >= n // 2


def test_the_demonstration_is_shown_word_by_word() -> None:
    """Over the real protocol."""
    done = amanuensis("demo", "--speed", "0", "--word-times")
    assert done.returncode == 0, done.stderr
    assert check_lines(done.stdout)


def test_a_recording_is_shown_word_by_word(repository: Path, tmp_path: Path) -> None:
    """Of one track; its words count from its start."""
    clip = repository / "tests" / "data" / "synthetic" / "narrow_seen_003.flac"
    env = {"XDG_STATE_HOME": str(tmp_path / "state"), "XDG_DATA_HOME": str(tmp_path / "data"), "HOME": str(tmp_path)}
    done = amanuensis("record", "--input", f"file:{clip}", "--system", "none", "--here", "--word-times", env=env)
    assert done.returncode == 0, done.stderr
    assert check_lines(done.stdout)

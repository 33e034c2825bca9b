"""`amanuensis dictate` as a program, typing into a real window of a real display server."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest
import soundfile

from tests.helpers.programs import amanuensis, line_with, over, running
from tests.helpers.windows import Window, wayland_window, x11_window


def check_dictation(repository: Path, window: Window, tool: str) -> None:
    """The words that stand on standard output stand in the window as well, with the same spaces."""
    clip = repository / "tests" / "data" / "synthetic" / "narrow_seen_003.flac"
    done = amanuensis("dictate", "--input", f"file:{clip}", "--speed", "0", env=dict(window.env))
    assert done.returncode == 0, done.stderr
    assert f"typing with {tool}" in done.stderr
    assert len(done.stdout.split()) > 2
    assert window.typed() == " ".join(done.stdout.split())


def test_what_is_said_is_typed_into_a_window_of_x11(repository: Path, tmp_path: Path) -> None:
    """An X server, an xterm with the focus, and xdotool."""
    with x11_window(tmp_path) as window:
        check_dictation(repository, window, "xdotool")


async def test_ctrl_c_types_the_last_words(repository: Path, tmp_path: Path) -> None:
    """In the middle of a sentence: what was heard of it is typed to its end."""
    samples, _ = soundfile.read(repository / "tests" / "data" / "synthetic" / "narrow_seen_003.flac", dtype="int16")
    with x11_window(tmp_path) as window:
        words = ("dictate", "--with", "xdotool", "--input", "-", "--raw", "s16le", "--json")
        async with running(*words, **window.env) as process:
            assert process.stdin is not None
            process.stdin.write(samples.tobytes())
            await process.stdin.drain()
            await line_with(process.stdout, '"type":"commit"')
            process.send_signal(signal.SIGINT)
            status, out, err = await over(process)
        assert status == 0, err
        final = json.loads(out.splitlines()[-1])
        assert (final["type"], final["reason"]) == ("final", "end")
        assert window.typed() == final["text"].strip()


@pytest.mark.long
def test_what_is_said_is_typed_into_a_window_of_wayland(repository: Path) -> None:
    """A headless sway, a foot with the focus, and wtype."""
    with wayland_window() as window:
        check_dictation(repository, window, "wtype")


def test_without_anything_that_types_it_says_so_at_once(tmp_path: Path) -> None:
    """One line with what is missing, before the microphone or a model is opened."""
    (tmp_path / "bin").mkdir()
    done = amanuensis("dictate", "--input", "file:/no/such.wav", env={"PATH": str(tmp_path / "bin")})
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert "cannot type here: " in done.stderr
    assert "install wtype" in done.stderr

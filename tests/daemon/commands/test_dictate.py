"""`amanuensis dictate` as a program, typing into a real window of a real X server."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.helpers.programs import ANSWER_S, amanuensis

TOOLS = ("Xvfb", "xterm", "xdotool")


@dataclass(frozen=True)
class Window:
    """A terminal window with the focus, in which `cat` writes down every line that is typed."""

    display: str
    lines: Path

    def typed(self) -> str:
        """End the line and the file, and return what was typed."""
        env = os.environ | {"DISPLAY": self.display}
        subprocess.run(["xdotool", "key", "Return", "key", "ctrl+d"], env=env, check=True, timeout=ANSWER_S)
        subprocess.run(["tail", "-f", "--pid", self.cat, "/dev/null"], check=True, timeout=ANSWER_S)
        return self.lines.read_text().strip()

    @property
    def cat(self) -> str:
        """Process of `cat`; the shell has written it down before."""
        return self.lines.with_suffix(".pid").read_text().strip()


@pytest.fixture
def window(tmp_path: Path) -> Iterator[Window]:
    """An X server of our own with one window."""
    for tool in TOOLS:
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed: no window to type into")
    lines = tmp_path / "typed.txt"
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", "1", "-screen", "0", "640x480x24", "-nolisten", "tcp"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert server.stdout is not None
    display = f":{server.stdout.readline().strip()}"
    env = os.environ | {"DISPLAY": display, "LC_ALL": "C.UTF-8"}
    script = f"echo $$ >{lines.with_suffix('.pid')}; exec cat >{lines}"
    terminal = subprocess.Popen(["xterm", "-u8", "-e", "sh", "-c", script], env=env, stderr=subprocess.DEVNULL)
    try:
        subprocess.run(
            ["xdotool", "search", "--sync", "--onlyvisible", "--class", "xterm", "windowfocus", "--sync"],
            env=env,
            check=True,
            stdout=subprocess.DEVNULL,
            timeout=ANSWER_S,
        )
        yield Window(display, lines)
    finally:
        for process in (terminal, server):
            process.kill()
            process.wait()
        server.stdout.close()


def test_what_is_said_is_typed_into_the_window(repository: Path, window: Window) -> None:
    """The words that stand on standard output stand in the window as well, with the same spaces."""
    clip = repository / "tests" / "data" / "synthetic" / "narrow_seen_003.flac"
    env = {"DISPLAY": window.display, "XDG_SESSION_TYPE": "x11"}
    done = amanuensis("dictate", "--input", f"file:{clip}", "--speed", "0", env=env)
    assert done.returncode == 0, done.stderr
    assert "typing with xdotool" in done.stderr
    assert len(done.stdout.split()) > 2
    assert window.typed() == " ".join(done.stdout.split())


def test_without_anything_that_types_it_says_so_at_once(tmp_path: Path) -> None:
    """One line with what is missing, before the microphone or a model is opened."""
    (tmp_path / "bin").mkdir()
    done = amanuensis("dictate", "--input", "file:/no/such.wav", env={"PATH": str(tmp_path / "bin")})
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert "cannot type here: " in done.stderr
    assert "install wtype" in done.stderr

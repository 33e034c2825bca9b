"""A terminal window with the focus that writes down what is typed, on a display server of our own: X11 or Wayland."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.helpers.programs import ANSWER_S

SCRIPT = 'echo $$ >{folder}/pid; IFS= read -r line; printf %s "$line" >{folder}/typed.txt'
NOBODY = "nobody"  # sway does not run as root
HEADLESS = {"WLR_BACKENDS": "headless", "WLR_RENDERER": "pixman", "WLR_LIBINPUT_NO_DEVICES": "1"}


@dataclass(frozen=True)
class Window:
    """A window in which a shell reads a line.

    Attributes:
        env: what a program needs in its environment to reach it.
        folder: what is typed is kept here.
        end: the command that presses Return.

    """

    env: Mapping[str, str]
    folder: Path
    end: Sequence[str]

    def typed(self) -> str:
        """End the line, and return it."""
        subprocess.run(self.end, env=os.environ | self.env, check=True, timeout=ANSWER_S)
        shell = (self.folder / "pid").read_text().strip()
        subprocess.run(["tail", "-f", "--pid", shell, "/dev/null"], check=True, timeout=ANSWER_S)
        return (self.folder / "typed.txt").read_text().strip()


@contextmanager
def x11_window(folder: Path) -> Iterator[Window]:
    """An X server with an xterm; skips by name where a program is missing."""
    need("Xvfb", "xterm", "xdotool")
    words = ["Xvfb", "-displayfd", "1", "-screen", "0", "640x480x24", "-nolisten", "tcp"]
    server = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert server.stdout is not None
    own = {"DISPLAY": f":{server.stdout.readline().strip()}", "XDG_SESSION_TYPE": "x11", "WAYLAND_DISPLAY": ""}
    env = {**os.environ, **own, "LC_ALL": "C.UTF-8"}
    shell = ["xterm", "-u8", "-e", "sh", "-c", SCRIPT.format(folder=folder)]
    terminal = subprocess.Popen(shell, env=env, stderr=subprocess.DEVNULL)
    focus = ["xdotool", "search", "--sync", "--onlyvisible", "--class", "xterm", "windowfocus", "--sync"]
    try:
        subprocess.run(focus, env=env, check=True, stdout=subprocess.DEVNULL, timeout=ANSWER_S)
        yield Window(own, folder, ["xdotool", "key", "Return"])
    finally:
        for process in (terminal, server):
            process.kill()
            process.wait()
        server.stdout.close()


@contextmanager
def wayland_window() -> Iterator[Window]:
    """A headless sway with a foot; skips by name where a program is missing."""
    need("sway", "swaymsg", "foot", "wtype")
    is_root = os.geteuid() == 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "run").mkdir(mode=0o700)
        (folder / "write.sh").write_text(SCRIPT.format(folder=folder))
        (folder / "sway.conf").write_text(f"exec foot sh {folder}/write.sh\n")  # sway would read $$ as its own
        if is_root:
            for path in (folder, *folder.iterdir()):
                shutil.chown(path, NOBODY, pwd.getpwnam(NOBODY).pw_gid)
        own = {"HOME": name, "XDG_RUNTIME_DIR": f"{name}/run", "SWAYSOCK": f"{name}/run/sway.sock", "LC_ALL": "C.UTF-8"}
        other_user = ["setpriv", f"--reuid={NOBODY}", "--regid=nogroup", "--clear-groups"] if is_root else []
        with (folder / "sway.log").open("wb") as log:
            words = [*other_user, "sway", "-c", f"{name}/sway.conf"]
            sway = subprocess.Popen(words, env={**os.environ, **HEADLESS, **own}, stdout=log, stderr=log)
        try:
            wait_for_focus(sway, own)
            display = next(path for path in (folder / "run").glob("wayland-*") if path.suffix != ".lock")
            here = {"WAYLAND_DISPLAY": str(display), "XDG_SESSION_TYPE": "wayland", "DISPLAY": ""}
            yield Window(here, folder, ["wtype", "-s", "100", "-k", "Return", "-s", "100"])
        finally:
            sway.terminate()
            sway.wait()


def wait_for_focus(sway: subprocess.Popen[bytes], own: Mapping[str, str]) -> None:
    """Ask until the terminal has the focus; each question waits for its answer."""
    while sway.poll() is None:
        words = ["swaymsg", "-t", "get_tree"]
        asked = subprocess.run(words, env={**os.environ, **own}, capture_output=True, timeout=ANSWER_S, check=False)
        if asked.returncode == 0 and has_focus(json.loads(asked.stdout)):
            return
    pytest.skip("sway does not start here")


def has_focus(node: Mapping[str, object]) -> bool:
    """Whether a terminal under a node of sway's tree has the focus."""
    if node.get("app_id") == "foot":
        return bool(node["focused"])
    children = node.get("nodes")
    return isinstance(children, list) and any(map(has_focus, children))


def need(*programs: str) -> None:
    """Skip by name where a program is not installed."""
    for program in programs:
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed: no window to type into")

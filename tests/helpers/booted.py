"""A real systemd to test with: this machine's own files, or a system in a folder, booted in a container.

`systemd-nspawn` boots an overlay over them, which are only read: what the container writes lies in its memory and is
thrown away. It has no network but its own loopback, and runs only a target of ours. The bind of the files stands in a
mount namespace of its own, where no clean-up of a temporary folder can ever reach it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

TARGET = "amanuensis-test.target"
TARGET_UNIT = """\
[Unit]
Requires=basic.target dbus.socket
After=basic.target dbus.socket
AllowIsolate=yes
"""
TOOLS = ("systemd-nspawn", "unshare", "nsenter", "mount")
INIT = Path("/lib/systemd/systemd")
BOOT_S = 60.0  # only against hanging; half a second is usual
ANSWER_S = 120.0
POLL_S = 0.05
SCRIPT = 'mount -t tmpfs tmpfs /run && mount --bind "$1" "$2" && shift 2 && exec "$@"'


def why_not() -> str:
    """Say why no systemd can be booted here, "" where one can."""
    if os.geteuid() != 0:
        return "booting systemd in a container needs root"
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing or not INIT.exists():
        return f"{', '.join(missing) or INIT} is not installed: no systemd to boot (systemd-container)"
    if Path(sys.prefix).is_relative_to("/tmp"):
        return "this installation lies below /tmp, which the units hide (PrivateTmp)"
    tried = subprocess.run(["unshare", "--mount", "true"], capture_output=True, text=True, check=False)
    return f"no mount namespace: {tried.stderr.strip()}" if tried.returncode else ""


@dataclass(frozen=True)
class Machine:
    """A container in which systemd runs.

    Attributes:
        init: process id of its systemd, seen from here.
        log: what its console said.

    """

    init: int
    log: Path

    @property
    def root(self) -> Path:
        """Its root folder, seen from here; sockets in it can be connected to."""
        return Path(f"/proc/{self.init}/root")

    def run(self, *words: str | Path, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a program in it."""
        command = ["nsenter", "--all", "--target", str(self.init), "--", "env", "-i", *ENVIRONMENT, *map(str, words)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=ANSWER_S, check=False, cwd="/")
        assert done.returncode == 0 or not check, f"{words}: {done.stdout}{done.stderr}"
        return done

    def systemctl(self, *words: str) -> str:
        """Run systemctl and return what it prints."""
        return self.run("systemctl", "--no-pager", *words).stdout.strip()

    def show(self, unit: str, name: str) -> str:
        """Return a property of a unit."""
        return self.systemctl("show", unit, f"--property={name}", "--value")

    def wait_for(self, unit: str, **wanted: str) -> None:
        """Wait until a unit's properties are these; systemd says nothing by itself, so it is asked."""
        until = time.monotonic() + ANSWER_S
        while (found := {name: self.show(unit, name) for name in wanted}) != wanted:
            assert time.monotonic() < until, f"{unit}: {found}, not {wanted}: {self.journal()}"
            time.sleep(POLL_S)

    def journal(self, *words: str) -> str:
        """Return the newest lines of its journal."""
        return self.run("journalctl", "--no-pager", "--lines=60", *words, check=False).stdout

    def write(self, path: str, text: str) -> None:
        """Write a file in it."""
        self.run("mkdir", "-p", str(Path(path).parent))
        (self.root / path.lstrip("/")).write_text(text)


ENVIRONMENT = ("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LANG=C.UTF-8")


@contextlib.contextmanager
def booted(folder: Path, system: Path = Path("/")) -> Iterator[Machine]:
    """Boot a container and stop it at the end.

    Args:
        folder: empty, of ours.
        system: root of the files that are booted.

    """
    units, root, log = folder / "units", folder / "root", folder / "console.log"
    units.mkdir()
    root.mkdir()
    (units / TARGET).write_text(TARGET_UNIT)
    name = f"amanuensis-{uuid.uuid4().hex[:8]}"
    nspawn = ["systemd-nspawn", "--quiet", f"--directory={root}", "--volatile=overlay", "--private-network"]
    nspawn += [f"--machine={name}", f"--uuid={uuid.uuid4().hex}", "--register=no", "--keep-unit", "--link-journal=no"]
    nspawn += [f"--bind-ro={units}:/run/systemd/system", "--console=read-only", "--boot", "--", f"--unit={TARGET}"]
    command = ["unshare", "--mount", "--propagation", "private", "sh", "-c", SCRIPT, "sh"]
    command += [str(system), str(root), *nspawn]
    with log.open("wb") as console:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=console, stderr=console, start_new_session=True
        )
    try:
        machine = Machine(_init_of(process, log), log)
        _wait_until_up(machine)
        yield machine
    finally:
        process.send_signal(signal.SIGTERM)  # nspawn has its systemd power off
        try:
            process.wait(BOOT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _init_of(process: subprocess.Popen[bytes], log: Path) -> int:
    """Wait until nspawn has started its systemd and return that."""
    until = time.monotonic() + BOOT_S
    while time.monotonic() < until:
        assert process.poll() is None, f"nspawn ended: {log.read_text(errors='replace')[-800:]}"
        for child in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split():
            with contextlib.suppress(OSError):
                if Path(f"/proc/{child}/comm").read_text().strip() == "systemd":
                    return int(child)
        time.sleep(POLL_S)
    raise AssertionError(f"systemd did not start: {log.read_text(errors='replace')[-800:]}")


def _wait_until_up(machine: Machine) -> None:
    until = time.monotonic() + BOOT_S
    while machine.run("systemctl", "is-active", "--quiet", TARGET, check=False).returncode:
        assert time.monotonic() < until, machine.log.read_text(errors="replace")[-800:]
        time.sleep(POLL_S)

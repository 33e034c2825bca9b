"""The container image built by buildah over a Debian of the tests, and its entry point started as a runtime would.

No registry of images is asked: the base is debootstrap's minimal system under a name of its own, and wheels come from
a folder. What is started has a root that cannot be written and namespaces of its own, and is process 1 in them.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
BASE = "localhost/debian-of-the-tests"
STATE = "/var/lib/amanuensis"
ENTER = f"""\
set -e
root=$1 state=$2
shift 2
ip link set lo up
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount --bind "$state" "$root{STATE}"
mount -t tmpfs tmpfs "$root/tmp"
mount -o remount,bind,ro "$root"
exec "$@"
"""
ANSWER_S = 3000.0  # only against hanging


@dataclass(frozen=True, slots=True)
class Running:
    """The entry point, started."""

    process: subprocess.Popen[str]
    init: int  # process id of the entry point, seen from here; it is 1 to itself. 0: it has ended without listening
    user: str
    root: Path
    environment: tuple[str, ...]

    def inside(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a program of the image beside it, as its user."""
        entered = ["nsenter", "--mount", "--net", "--pid", "--target", str(self.init)]
        command = [
            *entered,
            "chroot",
            f"--userspec={self.user}",
            str(self.root),
            "env",
            "-i",
            *self.environment,
            *words,
        ]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=ANSWER_S)

    def from_its_network(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a program of this machine that sees the network of the container."""
        command = ["nsenter", "--net", "--target", str(self.init), *words]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=ANSWER_S)


@dataclass(frozen=True, slots=True)
class Image:
    """An image, mounted."""

    root: Path
    config: Mapping[str, Any]  # as docker writes it: User, Env, Entrypoint, Cmd, Healthcheck, ...

    @contextlib.contextmanager
    def started(self, state: Path, **environment: str) -> Iterator[Running]:
        """Start the entry point with its usual command; `state` is the volume and belongs to its user afterwards."""
        user = self.config["User"]
        shutil.chown(state, *map(int, user.split(":")))
        told = (*self.config["Env"], *(f"{name}={value}" for name, value in environment.items()))
        program = [*self.config["Entrypoint"], *self.config["Cmd"]]
        apart = ["unshare", "--mount", "--pid", "--net", "--fork", "--kill-child"]
        entered = ["sh", "-c", ENTER, "sh", str(self.root), str(state)]
        command = [*apart, *entered, "chroot", f"--userspec={user}", str(self.root), "env", "-i", *told, *program]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            assert process.stdout is not None
            init = _children(process.pid)[0] if process.stdout.readline() else 0
            yield Running(process, init, user, self.root, told)
        finally:
            for child in _children(process.pid):  # its death signal was lost when it gave up root
                os.kill(child, signal.SIGKILL)
            process.kill()
            process.communicate()


def _children(pid: int) -> list[int]:
    """The processes that a process has started; none when it is gone."""
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []


@contextlib.contextmanager
def built_image(base: Path, scratch: Path) -> Iterator[Image]:
    """Build the image over a Debian system and mount it.

    Args:
        base: the root folder of the system.
        scratch: an empty folder for wheels and buildah's store.

    """
    store = _store(scratch)
    locks = [word for name in ("requirements", "tools") for word in ("-r", str(ROOT / f"packaging/{name}.lock"))]
    wheels = scratch / "wheels"
    only = ["--no-deps", "--require-hashes", "--only-binary", ":all:"]
    fetched = [sys.executable, "-m", "pip", "download", "-q", "-d", str(wheels), *only, *locks]
    done = subprocess.run(fetched, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"the wheels of the locks cannot be fetched: {done.stderr.strip()[-300:]}")
    try:
        container = _run(*store, "from", "scratch")
        _run(*store, "add", "-q", container, str(base), "/")
        _run(*store, "commit", "-q", "--rm", container, BASE)
        offline = [
            "--build-arg",
            f"BASE={BASE}",
            "--build-arg",
            "PIP_NO_INDEX=1",
            "--build-arg",
            "PIP_FIND_LINKS=/wheels",
        ]
        how = ["--isolation", "chroot", "--pull-never", "--format", "docker", "--volume", f"{wheels}:/wheels:ro"]
        file = str(ROOT / "packaging/oci/Containerfile")
        _run(*store, "build", "-q", *how, *offline, "--tag", "amanuensis", "--file", file, str(ROOT))
        container = _run(*store, "from", "--pull-never", "amanuensis")
        told = json.loads(_run(*store, "inspect", "--type", "image", "amanuensis"))
        yield Image(Path(_run(*store, "mount", container)), told["Docker"]["config"])
    finally:
        for words in (("rm", "--all"), ("rmi", "--all", "--force")):
            subprocess.run([*store, *words], capture_output=True, check=False)


def _store(scratch: Path) -> list[str]:
    """Buildah with a store of its own, by the driver that works here."""
    for driver in ("overlay", "vfs"):
        command = ["buildah", "--storage-driver", driver]
        command += ["--root", str(scratch / f"{driver}-store"), "--runroot", str(scratch / f"{driver}-run")]
        if subprocess.run([*command, "images"], capture_output=True, check=False).returncode == 0:
            return command
    pytest.skip("buildah cannot keep images here: neither overlay nor vfs works")


def _run(*words: str) -> str:
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=ANSWER_S)
    assert done.returncode == 0, f"{words}: {done.stdout[-2000:]}{done.stderr[-4000:]}"
    return done.stdout.strip()

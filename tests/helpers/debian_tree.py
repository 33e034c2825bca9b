"""A small Debian 12 to install packages in: debootstrap's minimal system, copied, its programs run by chroot.

The system is fetched once and kept in the folder that AMANUENSIS_TREE names, else made anew for each run of the tests,
from the mirror that this machine's apt uses. Programs have processes of their own, and only the loopback as a network
unless more is asked for.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

RELEASE = "bookworm"
TOOLS = ("debootstrap", "chroot", "unshare", "mount", "ip")
ANSWER_S = 900.0  # only against hanging
ENTER = """\
set -e
mount -t proc proc "$1/proc"
mount -t tmpfs tmpfs "$1/run"
[ "$2" = open ] || ip link set lo up
root=$1
shift 2
exec chroot "$root" "$@"
"""
ENVIRONMENT = (
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME=/root",
    "LANG=C.UTF-8",
    "DEBIAN_FRONTEND=noninteractive",
)


@dataclass(frozen=True, slots=True)
class Tree:
    """A Debian system in a folder."""

    root: Path

    def run(self, *words: str | Path, network: bool = False, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a program as root in the system, with no more network than the loopback unless it is asked for."""
        apart = ["unshare", "--mount", "--pid", "--fork", "--kill-child", *([] if network else ["--net"])]
        entered = ["sh", "-c", ENTER, "sh", str(self.root), "open" if network else "closed"]
        command = [*apart, *entered, "env", "-i", *ENVIRONMENT, *map(str, words)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=ANSWER_S, check=False, cwd="/")
        assert done.returncode == 0 or not check, f"{words}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
        return done

    def satisfy(self, *relations: str) -> None:
        """Install what a `Depends` line asks for, from Debian; skips by name where Debian cannot be reached."""
        shutil.copyfile("/etc/resolv.conf", self.root / "etc/resolv.conf")
        quiet = ("-qq", "-o", "APT::Update::Error-Mode=any", "-o", "Acquire::Retries=2")
        if (done := self.run("apt-get", *quiet, "update", network=True, check=False)).returncode:
            pytest.skip(f"Debian's packages are out of reach: {done.stderr.strip()[-300:]}")
        self.run("apt-get", "-qq", "-y", "--no-install-recommends", "satisfy", *relations, network=True)

    def files(self) -> set[str]:
        """Return every path in the system."""
        return {str(Path(folder) / name) for folder, names, files in os.walk(self.root) for name in names + files}


def debian_tree(scratch: Path) -> Tree:
    """Return a fresh minimal system.

    Args:
        scratch: a folder of the test, empty.

    """
    if why := why_not():
        pytest.skip(f"no Debian can be installed here: {why}")
    kept = Path(os.environ.get("AMANUENSIS_TREE") or scratch / "base")
    base = kept / RELEASE
    if not base.is_dir():
        kept.mkdir(parents=True, exist_ok=True)
        partial = kept / f"{RELEASE}.partial-{os.getpid()}"
        words = ["debootstrap", "--variant=minbase", RELEASE, str(partial), *mirror()]
        done = subprocess.run(words, capture_output=True, text=True, timeout=ANSWER_S, check=False)
        if done.returncode:
            shutil.rmtree(partial, ignore_errors=True)
            pytest.skip(f"debootstrap cannot fetch Debian: {(done.stderr or done.stdout).strip()[-300:]}")
        for archive in (partial / "var/cache/apt/archives").glob("*.deb"):
            archive.unlink()
        partial.rename(base)
    root = scratch / "tree"
    subprocess.run(["cp", "-a", "--reflink=auto", str(base), str(root)], check=True)
    return Tree(root)


def why_not() -> str:
    """Say why no Debian can be installed here, "" where one can."""
    if os.geteuid() != 0:
        return "debootstrap and chroot need root"
    if missing := [tool for tool in TOOLS if shutil.which(tool) is None]:
        return f"{', '.join(missing)} is not installed"
    tried = subprocess.run(["unshare", "--mount", "--pid", "--net", "--fork", "true"], capture_output=True, check=False)
    return "" if tried.returncode == 0 else f"no namespaces: {tried.stderr.decode().strip()}"


def mirror() -> list[str]:
    """Return the mirror of this machine's own Debian; none where it is no Debian of this release."""
    if shutil.which("apt-get") is None:
        return []
    words = ["apt-get", "indextargets", "--format", "$(CODENAME) $(REPO_URI)", "Created-By: Packages"]
    found = subprocess.run(words, capture_output=True, text=True, check=False).stdout.splitlines()
    return [line.split()[1] for line in found if line.split()[0] == RELEASE][:1]

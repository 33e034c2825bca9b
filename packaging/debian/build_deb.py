"""Build the Debian package.

`python packaging/debian/build_deb.py --wheel WHEEL` makes dist/amanuensis_VERSION_ARCHITECTURE.deb and prints its path.
The wheels of packaging/requirements.lock are fetched for Debian 12's Python, whatever Python this is. The age of
everything is SOURCE_DATE_EPOCH, else that of the last commit; the same commit gives the same bytes.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import venv
import zipfile
from collections.abc import Sequence
from pathlib import Path

from deb_tree import (
    HERE,
    PYTHON,
    ROOT,
    SITE,
    place_control,
    place_documents,
    place_environment,
    place_system,
    settle,
    without_leftovers,
)

LOCK = ROOT / "packaging" / "requirements.lock"
MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}  # what Debian and what wheels call them
GLIBC = range(36, 16, -1)  # minor versions of 2.x whose wheels run on Debian 12, the newest first


class BuildError(Exception):
    """The package cannot be built; the message says why."""


def run(*words: str | Path, **environment: str) -> str:
    """Run a program and return what it prints.

    Raises:
        BuildError: it is not there, or fails.

    """
    env = os.environ | environment
    try:
        done = subprocess.run([str(word) for word in words], capture_output=True, text=True, env=env, check=False)
    except FileNotFoundError:
        raise BuildError(f"{words[0]} is not installed") from None
    if done.returncode:
        raise BuildError(f"{' '.join(map(str, words[:4]))} ... fails: {done.stderr.strip()[-2000:]}")
    return done.stdout


def install_wheels(site: Path, wheel: Path, machine: str) -> None:
    """Unpack what the lock names, every hash checked, and our own wheel.

    Args:
        site: folder of packages, made.
        wheel: ours.
        machine: x86_64 or aarch64.

    Raises:
        BuildError: a wheel is missing for this machine, or is another than the lock says.

    """
    platforms = [f"manylinux_2_{minor}_{machine}" for minor in GLIBC] + [f"manylinux2014_{machine}"]
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-warn-conflicts"]
    pip += ["--no-deps", "--no-compile", "--target", str(site), "--implementation", "cp"]
    pip += ["--python-version", PYTHON.removeprefix("python"), "--only-binary", ":all:"]
    pip += [f"--platform={platform}" for platform in platforms]
    run(*pip, "--require-hashes", "--requirement", LOCK)
    without_leftovers(site)  # before the second one, which would find its place taken
    name, version, *_ = wheel.name.split("-")
    run(*pip, "--no-index", "--find-links", wheel.parent, f"{name}=={version}")  # by name: no path is written down
    without_leftovers(site)


def notices(site: Path, scratch: Path) -> str:
    """Return the notices of what the tree carries, read through an environment that can run here."""
    venv.create(scratch)
    packages = next((scratch / "lib").glob("python3.*")) / "site-packages"
    packages.rmdir()
    packages.symlink_to(site)
    return run(sys.executable, ROOT / "packaging" / "notices.py", "--python", scratch / "bin" / "python3")


def build(wheel: Path, out: Path, architecture: str, epoch_s: int) -> Path:
    """Build the package.

    Args:
        wheel: of this project, to be carried.
        out: folder, made where it is missing.
        architecture: as Debian calls it.
        epoch_s: age of all files, seconds since 1970.

    Raises:
        BuildError: something is missing; nothing is left behind.

    """
    version = wheel.name.split("-")[1]
    with tempfile.TemporaryDirectory() as folder:
        root, manual, completion = Path(folder) / "tree", Path(folder) / "man", Path(folder) / "completion"
        install_wheels(root / SITE, wheel, MACHINES[architecture])
        with zipfile.ZipFile(wheel) as ours:
            ours.extractall(Path(folder) / "ours")
        where = {"PYTHONPATH": str(Path(folder) / "ours"), "SOURCE_DATE_EPOCH": str(epoch_s)}
        # Of what is carried, not of an installed checkout.
        run(sys.executable, HERE / "manual.py", manual, **where)
        run(sys.executable, HERE / "completion.py", completion, **where)
        place_environment(root)
        place_system(root)
        place_documents(root, manual, completion, notices(root / SITE, Path(folder) / "environment"))
        place_control(root, version, architecture)
        return pack(root, out / f"amanuensis_{version}_{architecture}.deb", epoch_s)


def pack(root: Path, package: Path, epoch_s: int) -> Path:
    """Make the package of a tree, the same bytes whatever the machine."""
    settle(root, epoch_s)
    package.parent.mkdir(parents=True, exist_ok=True)
    words = ["dpkg-deb", "--build", "--root-owner-group", "-Zzstd", "-z12"]
    run(*words, root, package, SOURCE_DATE_EPOCH=str(epoch_s))
    return package


def epoch() -> int:
    """Return the age of the package: what SOURCE_DATE_EPOCH says, else the last commit's."""
    return int(os.environ.get("SOURCE_DATE_EPOCH") or run("git", "-C", ROOT, "log", "-1", "--format=%ct"))


def main(words: Sequence[str] | None = None) -> int:
    """Build and print the path."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--wheel", type=Path, required=True, help="of this project")
    parser.add_argument("--out", type=Path, default=ROOT / "dist", help="folder of the package (default: dist)")
    parser.add_argument("--architecture", choices=MACHINES, help="default: this machine's")
    args = parser.parse_args(words)
    try:
        architecture = args.architecture or run("dpkg", "--print-architecture").strip()
        if architecture not in MACHINES:
            raise BuildError(f"architecture {architecture} has no wheels; one of {', '.join(MACHINES)}")
        print(build(args.wheel.resolve(), args.out.resolve(), architecture, epoch()))
    except BuildError as error:
        print(f"package-deb: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

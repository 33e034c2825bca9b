"""The tree of the Debian package: what stands where on the machine that installs it, and dpkg's own files beside it.

    /usr/lib/amanuensis     a virtual environment: launchers, and the wheels of the lock in lib/python3.11/site-packages
    /usr/bin                links to the launchers
    /usr/lib/systemd        the units of systemd/, neither enabled nor started
    /etc/amanuensis         the settings, a conffile

Everything is readable by all, of one age, and the same for the same commit.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import shutil
import string
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HERE = ROOT / "packaging" / "debian"
PYTHON = "python3.11"  # Debian 12's: compiled modules are for one minor version
HOME = "usr/lib/amanuensis"
SITE = f"{HOME}/lib/{PYTHON}/site-packages"
PROGRAMS = {"amanuensis": "main", "amanuensis-listen": "listen_main"}
UNITS = {"systemd/system": "usr/lib/systemd/system", "systemd/user": "usr/lib/systemd/user"}
CONFFILES = ["etc/amanuensis/config.toml"]
SCRIPTS = ["postinst", "prerm", "postrm"]
LAUNCHER = """\
#!/{home}/bin/python3
import sys

from amanuensis.daemon.main import {function}

sys.exit({function}())
"""


def place_environment(root: Path) -> None:
    """Make the virtual environment around the wheels: its interpreter is Debian's, its launchers are ours."""
    home = root / HOME
    (home / "bin").mkdir(parents=True, exist_ok=True)
    write(home / "pyvenv.cfg", "home = /usr/bin\ninclude-system-site-packages = false\n")
    (home / "bin" / "python3").symlink_to(f"/usr/bin/{PYTHON}")
    (root / "usr/bin").mkdir(parents=True, exist_ok=True)
    for name, function in PROGRAMS.items():
        write(home / "bin" / name, LAUNCHER.format(home=HOME, function=function), mode=0o755)
        (root / "usr/bin" / name).symlink_to(f"../lib/amanuensis/bin/{name}")


def place_system(root: Path) -> None:
    """Copy units, account and settings."""
    for source, target in UNITS.items():
        for unit in sorted((ROOT / source).glob("amanuensis.*")):
            write(root / target / unit.name, unit.read_text())
    write(root / "usr/lib/sysusers.d/amanuensis.conf", (ROOT / "systemd/sysusers.d/amanuensis.conf").read_text())
    write(root / CONFFILES[0], (HERE / "config.toml").read_text())


def place_documents(root: Path, manual: Path, completion: Path, notices: str) -> None:
    """Place manual pages, what bash completes, changes and licences.

    Args:
        root: of the tree.
        manual: folder with the pages.
        completion: script for bash.
        notices: of everything that is carried.

    """
    for page in sorted(manual.iterdir()):
        compress(root / f"usr/share/man/man{page.suffix[1:]}" / f"{page.name}.gz", page.read_text())
    completions = root / "usr/share/bash-completion/completions"
    write(completions / "amanuensis", completion.read_text())
    (completions / "amanuensis-listen").symlink_to("amanuensis")  # found by the name of the program
    documents = root / "usr/share/doc/amanuensis"
    compress(documents / "NEWS.gz", (ROOT / "CHANGELOG.md").read_text())
    ours = [(HERE / "copyright").read_text(), (ROOT / "NOTICE").read_text()]
    write(documents / "copyright", "\n".join([*ours, notices]))


def place_control(root: Path, version: str, architecture: str) -> None:
    """Write what dpkg reads: fields, conffiles, scripts and sums."""
    files = [path for path in sorted(root.rglob("*")) if path.is_file() and not path.is_symlink()]
    size_kib = sum(-(-path.stat().st_size // 1024) for path in files)
    known = {"version": version, "architecture": architecture, "installed_size_kib": str(size_kib), "python": PYTHON}
    sums = [f"{hashlib.md5(path.read_bytes()).hexdigest()}  {path.relative_to(root)}\n" for path in files]  # dpkg's
    control = root / "DEBIAN"
    write(control / "control", string.Template((HERE / "control.in").read_text()).substitute(known))
    write(control / "conffiles", "".join(f"/{name}\n" for name in CONFFILES))
    write(control / "md5sums", "".join(line for line in sums if line.split()[1] not in CONFFILES))
    for name in SCRIPTS:
        write(control / name, (HERE / name).read_text(), mode=0o755)


def settle(root: Path, epoch_s: int) -> None:
    """Give everything the modes and the age that it has in the package."""
    for path in [root, *root.rglob("*")]:
        if not path.is_symlink():
            is_program = path.parent.name in ("bin", "DEBIAN") and path.stat().st_mode & 0o100
            path.chmod(0o755 if path.is_dir() or is_program else 0o644)
        os.utime(path, (epoch_s, epoch_s), follow_symlinks=False)


def without_leftovers(site: Path) -> None:
    """Take away what an installation leaves that is of no use here, or differs between machines that build."""
    shutil.rmtree(site / "bin", ignore_errors=True)  # programs of the dependencies, for the interpreter that installed
    for cache in list(site.rglob("__pycache__")):
        shutil.rmtree(cache)
    for record in site.glob("*.dist-info/RECORD"):
        lines = record.read_text(encoding="utf-8").splitlines(keepends=True)
        record.write_text("".join(line for line in lines if not line.startswith("../../bin/")), encoding="utf-8")


def write(path: Path, text: str, *, mode: int = 0o644) -> None:
    """Write a file with the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)


def compress(path: Path, text: str) -> None:
    """Write a compressed file, the same for the same text."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(text.encode(), mtime=0))

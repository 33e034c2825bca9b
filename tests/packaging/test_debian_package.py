"""The Debian package without the wheels that it carries: what stands where, and what dpkg says of it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
from build_deb import pack
from deb_tree import (
    CONFFILES,
    HERE,
    SCRIPTS,
    place_control,
    place_documents,
    place_environment,
    place_system,
    without_leftovers,
    write,
)
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from amanuensis.daemon.config import Config, load_config
from amanuensis.daemon.service.units import PACKAGED

ROOT = Path(__file__).resolve().parents[2]
EPOCH_S = 1_700_000_000


def built(folder: Path) -> Path:
    """The package of a tree that holds everything but wheels."""
    manual = folder / "man"
    manual.mkdir()
    (manual / "amanuensis.1").write_text('.TH "AMANUENSIS" 1\n')
    (folder / "completion").write_text("complete amanuensis\n")
    place_environment(folder / "tree")
    place_system(folder / "tree")
    place_documents(folder / "tree", manual, folder / "completion", "notices of what is carried\n")
    place_control(folder / "tree", "1.2.3", "amd64")
    return pack(folder / "tree", folder / "amanuensis.deb", EPOCH_S)


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package, built once."""
    if shutil.which("dpkg-deb") is None:
        pytest.skip("dpkg-deb is not installed: no Debian package can be built or read here")
    return built(tmp_path_factory.mktemp("package"))


def dpkg(*words: str | Path) -> str:
    """What dpkg-deb says."""
    return subprocess.run(["dpkg-deb", *map(str, words)], check=True, capture_output=True, text=True).stdout


def test_files_stand_where_debian_looks(package: Path) -> None:
    """Programs, units, account, settings, manual and licences, all of root's, for all to read."""
    rows = [line.split(maxsplit=5) for line in dpkg("--contents", package).splitlines()]
    files = {row[5].removeprefix("."): (row[0], row[1]) for row in rows if not row[0].startswith("d")}
    assert {owner for _, owner in files.values()} == {"root/root"}
    assert {mode for mode, _ in files.values()} == {"-rw-r--r--", "-rwxr-xr-x", "lrwxrwxrwx"}
    assert set(files) == {
        "/etc/amanuensis/config.toml",
        "/usr/bin/amanuensis -> ../lib/amanuensis/bin/amanuensis",
        "/usr/bin/amanuensis-listen -> ../lib/amanuensis/bin/amanuensis-listen",
        "/usr/lib/amanuensis/bin/amanuensis",
        "/usr/lib/amanuensis/bin/amanuensis-listen",
        "/usr/lib/amanuensis/bin/python3 -> /usr/bin/python3.11",
        "/usr/lib/amanuensis/pyvenv.cfg",
        "/usr/lib/systemd/system/amanuensis.service",
        "/usr/lib/systemd/system/amanuensis.socket",
        "/usr/lib/systemd/user/amanuensis.service",
        "/usr/lib/systemd/user/amanuensis.socket",
        "/usr/lib/sysusers.d/amanuensis.conf",
        "/usr/share/bash-completion/completions/amanuensis",
        "/usr/share/bash-completion/completions/amanuensis-listen -> amanuensis",
        "/usr/share/doc/amanuensis/NEWS.gz",
        "/usr/share/doc/amanuensis/copyright",
        "/usr/share/man/man1/amanuensis.1.gz",
    }
    directories = {row[0] for row in rows if row[0].startswith("d")}
    assert directories == {"drwxr-xr-x"}


def test_fields_say_what_it_needs(package: Path) -> None:
    """Version and architecture are those asked for; interpreter, PortAudio and what the units call are required."""
    fields = dict(re.findall(r"^(\S+): (.*)$", dpkg("--field", package), re.MULTILINE))
    assert (fields["Package"], fields["Version"], fields["Architecture"]) == ("amanuensis", "1.2.3", "amd64")
    needed = {relation.split()[0] for relation in fields["Depends"].split(", ")}
    assert {"python3", "python3.11", "libportaudio2", "procps", "systemd"} <= needed
    assert "$" not in dpkg("--field", package)


def test_dpkg_knows_conffiles_scripts_and_sums(package: Path, tmp_path: Path) -> None:
    """Settings are the administrator's; every other file has the sum that dpkg --verify looks at."""
    dpkg("--control", package, tmp_path / "control")
    dpkg("--extract", package, tmp_path / "tree")
    assert (tmp_path / "control/conffiles").read_text().split() == [f"/{name}" for name in CONFFILES]
    for name in SCRIPTS:
        assert os.access(tmp_path / "control" / name, os.X_OK)
    checked = ["md5sum", "--check", "--strict", "--quiet", tmp_path / "control/md5sums"]
    subprocess.run(checked, cwd=tmp_path / "tree", check=True)
    plain = [path for path in (tmp_path / "tree").rglob("*") if path.is_file() and not path.is_symlink()]
    assert len((tmp_path / "control/md5sums").read_text().splitlines()) == len(plain) - len(CONFFILES)


def test_two_builds_are_the_same_bytes(package: Path, tmp_path: Path) -> None:
    """Neither the folder, nor the time, nor the umask of who builds is in it."""
    before = os.umask(0o077)
    try:
        again = built(tmp_path)
    finally:
        os.umask(before)
    assert again.read_bytes() == package.read_bytes()


def test_nothing_of_an_installer_stays(tmp_path: Path) -> None:
    """Programs that name the interpreter of the build, the sums of these and compiled modules are not carried."""
    files = {
        "bin/tool": "#!/build/bin/python\n",
        "tool/__init__.py": "",
        "tool/__pycache__/__init__.pyc": "",
        "tool-1.dist-info/RECORD": "../../bin/tool,sha256=abc,20\ntool/__init__.py,sha256=def,0\n",
    }
    for name, text in files.items():
        write(tmp_path / name, text)
    without_leftovers(tmp_path)
    left = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert left == {"tool/__init__.py", "tool-1.dist-info/RECORD"}
    assert (tmp_path / "tool-1.dist-info/RECORD").read_text() == "tool/__init__.py,sha256=def,0\n"


@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts_are_posix(name: str) -> None:
    """Debian's plain shell, which dpkg runs them with, can read them."""
    subprocess.run([shutil.which("dash") or "sh", "-n", HERE / name], check=True)
    assert (HERE / name).read_text().startswith("#!/bin/sh\n")


def test_units_start_the_program_of_the_package() -> None:
    """The packaged units name /usr/bin/amanuensis."""
    for kind in ("system", "user"):
        assert PACKAGED in (ROOT / "systemd" / kind / "amanuensis.service").read_text()


def test_settings_of_the_package_change_nothing(tmp_path: Path) -> None:
    """The file as it is shipped is accepted, gives the defaults, and what it shows behind # is accepted too."""
    shipped = (HERE / "config.toml").read_text()
    uncommented = re.sub(r"^# (?=\w+ = )", "", shipped, flags=re.MULTILINE)
    assert uncommented.count(" = ") > 2
    for text in (shipped, uncommented):
        (tmp_path / "config.toml").write_text(text)
        config, _ = load_config({}, {}, [tmp_path / "config.toml"])
        assert (config == Config()) == (text == shipped)


def test_lock_has_what_the_project_needs() -> None:
    """Every dependency, and those of the extras that the package carries, is locked in a version that is allowed."""
    lock = (ROOT / "packaging/requirements.lock").read_text()
    locked = {
        canonicalize_name(name): version for name, version in re.findall(r"^([\w.-]+)==(\S+)", lock, re.MULTILINE)
    }
    assert lock.count("--hash=sha256:") >= len(locked)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    for wanted in map(Requirement, [*project["dependencies"], *extras["rest"], *extras["zeroconf"]]):
        assert locked[canonicalize_name(wanted.name)] in wanted.specifier

"""The Debian package in a Debian 12 of its own: installed without a network, used, upgraded, removed, purged.

The tests of this file go on from one another, in order.
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import soundfile

from tests.helpers.booted import booted, why_not
from tests.helpers.booted_service import SERVICE, SOCKET, connected
from tests.helpers.daemon_client import check_invariants, hello, pcm
from tests.helpers.debian_tree import Tree, debian_tree

ROOT = Path(__file__).resolve().parents[3]
OFFLINE = re.compile(r"NameResolutionError|NewConnectionError|ConnectTimeout|Network is unreachable", re.I)
AUDIO = {"enc": "s16le", "rate": 16000, "ch": 1, "framing": "raw"}
SENTENCE, TEXT = "narrow_seen_003.flac", "The train leaves at five thirty nine."
CLIP = "/usr/lib/amanuensis/lib/python3.11/site-packages/amanuensis/daemon/data/demo.flac"
SETTINGS = "etc/amanuensis/config.toml"
# What a package manager keeps of its own work, and accounts, which stay.
KEPT = re.compile(r"/(var/lib/dpkg|var/log)/|/etc/(passwd|shadow|group|gshadow)-$|/etc/\.pwd\.lock$")
AS_USER = ("runuser", "-u", "nobody", "--", "env", "HOME=/tmp/nobody")


@pytest.fixture(scope="module")
def commit() -> str:
    """The commit that is packed, whatever is committed meanwhile."""
    words = ["git", "-C", str(ROOT), "rev-parse", "HEAD"]
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()


def built(folder: Path, commit: str, **environment: str) -> Path:
    """The package of a commit; skips by name where the wheels that it carries cannot be fetched."""
    command = [ROOT / "script/package-deb", folder, commit]
    done = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, check=False)
    if done.returncode and OFFLINE.search(done.stderr):
        pytest.skip("no package registry in reach: the wheels that the package carries cannot be fetched")
    assert done.returncode == 0, done.stderr[-2000:]
    return Path(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def package(commit: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package."""
    if shutil.which("dpkg-deb") is None:
        pytest.skip("dpkg-deb is not installed: no Debian package can be built here")
    return built(tmp_path_factory.mktemp("package"), commit)


@pytest.fixture(scope="module")
def bare(package: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Tree, set[str]]:
    """A system with what the package depends on, and all paths in it."""
    tree = debian_tree(tmp_path_factory.mktemp("debian"))
    depends = subprocess.run(["dpkg-deb", "-f", package, "Depends"], check=True, capture_output=True, text=True).stdout
    tree.satisfy(depends.strip(), "dbus")  # dbus is what a machine boots with
    return tree, tree.files()


@pytest.fixture(scope="module")
def tree(bare: tuple[Tree, set[str]], package: Path) -> Tree:
    """The system with the package, installed without a network."""
    install(bare[0], package)
    return bare[0]


def install(tree: Tree, package: Path) -> str:
    """Have dpkg install a package, and return what it says."""
    shutil.copyfile(package, tree.root / "tmp" / package.name)
    said = tree.run("dpkg", "--install", f"/tmp/{package.name}").stdout
    (tree.root / "tmp" / package.name).unlink()
    return said


def test_same_commit_gives_the_same_bytes(commit: str, package: Path, tmp_path: Path) -> None:
    """Built again in another folder, with another home, time zone and umask, it is the same file."""
    before = os.umask(0o077)
    try:
        again = built(tmp_path / "again", commit, HOME=str(tmp_path), TZ="Pacific/Auckland", LC_ALL="C")
    finally:
        os.umask(before)
    assert hashlib.sha256(again.read_bytes()).hexdigest() == hashlib.sha256(package.read_bytes()).hexdigest()


def test_nothing_of_the_building_machine_is_inside(tree: Tree) -> None:
    """No file names the checkout or says where it came from, and what is recorded of each distribution is there."""
    home = tree.root / "usr/lib/amanuensis"
    named = [path for path in home.rglob("*") if path.is_file() and str(ROOT).encode() + b"/" in path.read_bytes()]
    assert not named
    assert not list(home.rglob("direct_url.json"))
    records = list(home.rglob("*.dist-info/RECORD"))
    assert len(records) > 30
    for record in records:
        with record.open(newline="") as file:
            assert [name for name, *_ in csv.reader(file) if not (record.parents[1] / name).exists()] == []


def test_programs_run(tree: Tree, package: Path) -> None:
    """A user who is not root gets the version, the words of a recording, and captions through the daemon."""
    version = package.name.split("_")[1]
    assert tree.run(*AS_USER, "amanuensis", "--version").stdout.split() == ["amanuensis", version]
    assert "--input" in tree.run(*AS_USER, "amanuensis-listen", "--help").stdout
    said = json.loads(tree.run(*AS_USER, "amanuensis", "transcribe", "--json", CLIP).stdout)
    assert "what time is it" in said["text"].lower()
    lines = tree.run(*AS_USER, "amanuensis", "demo", "--json", "--speed", "8").stdout.splitlines()
    assert {"partial", "commit", "final", "bye", "summary"} <= {json.loads(line).get("type") for line in lines}


def test_everything_stands_where_it_should(tree: Tree) -> None:
    """Account, units that systemd verifies and nobody has enabled, modules compiled once, a page for each command."""
    account = tree.run("getent", "passwd", "amanuensis").stdout.strip().split(":")
    assert account[5] == "/var/lib/amanuensis"
    for kind in ("system", "user"):
        units = [f"/usr/lib/systemd/{kind}/{unit}" for unit in (SERVICE, SOCKET)]
        done = tree.run("env", "XDG_RUNTIME_DIR=/run", "systemd-analyze", f"--{kind}", "verify", *units, check=False)
        assert (done.returncode, done.stdout + done.stderr) == (0, "")
    assert tree.run("systemctl", "is-enabled", SERVICE, check=False).stdout.strip() == "disabled"
    site = tree.root / "usr/lib/amanuensis/lib/python3.11/site-packages"
    assert list((site / "amanuensis/daemon/__pycache__").glob("main.*.pyc"))
    listed = "from amanuensis.daemon.main import COMMANDS; print(*COMMANDS)"
    names = tree.run("/usr/lib/amanuensis/bin/python3", "-c", listed).stdout.split()
    pages = {path.name for path in (tree.root / "usr/share/man/man1").glob("amanuensis*")}
    assert pages == {"amanuensis.1.gz", *(f"amanuensis-{name}.1.gz" for name in names)}
    notices = (tree.root / "usr/share/doc/amanuensis/copyright").read_text()
    carried = {path.name.split("-")[0].lower() for path in site.glob("*.dist-info")} - {"amanuensis"}
    assert [name for name in carried if name.replace("_", "-") not in notices.lower().replace("_", "-")] == []
    assert tree.run("dpkg", "--verify", "amanuensis").stdout == ""


async def test_the_service_of_the_package_serves(tree: Tree, package: Path, tmp_path: Path) -> None:
    """A connection starts the daemon, which reads what is said; a new package restarts it, a removal stops it."""
    if why := why_not():
        pytest.skip(f"systemd cannot be booted here: {why}")
    samples, _ = soundfile.read(ROOT / "tests/data/synthetic" / SENTENCE, dtype="float32")
    with booted(tmp_path, tree.root) as machine:
        machine.systemctl("enable", "--now", SOCKET)
        async with connected(machine, hello(audio=AUDIO)) as client:
            await client.until(type="ready")
            await client.send(pcm(samples))
            await client.send({"type": "end"})
            await client.over()
        check_invariants(client.events)
        assert client.text == TEXT
        assert machine.show(SERVICE, "FragmentPath").endswith(f"/lib/systemd/system/{SERVICE}")
        machine.systemctl("reload", SERVICE)
        before = machine.show(SERVICE, "MainPID")
        shutil.copyfile(package, machine.root / "srv" / package.name)
        machine.run("dpkg", "--install", f"/srv/{package.name}")
        machine.wait_for(SERVICE, ActiveState="active", Result="success")
        assert machine.show(SERVICE, "MainPID") not in (before, "0")
        machine.run("dpkg", "--remove", "amanuensis")
        assert machine.show(SERVICE, "LoadState") == "not-found"
        assert machine.show(SERVICE, "ActiveState") == machine.show(SOCKET, "ActiveState") == "inactive"


def test_an_upgrade_keeps_settings(tree: Tree, package: Path, tmp_path: Path) -> None:
    """What an administrator has written stays, what the service has kept too, and nothing of the old version does."""
    with (tree.root / SETTINGS).open("a") as file:
        file.write("# written by hand\n")
    kept = tree.root / "var/lib/amanuensis/kept"
    kept.parent.mkdir()
    kept.touch()
    assert f"Unpacking amanuensis (9.9) over ({package.name.split('_')[1]})" in install(tree, later(package, tmp_path))
    assert (tree.root / SETTINGS).read_text().endswith("# written by hand\n")
    assert kept.exists()
    assert tree.run("dpkg-query", "-W", "-f", "${Version}", "amanuensis").stdout == "9.9"
    assert "amanuensis" in tree.run(*AS_USER, "amanuensis", "--version").stdout


def later(package: Path, folder: Path) -> Path:
    """The same package as version 9.9."""
    subprocess.run(["dpkg-deb", "--raw-extract", package, folder / "tree"], check=True)
    control = folder / "tree/DEBIAN/control"
    control.write_text(re.sub(r"^Version: .*", "Version: 9.9", control.read_text(), flags=re.MULTILINE))
    words = ["dpkg-deb", "--build", "--root-owner-group", "-Znone", folder / "tree", folder / "amanuensis_9.9.deb"]
    subprocess.run(words, check=True, capture_output=True)
    return folder / "amanuensis_9.9.deb"


def test_removal_keeps_what_people_made(tree: Tree) -> None:
    """The program and its units are gone, enabled or not; settings and recordings stay."""
    tree.run("systemctl", "enable", SOCKET, SERVICE)
    tree.run("dpkg", "--remove", "amanuensis")
    assert not (tree.root / "usr/lib/amanuensis").exists()
    assert not [path for path in tree.files() if path.endswith((SERVICE, SOCKET))]
    assert (tree.root / SETTINGS).exists()
    assert (tree.root / "var/lib/amanuensis/kept").exists()


def test_purge_leaves_nothing_behind(bare: tuple[Tree, set[str]], tree: Tree) -> None:
    """Settings, tokens, recordings: all that was not there before is gone, but the account and dpkg's own records."""
    (tree.root / "etc/amanuensis/tokens.json").touch()
    tree.run("dpkg", "--purge", "amanuensis")
    shutil.rmtree(tree.root / "tmp/nobody", ignore_errors=True)
    left = {path.removeprefix(str(tree.root)) for path in tree.files() - bare[1]}
    assert [path for path in sorted(left) if not KEPT.search(path)] == []
    assert tree.run("getent", "passwd", "amanuensis").stdout

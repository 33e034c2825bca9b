"""The system service under a real systemd, booted in a container (tests/helpers/booted.py)."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import soundfile

from amanuensis.daemon.service.install import readiness
from tests.helpers.booted import Machine
from tests.helpers.booted_service import PROGRAM, SERVICE, SOCKET, address, children, connected, outside, status_of
from tests.helpers.daemon_client import check_invariants, cut, hello, pcm

AUDIO = {"enc": "s16le", "rate": 16000, "ch": 1, "framing": "raw"}
SENTENCE, TEXT = "narrow_seen_003.flac", "The train leaves at five thirty nine."


@pytest.fixture
def daemon(machine: Machine) -> int:
    """The service, running; its process as this side sees it."""
    machine.systemctl("reset-failed", SERVICE)
    machine.systemctl("start", SERVICE)
    return outside(machine, int(machine.show(SERVICE, "MainPID")))


@pytest.fixture(scope="module")
def sound(repository: Path) -> bytes:
    """A sentence that the built-in model reads."""
    samples, _ = soundfile.read(repository / "tests" / "data" / "synthetic" / SENTENCE, dtype="float32")
    return pcm(samples)


async def test_the_first_connection_starts_the_service(machine: Machine, sound: bytes) -> None:
    """Who connects while no daemon runs waits, is served by the hardened one, and reads what was said."""
    assert machine.show(SERVICE, "ActiveState") == "inactive"
    async with connected(machine, hello(audio=AUDIO)) as client:
        await client.until(type="ready")
        await client.send(sound)
        await client.send({"type": "end"})
        await client.over()
    check_invariants(client.events)
    assert client.text == TEXT
    assert "ended (end)" in machine.journal(f"SESSION={client.events[0]['session']}")
    assert machine.show(SERVICE, "ActiveState") == "active"
    assert re.fullmatch(r"\d+ sessions, \d+ clients; model builtin on cpu", machine.show(SERVICE, "StatusText"))
    told = json.loads(machine.run(PROGRAM, "service", "status", "--system", "--json").stdout)
    assert told["ready"]["ready"]
    assert told["asked"] == "unix:/run/amanuensis/amanuensis.sock"


def test_the_daemon_runs_in_its_sandbox(machine: Machine, daemon: int) -> None:
    """No root, no capability, no new privileges, filtered calls, nothing else to write; the score is printed."""
    status = status_of(daemon)
    account = machine.run("id", "--user", "amanuensis").stdout.strip()
    assert set(status["Uid"].split()) == {account} != {"0"}
    assert {int(status[name], 16) for name in ("CapPrm", "CapEff", "CapBnd", "CapAmb")} == {0}
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
    groups = {machine.run("getent", "group", name).stdout.split(":")[2] for name in ("audio", "render")}
    assert groups <= set(status["Groups"].split())
    mounted = Path(f"/proc/{daemon}/mountinfo").read_text().splitlines()
    mounts = {line.split()[4]: line.split()[5].split(",") for line in mounted}
    assert "ro" in mounts["/"]
    assert "rw" in mounts["/var/lib/amanuensis"]
    # The kernel's own limit may stay lower: a container without CAP_SYS_RESOURCE cannot raise it.
    assert machine.show(SERVICE, "LimitMEMLOCK") == "infinity"
    score = machine.run("systemd-analyze", "security", "--no-pager", SERVICE).stdout.splitlines()[-1]
    print(score)
    assert "OK" in score


async def test_settings_are_reloaded(machine: Machine, daemon: int) -> None:
    """`systemctl reload` waits until the daemon has read them; the journal says what changed, with fields."""
    machine.write("/etc/amanuensis/config.toml", "[limits]\nsessions = 5\n[engine]\nthreads = 2\n")
    machine.systemctl("reload", SERVICE)
    facts = readiness(f"unix:{address(machine)}")
    assert facts
    assert facts["max_sessions"] == 5
    assert outside(machine, int(machine.show(SERVICE, "MainPID"))) == daemon
    lines = machine.run("journalctl", "-o", "json", "LOGGER=amanuensis.daemon.lifecycle").stdout.splitlines()
    entry = json.loads(lines[-1])
    said = "reload: changed: limits.sessions; needs a restart: engine.threads; tokens and certificates were read"
    assert entry["MESSAGE"] == said
    assert (entry["PRIORITY"], entry["_SYSTEMD_UNIT"]) == ("4", SERVICE)


@pytest.fixture
def networked(machine: Machine) -> Iterator[str]:
    """The service with Wyoming, announced, on a machine with a network: the address that it has there."""
    if shutil.which("ip") is None:
        pytest.skip("ip is not installed: nobody can give the machine a network (iproute2)")
    for words in ("addr add 10.9.8.7/24 dev lo", "link set lo multicast on", "route add default dev lo src 10.9.8.7"):
        if (done := machine.run("ip", *words.split(), check=False)).returncode:
            pytest.skip(f"the machine cannot be given a network: ip {words}: {done.stderr.strip()}")
    file = "/etc/amanuensis/config.toml"
    machine.write(file, '[wyoming]\nlisten = "0.0.0.0:10300"\ntrusted = ["10.9.8.0/24"]\nannounce = true\n')
    machine.systemctl("restart", SERVICE)
    yield "10.9.8.7"
    machine.run("rm", file)
    machine.run("ip", "route", "del", "default")
    machine.systemctl("restart", SERVICE)


def test_wyoming_is_announced_from_the_sandbox(machine: Machine, networked: str, repository: Path) -> None:
    """The service may not ask the kernel for its interfaces, and is found on the usual one all the same."""
    assert "AF_NETLINK" not in machine.show(SERVICE, "RestrictAddressFamilies")
    seeker = repository / "tests" / "helpers" / "find_wyoming.py"
    assert machine.run(PROGRAM.parent / "python", seeker, networked).stdout == f"{networked} 10300\n"


@pytest.fixture
def short_watchdog(machine: Machine) -> Iterator[None]:
    """The service with a watchdog of 3 s in the place of 60."""
    drop_in = f"/etc/systemd/system/{SERVICE}.d/watchdog.conf"
    machine.write(drop_in, "[Service]\nWatchdogSec=3\n")
    machine.systemctl("daemon-reload")
    machine.systemctl("restart", SERVICE)
    yield
    machine.run("rm", drop_in)
    machine.systemctl("daemon-reload")
    machine.systemctl("restart", SERVICE)


async def test_a_daemon_that_hangs_is_started_again(machine: Machine, short_watchdog: None) -> None:
    """The watchdog ends it, systemd starts another, and that one serves."""
    restarts = int(machine.show(SERVICE, "NRestarts"))
    os.kill(outside(machine, int(machine.show(SERVICE, "MainPID"))), signal.SIGSTOP)
    machine.wait_for(SERVICE, NRestarts=str(restarts + 1), ActiveState="active")
    assert "Watchdog timeout" in machine.journal("-u", SERVICE)
    async with connected(machine, hello(audio=AUDIO)) as client:
        await client.until(type="ready")


async def test_an_engine_that_dies_restarts_nothing_else(machine: Machine, daemon: int, sound: bytes) -> None:
    """The daemon replaces its engine; what was said is read all the same."""
    (engine,) = children(daemon)
    async with connected(machine, hello(audio=AUDIO)) as client:
        await client.until(type="ready")
        os.kill(engine, signal.SIGKILL)
        await client.send(sound)
        await client.send({"type": "end"})
        await client.over()
    assert client.text == TEXT
    assert outside(machine, int(machine.show(SERVICE, "MainPID"))) == daemon


async def test_a_session_survives_a_restart(machine: Machine, daemon: int, sound: bytes) -> None:
    """`systemctl restart` in the middle of a sentence: the speaker comes back, and no word is lost or said twice."""
    pieces = cut(sound, [6400])
    async with connected(machine, hello(audio=AUDIO)) as client:
        ready = await client.until(type="ready")
        for piece in pieces[: len(pieces) // 2]:
            await client.send(piece)
        await client.settled()
        machine.systemctl("restart", SERVICE)
        assert await client.over() == (1001, "shutdown")
    before = client.events
    assert before[-1]["resume_until"] > 0
    back = {name: ready[name] for name in ("session", "resume_token")}
    after_seq = max((event["seq"] for event in before if "seq" in event), default=0)
    async with connected(machine, hello(audio=AUDIO, after_seq=after_seq, **back)) as client:
        again = await client.until(type="ready")
        for piece in pieces[again["next"] :]:
            await client.send(piece)
        await client.send({"type": "end"})
        await client.over()
    durable = [event for event in before + client.events if "seq" in event]
    assert [event["seq"] for event in durable] == list(range(1, len(durable) + 1))
    words = [word["text"] for event in durable if event["type"] == "commit" for word in event["words"]]
    assert "".join(words).strip() == TEXT
    assert not [event for event in durable if event["type"] == "gap"]


async def test_stopping_drains(machine: Machine, daemon: int, sound: bytes) -> None:
    """`systemctl stop` ends in good order with everybody told, and the next connection starts the service again."""
    async with connected(machine, hello(audio=AUDIO)) as client:
        await client.until(type="ready")
        await client.send(sound)
        await client.settled()
        machine.systemctl("stop", SERVICE)
        assert await client.over() == (1001, "shutdown")
    assert client.events[-1]["reason"] == "shutdown"
    assert machine.show(SERVICE, "Result") == "success"
    assert machine.show(SOCKET, "ActiveState") == "active"
    facts = readiness(f"unix:{address(machine)}")
    assert facts
    assert facts["ready"]


def test_uninstalling_leaves_nothing_behind(machine: Machine) -> None:
    """Units and sockets are gone, and status says so."""
    machine.run(PROGRAM, "service", "uninstall", "--system")
    assert machine.show(SERVICE, "ActiveState") == "inactive"
    assert not (machine.root / "etc/systemd/system" / SERVICE).exists()
    done = machine.run(PROGRAM, "service", "status", "--system", check=False)
    assert (done.returncode, "nobody" in done.stdout or "not installed" in done.stdout) == (1, True)

"""The life of a real daemon, as a service manager and a terminal see it."""

from __future__ import annotations

import json
import os
import pty
import signal
import socket
from pathlib import Path

import pytest
import soundfile

from amanuensis.daemon.addresses import Address
from amanuensis.daemon.lifecycle import stuck
from amanuensis.npu.engine.api import EngineStats
from tests.helpers.daemon_client import connected, get, hello, pcm
from tests.helpers.daemon_process import COMMAND, START_LIMIT_S
from tests.helpers.managed import Managed, managed

SENTENCE = "narrow_seen_003.flac"
AUDIO = {"enc": "s16le", "rate": 16000, "ch": 1, "framing": "raw"}


@pytest.fixture
def sound(repository: Path) -> bytes:
    """A sentence that the built-in model reads."""
    samples, rate = soundfile.read(repository / "tests" / "data" / "synthetic" / SENTENCE, dtype="float32")
    assert rate == AUDIO["rate"]
    return pcm(samples)


def write_limits(home: Path, text: str) -> None:
    """Write the settings of the daemon under test."""
    (home / "amanuensis").mkdir(exist_ok=True)
    (home / "amanuensis" / "config.toml").write_text(f"[limits]\n{text}\n")


async def test_a_manager_is_told_how_the_daemon_is(builtin_model: Path, sound: bytes, tmp_path: Path) -> None:
    """Who connects before the daemon is up is served; loading, ready, sessions, watchdog, reload, drain are told."""
    with socket.create_server(("127.0.0.1", 0)) as tcp, socket.socket(socket.AF_UNIX) as unix:
        unix.bind(str(tmp_path / "s"))
        unix.listen()
        address = Address(*tcp.getsockname())
        early = socket.create_connection((address.host, address.port))
        early.sendall(f"GET /readyz HTTP/1.1\r\nHost: {address}\r\n\r\n".encode())
        env = {"XDG_CONFIG_HOME": str(tmp_path), "WATCHDOG_USEC": "1000000"}
        with managed(builtin_model, tmp_path, [tcp, unix], ["--verbose"], **env) as daemon:
            assert daemon.until("STATUS").startswith("loading model")
            assert int(daemon.until("EXTEND_TIMEOUT_USEC")) > 0
            daemon.process.send_signal(signal.SIGHUP)  # too early: it is done once the daemon is up
            daemon.until("READY", "1")
            daemon.until("RELOADING", "1")
            daemon.until("READY", "1")
            early.settimeout(START_LIMIT_S)
            assert early.recv(65536).startswith(b"HTTP/1.1 200 OK")
            daemon.until("WATCHDOG", "1")
            async with connected(address, hello(audio=AUDIO)) as client:
                await client.until(type="ready")
                daemon.until("STATUS", "1 sessions, 1 clients; model builtin on cpu")
                await reloaded(daemon, address, tmp_path)
                await client.send(sound)
                await client.settled()
                status, out, err = daemon.stop(signal.SIGTERM)
                daemon.until("STOPPING", "1")
                assert await client.over() == (1001, "shutdown")
            assert client.events[-1]["reason"] == "shutdown"
            assert client.events[-1]["resume_until"] > 0  # the next process goes on with the session
        early.close()
    assert status == 0
    up = daemon.told.index({"READY": "1"})
    assert [told for told in daemon.told[up:] if "EXTEND_TIMEOUT_USEC" in told and "STOPPING" not in told] == []
    assert out.splitlines() == [f"listening ws://{address}/v1/session", f"listening unix:{tmp_path}/s"]
    assert "server.listen is not used" in err
    assert "reload: no setting changed" in err
    assert "reload: changed: limits.sessions, limits.idle_s" in err
    assert "config.toml:2: limits.sessions is 'many'" in err


async def reloaded(daemon: Managed, address: Address, home: Path) -> None:
    """Have settings read again: right ones hold at once, wrong ones change nothing."""
    write_limits(home, "sessions = 3\nidle_s = 77")
    daemon.process.send_signal(signal.SIGHUP)
    daemon.until("RELOADING")
    daemon.until("READY")
    assert json.loads((await get(address, "/readyz"))[2])["max_sessions"] == 3
    write_limits(home, "sessions = 'many'")
    daemon.process.send_signal(signal.SIGHUP)
    assert daemon.until("MONOTONIC_USEC").isdigit()
    daemon.until("READY")
    assert json.loads((await get(address, "/readyz"))[2])["max_sessions"] == 3


async def test_a_second_signal_stops_at_once(builtin_model: Path, sound: bytes, tmp_path: Path) -> None:
    """A drain that waits for an engine that hangs is cut off; the clients are told, and the exit status says so."""
    flags = ["--listen", "127.0.0.1:0"]
    with managed(builtin_model, tmp_path, flags=flags, AMANUENSIS_LIMITS_SHUTDOWN_S="600") as daemon:
        daemon.until("READY")
        assert daemon.process.stdout is not None
        host, port = daemon.process.stdout.readline().split("/")[2].split(":")
        children = Path(f"/proc/{daemon.process.pid}/task/{daemon.process.pid}/children").read_text().split()
        async with connected(Address(host, int(port)), hello(audio=AUDIO)) as client:
            await client.until(type="ready")
            for child in map(int, children):
                os.kill(child, signal.SIGSTOP)
            await client.send(sound)
            await client.settled()
            daemon.process.send_signal(signal.SIGTERM)
            daemon.until("STOPPING")
            status, _, err = daemon.stop(signal.SIGINT)
            await client.over()
        assert client.events[-1]["type"] == "bye"
    assert (status, err.splitlines()[-1]) == (1, "amanuensis: interrupted")


def test_a_terminal_that_closes_stops_the_daemon(builtin_model: Path) -> None:
    """There SIGHUP means what it always meant: nobody is left who could stop it."""
    command = [*COMMAND, "serve", "--listen", "127.0.0.1:0", "--model", str(builtin_model), "--threads", "1"]
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(command[0], command)
    said = b""
    while b"/captions\r\n" not in said:
        said += os.read(terminal, 4096)
    os.close(terminal)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0


def test_an_engine_without_progress_is_named() -> None:
    """The watchdog's rule: progress within the limit, however old the daemon."""
    assert stuck(EngineStats({}, {}, 0, 0, 0, 0, progress_age_s=119), 120) == ""
    assert (
        stuck(EngineStats({}, {}, 0, 0, 0, 0, progress_age_s=121), 120) == "the engine has made no progress for 121 s"
    )


def test_what_keeps_the_daemon_from_starting_is_told(builtin_model: Path, tmp_path: Path) -> None:
    """`systemctl status` shows the line that stderr has; the exit status is 1."""
    write_limits(tmp_path, "sessions = 'many'")
    with managed(builtin_model, tmp_path, XDG_CONFIG_HOME=str(tmp_path)) as daemon:
        told = daemon.until("STATUS")
        _, err = daemon.process.communicate(timeout=START_LIMIT_S)
    assert "limits.sessions is 'many'" in told
    assert (daemon.process.returncode, err) == (1, f"amanuensis: {told}\n")

"""What a daemon needs on this machine."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from collections import namedtuple
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest

from amanuensis.daemon import checkup
from amanuensis.daemon.addresses import Address, UnixAddress
from amanuensis.daemon.config import Config, EngineSettings, ServerSettings
from amanuensis.daemon.server import Daemon
from amanuensis.daemon.sources.microphone import InputDevice
from amanuensis.daemon.token_file import write_tokens
from amanuensis.daemon.tokens import TokenTable, new_token
from tests.helpers.tone_engine import ToneEngine, ToneTokenizer

Usage = namedtuple("Usage", "total used free")


def test_wrong_settings_are_told_and_the_rest_is_looked_at(tmp_path: Path) -> None:
    """A wrong file is the first finding, with its line; everything else is examined with the defaults."""
    (tmp_path / "amanuensis").mkdir()
    (tmp_path / "amanuensis" / "config.toml").write_text("[engine]\nthreads = -1\n")
    env = {"XDG_CONFIG_HOME": str(tmp_path), "HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path)}
    findings = list(checkup.check_up(env))
    assert (findings[0].name, findings[0].verdict) == ("settings", "problem")
    assert "threads -1 is not allowed" in findings[0].text
    names = [finding.name for finding in findings]
    assert names.count("address") == 2
    assert {"model", "security", "service", "PortAudio", "microphone", "state", "spool", "clock"} <= set(names)


def test_a_model_that_is_not_there() -> None:
    """The name that was asked for is in the finding."""
    finding = checkup.model(Config(engine=EngineSettings(model="/no/such/model")))
    assert (finding.verdict, "/no/such/model" in finding.text) == ("problem", True)


@pytest.mark.parametrize(
    ("listen", "with_token", "verdict", "words"),
    [
        ("127.0.0.1:0", False, "ok", "only this machine may connect"),
        ("127.0.0.1:0", True, "ok", "1 tokens, no TLS"),
        ("0.0.0.0:0", False, "problem", "no token is set"),
        ("0.0.0.0:0", True, "warning", "cross the network unprotected; set server.tls_cert"),
    ],
)
def test_tokens_where_they_are_needed(tmp_path: Path, listen: str, with_token: bool, verdict: str, words: str) -> None:
    """An address that others can reach needs tokens, and should have TLS."""
    file = tmp_path / "tokens.json"
    if with_token:
        write_tokens(file, TokenTable((new_token("a", ["watch"], datetime.now(UTC))[0],)))
    settings = ServerSettings(listen, tokens_file=str(file) if with_token else None)
    finding = checkup.security(Config(settings), {"XDG_CONFIG_HOME": str(tmp_path / "none")})
    assert (finding.verdict, words in finding.text) == (verdict, True), finding


async def test_addresses_are_free_ours_or_taken(tmp_path: Path) -> None:
    """A daemon of ours that has the address is well, ready or not; another program that has it is in the way."""
    engine, path = ToneEngine(), tmp_path / "run" / "a.sock"
    unix = UnixAddress(path)
    free = checkup.listening(unix, {})
    assert (free.verdict, free.text) == ("ok", f"unix:{path} is free")
    assert not path.parent.exists()
    config = Config(ServerSettings(("127.0.0.1:0", f"unix:{path}")))
    async with Daemon(config, engine, cast(Any, ToneTokenizer())).listening() as address:
        for door in (address, unix):
            finding = await asyncio.to_thread(checkup.listening, door, {})
            assert (finding.verdict, finding.text) == ("ok", f"{door}: a daemon answers there and is ready")
    assert checkup.listening(address, {}).text == f"{address} is free"
    with socket.create_server(("127.0.0.1", 0)) as other:
        threading.Thread(target=hang_up, args=(other,)).start()
        taken = Address("127.0.0.1", other.getsockname()[1])
        finding = checkup.listening(taken, {})
        assert (finding.verdict, "another program listens there" in finding.text) == ("problem", True)
    assert checkup.listening(UnixAddress(), {}).verdict == "warning"


def hang_up(listener: socket.socket) -> None:
    """Take one connection and say nothing."""
    accepted, _ = listener.accept()
    accepted.close()


def test_microphones(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that would be used is named; none is no failure, since sound can come from elsewhere."""
    devices = [InputDevice(k, name, "ALSA", 2, 48000, k == 1) for k, name in enumerate(("hdmi", "headset"))]
    monkeypatch.setattr(checkup, "input_devices", lambda: devices)
    assert checkup.microphone().text == "headset (48000 Hz, 2 channels); 2 in all"
    monkeypatch.setattr(checkup, "input_devices", lambda: [])
    assert checkup.microphone().verdict == "warning"


def test_folders_with_room_without_and_of_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The nearest folder that exists is looked at, for rights and for room."""
    folder = tmp_path / "a" / "b"
    assert checkup.folder_finding("spool", folder).verdict == "ok"
    assert not folder.exists()
    monkeypatch.setattr(checkup.shutil, "disk_usage", lambda _: Usage(2**40, 2**40, 2**20))
    assert "make room" in checkup.folder_finding("spool", folder).text
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert checkup.folder_finding("spool", folder).verdict == "problem"
    assert "may not be written by this user" in checkup.listening(UnixAddress(folder / "s"), {}).text


def test_the_clock_says_whether_it_is_kept_right() -> None:
    """The kernel tells; what it tells is one of two things."""
    finding = checkup.clock()
    assert finding.verdict in ("ok", "warning")
    assert "synchronised" in finding.text or "does not say" in finding.text

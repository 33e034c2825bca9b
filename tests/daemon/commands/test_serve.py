"""`amanuensis serve` as a program, with the built-in model."""

from __future__ import annotations

import json
import re
import signal
import urllib.request
from pathlib import Path

import pytest
import soundfile

from amanuensis.daemon.client import Hello, connect
from amanuensis.stream.formats import AudioFormat
from tests.helpers.programs import amanuensis, line_with, over, running


async def test_the_first_line_says_where_to_speak(repository: Path) -> None:
    """A program reads the address from the first line, speaks there, and a signal ends the daemon in good order."""
    clip = repository / "tests" / "data" / "synthetic" / "narrow_seen_003.flac"
    samples, rate = soundfile.read(clip, dtype="int16")
    async with running("serve", "--listen", "127.0.0.1:0") as process:
        line = await line_with(process.stdout, "")
        assert re.fullmatch(r"listening ws://127\.0\.0\.1:\d+/v1/session\n", line)
        url = line.split()[1]
        page = (await line_with(process.stderr, "captions page")).split()[-1]
        assert page == url.replace("ws:", "http:").replace("/v1/session", "/captions")
        with urllib.request.urlopen(page, timeout=30) as answer:
            assert answer.status == 200
        async with connect(url, Hello("speak", AudioFormat("s16le", rate, 1))) as client:
            await client.send_audio(samples.astype("<i2").tobytes())
            await client.end()
            events = [event async for event in client]
        assert [event["text"] for event in events if event["type"] == "final"]
        taken = amanuensis("serve", "--listen", url.split("/")[2])
        process.send_signal(signal.SIGTERM)
        status, out, err = await over(process)
    assert (status, out, err) == (0, "", "")
    assert taken.returncode == 1
    assert taken.stderr.count("\n") == 1
    assert "another program listens there" in taken.stderr


def test_check_prints_the_settings_and_their_origins(tmp_path: Path) -> None:
    """--check shows what would be served, and leaves."""
    (tmp_path / "amanuensis").mkdir()
    (tmp_path / "amanuensis" / "config.toml").write_text("[stream]\ntick_ms = 300\n")
    env = {"XDG_CONFIG_HOME": str(tmp_path), "AMANUENSIS_ENGINE_THREADS": "2"}
    done = amanuensis("serve", "--check", "--listen", "127.0.0.1:9", env=env)
    assert done.returncode == 0
    for setting, origin in (
        ("tick_ms = 300.0", "config.toml"),
        ("threads = 2", "environment"),
        ('"127.0.0.1:9"', "line"),
    ):
        assert re.search(f"{re.escape(setting)}.*# .*{origin}", done.stdout)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--listen", "nonsense"], "give HOST:PORT"),
        (["--listen", "0.0.0.0:0"], "no token is set"),
        (["--model", "/no/such/model"], "/no/such/model"),
        (["--device", "npu"], "device 'npu'"),
    ],
)
def test_what_cannot_be_served_gets_one_line(words: list[str], expected: str) -> None:
    """A wrong address, an open one without a token, a missing model and a missing device are named."""
    done = amanuensis("serve", *words)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1
    assert expected in done.stderr


def test_the_demo_plays_through_the_daemon() -> None:
    """The bundled conversation goes through the real protocol, and the summary is measured."""
    done = amanuensis("demo", "--speed", "0", "--json")
    assert done.returncode == 0, done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    kinds = {event["type"] for event in events}
    assert {"speech", "commit", "final", "bye", "summary"} <= kinds
    summary = events[-1]
    assert summary["words"] == sum(len(event["words"]) for event in events if event["type"] == "commit")
    assert summary["words"] > 20
    assert 0 <= summary["wer"] < 1
    assert summary["audio_ms"] == pytest.approx(52_700, abs=1000)
    assert summary["engine"]["encoder"] == "cpu"
    assert "/captions" in done.stderr


def test_a_daemon_that_does_not_start_ends_the_demo() -> None:
    """The daemon's own message stands before ours."""
    done = amanuensis("demo", "--model", "/no/such/model")
    assert (done.returncode, done.stdout) == (1, "")
    first, last = done.stderr.splitlines()
    assert "/no/such/model" in first
    assert last == "amanuensis: the daemon did not start (exit status 1); its message stands above"

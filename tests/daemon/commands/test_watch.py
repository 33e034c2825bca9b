"""`amanuensis watch`."""

from __future__ import annotations

import json
import signal
from typing import Any, cast

import pytest

from amanuensis.daemon.client import Hello, connect
from amanuensis.daemon.commands.common import UsageError
from amanuensis.daemon.commands.watch import watch_url
from amanuensis.daemon.config import Config, ServerSettings
from amanuensis.daemon.server import Daemon
from amanuensis.stream.formats import AudioFormat
from tests.helpers.programs import amanuensis, line_with, over, running
from tests.helpers.tone_engine import ToneEngine, ToneTokenizer, say, spell

TOKEN = "a token of the test"


@pytest.mark.parametrize("flags", [["--json"], [], ["--word-times"]])
async def test_a_session_is_shown_to_its_end(flags: list[str]) -> None:
    """What somebody else says is printed: text, events, words with times; the token comes from the environment."""
    config = Config(ServerSettings(listen="127.0.0.1:0", token=TOKEN))
    async with Daemon(config, ToneEngine(), cast(Any, ToneTokenizer())).listening() as address:
        hello = Hello("speak", AudioFormat("f32le", 16_000, 1))
        async with (
            connect(f"ws://{address}/v1/session", hello, token=TOKEN) as speaker,
            running("watch", f"ws://{address}", *flags, AMANUENSIS_SERVER_TOKEN=TOKEN) as process,
        ):
            assert speaker.session in await line_with(process.stderr, "watching session")
            await speaker.send_audio(say((0, 1, 2)).astype("<f4").tobytes())
            await speaker.end()
            assert [event async for event in speaker][-1]["type"] == "bye"
            status, out, err = await over(process)
    assert (status, err) == (0, "")
    if "--json" in flags:
        events = [json.loads(line) for line in out.splitlines()]
        assert events[-1] == {"type": "bye", "reason": "end"}
        assert [event["text"].strip() for event in events if event["type"] == "final"] == [spell((0, 1, 2))]
    elif flags:
        lines = [line.split("\t") for line in out.splitlines()]
        assert " ".join(text for _, _, text in lines) == spell((0, 1, 2))
        times = [float(time) for start, end, _ in lines for time in (start, end)]
        assert times == sorted(times)
    else:
        assert out == f"{spell((0, 1, 2))}\n"


async def test_leaving_is_no_failure() -> None:
    """Ctrl-C leaves the session, which goes on without us."""
    async with Daemon(
        Config(ServerSettings(listen="127.0.0.1:0")), ToneEngine(), cast(Any, ToneTokenizer())
    ).listening() as address:
        hello = Hello("speak", AudioFormat("f32le", 16_000, 1))
        async with (
            connect(f"ws://{address}/v1/session", hello) as speaker,
            running("watch", f"ws://{address}/v1/watch/{speaker.session}") as process,
        ):
            await line_with(process.stderr, "watching session")
            process.send_signal(signal.SIGINT)
            assert await over(process) == (0, "", "")
            await speaker.end()
            assert [event async for event in speaker][-1]["type"] == "bye"


def test_nobody_to_watch() -> None:
    """Without a daemon there is one line with the remedy."""
    done = amanuensis("watch", "ws://127.0.0.1:1")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1
    assert "is the daemon running?" in done.stderr


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("ws://h:1", "ws://h:1/v1/watch/latest"),
        ("ws://h:1/", "ws://h:1/v1/watch/latest"),
        ("wss://h/v1/watch/abc", "wss://h/v1/watch/abc"),
        ("unix:/run/a.sock", "unix:/run/a.sock:/v1/watch/latest"),
        ("unix:/run/a.sock:/v1/watch/abc", "unix:/run/a.sock:/v1/watch/abc"),
    ],
)
def test_without_a_path_the_newest_session_is_meant(url: str, expected: str) -> None:
    """An address alone is enough."""
    assert watch_url(url) == expected


@pytest.mark.parametrize("url", ["h:1", "http://h:1", "ws://", ""])
def test_other_addresses_are_refused(url: str) -> None:
    """Only WebSocket addresses are taken."""
    with pytest.raises(UsageError, match="write ws://HOST:PORT"):
        watch_url(url)

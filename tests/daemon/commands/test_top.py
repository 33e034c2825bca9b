"""`amanuensis top`."""

from __future__ import annotations

import asyncio
import json
from typing import Any, cast

from amanuensis.daemon.client import Hello, connect
from amanuensis.daemon.config import Config, ServerSettings
from amanuensis.daemon.server import Daemon
from amanuensis.stream.formats import AudioFormat
from tests.helpers.programs import amanuensis
from tests.helpers.tone_engine import ToneEngine, ToneTokenizer

TOKEN = "a token of the test"
SPEAK = Hello("speak", AudioFormat("s16le", 16_000, 1))


async def test_one_look_and_who_may_have_it() -> None:
    """The sessions of a running daemon as JSON and as a table; without an admin's token, what to do."""
    config = Config(ServerSettings(listen="127.0.0.1:0", token=TOKEN))
    async with Daemon(config, ToneEngine(), cast(Any, ToneTokenizer())).listening() as address:
        url = f"ws://{address}"
        async with connect(f"{url}/v1/session", SPEAK, token=TOKEN) as client:
            env = {"AMANUENSIS_SERVER_TOKEN": TOKEN}
            done, plain, refused = await asyncio.gather(
                asyncio.to_thread(amanuensis, "top", url, "--json", env=env),
                asyncio.to_thread(amanuensis, "top", url, env=env),
                asyncio.to_thread(amanuensis, "top", url, "--json"),
            )
    assert (done.returncode, done.stderr) == (0, "")
    assert [session["id"] for session in json.loads(done.stdout)["sessions"]] == [client.session]
    assert plain.returncode == 0
    assert client.session in plain.stdout
    assert "tones on cpu" in plain.stdout
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "tells this to an admin only: set AMANUENSIS_SERVER_TOKEN" in refused.stderr


def test_nobody_to_look_at() -> None:
    """Without a daemon there is one line with the remedy."""
    done = amanuensis("top", "ws://127.0.0.1:1", "--json")
    assert (done.returncode, done.stdout) == (1, "")
    assert "is the daemon running?" in done.stderr

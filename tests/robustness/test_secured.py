"""A real daemon that asks for tokens, and what its log tells of a session."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from amanuensis.daemon.client import AmanuensisClient, ClientError, Event, Hello, connect
from amanuensis.daemon.dial import fetch
from amanuensis.daemon.token_file import read_tokens, write_tokens
from amanuensis.daemon.tokens import TokenTable, new_token
from amanuensis.stream.formats import AudioFormat
from tests.helpers.daemon_process import running_daemon, text_of
from tests.helpers.programs import amanuensis

PROMPT = "unmistakableprompt"
MONO = AudioFormat("f32le", 16_000, 1)


async def collect(client: AmanuensisClient) -> list[Event]:
    """All events to the end."""
    return [event async for event in client]


async def test_tokens_of_a_daemon_that_runs(builtin_model: Path, tmp_path: Path, speech: NDArray[np.float32]) -> None:
    """Tokens and the socket let in; a revoked one is closed after SIGHUP; nothing secret and nothing said is logged."""
    file, socket = tmp_path / "tokens.json", tmp_path / "run" / "a.sock"
    tokens, secrets = zip(*(new_token(name, ["speak", "watch"], datetime.now(UTC)) for name in "ab"), strict=True)
    write_tokens(file, TokenTable(tokens))
    env = {"AMANUENSIS_SERVER_TOKENS_FILE": str(file), "AMANUENSIS_LOG_LEVEL": "info", "AMANUENSIS_LOG_FORMAT": "json"}
    listen = ["--listen", "0.0.0.0:0", "--listen", f"unix:{socket}"]
    with running_daemon(builtin_model, tmp_path, listen, env) as daemon:
        url = daemon.url.replace("0.0.0.0", "127.0.0.1")
        async with connect(url, Hello(audio=MONO, prompt=PROMPT), token=secrets[0]) as speaker:
            resume_token = speaker.ready["resume_token"]
            async with connect(f"unix:{socket}:/v1/watch/latest") as watcher, asyncio.TaskGroup() as tasks:
                watching = tasks.create_task(collect(watcher))
                tasks.create_task(speaker.send_audio(speech.tobytes()))
                tasks.create_task(speaker.end())
                events = await collect(speaker)
            assert text_of(watching.result()) == text_of(events)
        assert (await asyncio.to_thread(fetch, f"unix:{socket}", "/metrics"))[0] == 200
        assert (await asyncio.to_thread(fetch, url, "/metrics", secrets[0]))[0] == 403
        for shown in ("wrongtoken", None):
            with pytest.raises(ClientError):
                async with connect(url, Hello(audio=MONO), token=shown):
                    pass
        async with connect(url, Hello(audio=MONO), token=secrets[1]) as gone:
            write_tokens(file, read_tokens(file).revoked("b"))
            os.kill(daemon.process.pid, signal.SIGHUP)
            with pytest.raises(ClientError):
                await collect(gone)
    log = [json.loads(line) for line in daemon.errors.read_text().splitlines() if line.startswith("{")]
    assert {line.get("session") for line in log} >= {speaker.session, gone.session}
    assert [line["peer"] for line in log if line.get("code") == "http_401"] == ["127.0.0.1"]
    text = daemon.errors.read_text()
    words = {word.strip(".,?!") for word in text_of(events).split() if len(word) > 4}
    assert len(words) > 5
    assert [it for it in (*secrets, resume_token, "wrongtoken", PROMPT, *words) if it in text] == []


def test_a_daemon_that_others_could_reach_does_not_start_without_a_token(tmp_path: Path) -> None:
    """Neither without tokens, nor with a file of them that everybody may read: one line says what to do."""
    file = tmp_path / "tokens.json"
    write_tokens(file, TokenTable((new_token("a", ["watch"], datetime.now(UTC))[0],)))
    file.chmod(0o644)
    none = amanuensis("serve", "--listen", "0.0.0.0:0")
    readable = amanuensis("serve", "--listen", "0.0.0.0:0", env={"AMANUENSIS_SERVER_TOKENS_FILE": str(file)})
    for done, words in ((none, "amanuensis tokens add"), (readable, "chmod 600")):
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.count("\n") == 1
        assert words in done.stderr

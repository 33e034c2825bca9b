"""Requests about meetings over `/v1/admin`, and the sound of them over HTTP."""

from __future__ import annotations

import asyncio
import io
import json
import socket
from pathlib import Path
from typing import Any

import pytest
import soundfile

from amanuensis.daemon import dial
from amanuensis.daemon.addresses import Address
from amanuensis.daemon.client import Hello, connect
from amanuensis.daemon.meetings import jobs, worker
from amanuensis.daemon.meetings.model import Track
from amanuensis.daemon.server import Daemon
from amanuensis.stream.formats import AudioFormat
from tests.daemon.meetings.conftest import utterance
from tests.daemon.test_client_io import UPGRADE, masked
from tests.helpers.daemon_client import TestClient, connected
from tests.helpers.recorded_meetings import NO_RULES, config_of, finish, library, recording_daemon, speak, track
from tests.helpers.tone_engine import ToneEngine, ToneTokenizer, say, spell

ADMIN = "/v1/admin"
TOKEN = "a token of the test"


async def record(folder: Path) -> None:
    """Record a meeting of one track."""
    async with recording_daemon(folder) as address, track(address, "me", id="monday", title="Weekly") as me:
        await speak(me, 0, 1)
        await finish(me)


async def ask(client: TestClient, kind: str, **fields: Any) -> dict[str, Any]:
    """Send a request and return its answer."""
    number = len(client.events)
    await client.send({"type": kind, "id": number, **fields})
    return await client.until(id=number)


async def test_meetings_are_read_and_changed(tmp_path: Path) -> None:
    """List, show, search, export, rename and remove, each with one answer."""
    await record(tmp_path)
    async with recording_daemon(tmp_path) as address, connected(address, {"type": "hello"}, ADMIN) as client:
        await client.until(type="ready")
        assert [one["title"] for one in (await ask(client, "list"))["meetings"]] == ["Weekly"]
        assert (await ask(client, "rename_speaker", meeting="monday", speaker="me", name="Kim"))["speaker"] == "me"
        await ask(client, "rename", meeting="monday", title="Monthly")
        meeting = (await ask(client, "show", meeting="monday"))["meeting"]
        assert (meeting["title"], meeting["utterances"][0]["speaker"]) == ("Monthly", "Kim")
        assert (await ask(client, "search", phrase=spell((1,))))["hits"][0]["meeting"] == "monday"
        assert f"Kim: {spell((0, 1))}" in (await ask(client, "export", meeting="monday", format="txt"))["text"]
        timed = (await ask(client, "export", meeting="monday", format="txt", word_times=True))["text"]
        assert [line.split("\t")[2] for line in timed.splitlines()] == [f"Kim: {spell((0,))}", spell((1,))]
        assert (await ask(client, "remove", meeting="monday"))["type"] == "remove"
        assert "no meeting 'monday'" in (await ask(client, "show", meeting="monday"))["message"]


async def test_a_meeting_is_transcribed_again_watched_and_cancelled(tmp_path: Path) -> None:
    """By a model of this machine; progress is asked for; the worker is a process of its own."""
    await record(tmp_path)
    place = library(tmp_path)
    with worker.at_work(place):  # so the one that is started ends by itself
        async with recording_daemon(tmp_path) as address, connected(address, {"type": "hello"}, ADMIN) as client:
            assert "builtin" in (await ask(client, "models"))["models"]
            job = {"meeting": "monday", "model": "builtin", "state": "waiting", "why": "", "done_ms": 0, "total_ms": 0}
            assert (await ask(client, "retranscribe", meeting="monday", model="builtin"))["job"] == job
            with place.open() as store:
                assert jobs.take_next(store) is not None
                jobs.advance(store, "monday", 1000, 4000)
            running = job | {"state": "running", "done_ms": 1000, "total_ms": 4000}
            assert (await ask(client, "jobs"))["jobs"] == [running]
            assert "cancel that first" in (await ask(client, "retranscribe", meeting="monday"))["message"]
            await ask(client, "cancel", meeting="monday")
            assert (await ask(client, "jobs"))["jobs"] == [running | {"state": "cancelled"}]
            assert "nothing to cancel" in (await ask(client, "cancel", meeting="monday"))["message"]
            assert (await ask(client, "retranscribe", meeting="monday"))["job"]["state"] == "waiting"


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"type": "halt", "id": 1}, "type is 'halt'; it must be one of list, show, search"),
        ({"type": "list"}, "list: id is missing"),
        ({"type": "show", "id": 1}, "show: meeting is missing"),
        ({"type": "show", "id": 1, "meeting": "x"}, "no meeting 'x'"),
        ({"type": "search", "id": 1, "phrase": "?"}, "cannot be looked for"),
        ({"type": "export", "id": 1, "meeting": "x", "format": "pdf"}, "one of txt, md, srt, vtt, json, csv"),
        (
            {"type": "export", "id": 1, "meeting": "x", "format": "md", "word_times": True},
            "one of txt, srt, vtt, json, csv",
        ),
        ({"type": "export", "id": 1, "meeting": "x", "format": "txt", "word_times": 1}, "true or false"),
        ({"type": "rename", "id": 1, "meeting": "x", "title": "\n"}, "1 to 200 characters, none of which"),
        (
            {"type": "retranscribe", "id": 1, "meeting": "x", "model": "../x"},
            "'../x'; it must be one of builtin",
        ),
        ({"type": "retranscribe", "id": 1, "meeting": "x"}, "no meeting 'x'"),
        ({"type": "cancel", "id": 1, "meeting": "x"}, "no meeting 'x'"),
        ({"type": "list", "id": 1, "all": True}, "unknown field 'all'"),
        ({"type": "list", "id": "\ud800"}, "id is '\\ud800'; it must be a string"),
        ({"type": "halt", "id": "\ud800"}, "type is 'halt'"),
    ],
)
async def test_wrong_requests_are_answered_and_forgotten(
    tmp_path: Path, request_: dict[str, Any], message: str
) -> None:
    """In one line that names what is wrong; the connection stays."""
    async with recording_daemon(tmp_path) as address, connected(address, {"type": "hello"}, ADMIN) as client:
        await client.send(request_)
        assert message in (await client.until(type="error"))["message"]
        assert (await ask(client, "list"))["meetings"] == []


async def test_only_an_admin_comes_in(tmp_path: Path) -> None:
    """Neither without a token, nor with a wrong one, nor from a page of somebody else."""
    async with recording_daemon(tmp_path, token=TOKEN) as address:
        for auth, code in (({}, 4401), ({"auth": "wrong, but long enough"}, 4401), ({"auth": 3}, 4400)):
            async with connected(address, {"type": "hello", **auth}, ADMIN) as client:
                assert (await client.over())[0] == code
        async with connected(address, {"type": "hello", "auth": TOKEN}, ADMIN) as client:
            await client.until(type="ready")
        with pytest.raises(Exception, match="HTTP 403"):
            async with connected(address, path=ADMIN, origin="https://elsewhere.example"):
                pass


async def test_sound_is_given_to_an_admin_in_short_files(tmp_path: Path) -> None:
    """As FLAC of at most 10 s, with the samples that were said; others get nothing."""
    await record(tmp_path)
    with library(tmp_path).open() as store:
        session = store.find("monday").tracks[0].session
    async with recording_daemon(tmp_path, token=TOKEN) as address:
        path = f"/v1/meetings/{session}/0.flac"
        status, body = await fetch(address, path, TOKEN)
        assert status == 200
        samples, rate = soundfile.read(io.BytesIO(body))
        assert (rate, len(samples)) == (16_000, len(say((0, 1))))
        assert (await fetch(address, path, None))[0] == 401
        for wrong in ("1.flac", "0.wav", "../0.flac"):
            assert (await fetch(address, f"/v1/meetings/{session}/{wrong}", TOKEN))[0] == 404
        assert (await fetch(address, f"{ADMIN}?type=remove&id=1&meeting=monday", TOKEN))[0] == 426  # no GET acts
    with library(tmp_path).open() as store:
        assert store.find("monday").id == "monday"


async def test_sound_of_odd_rates_is_given_as_wav(tmp_path: Path) -> None:
    """At a rate that FLAC has no form for; the words are as ever."""
    fmt, sound = AudioFormat("f32le", 191_999, 1), say((0, 1), 191_999)
    async with (
        recording_daemon(tmp_path) as address,
        connect(f"ws://{address}/v1/session", Hello("speak", fmt, meeting={"id": "odd"})) as client,
    ):
        await client.send_audio(sound.astype("<f4").tobytes())
        await finish(client)
    with library(tmp_path).open() as store:
        record = store.record("odd")
    session = record.meeting.tracks[0].session
    async with recording_daemon(tmp_path) as address:
        status, body = await fetch(address, f"/v1/meetings/{session}/0.flac", None)
    samples, rate = soundfile.read(io.BytesIO(body))
    assert (status, body[:4], rate, len(samples)) == (200, b"RIFF", 191_999, len(sound))
    assert [line.utterance.text for line in record.lines] == [spell((0, 1))]


async def fetch(address: Address, path: str, token: str | None) -> tuple[int, bytes]:
    """Get a page."""
    return await asyncio.to_thread(dial.fetch, f"ws://{address}", path, token)


async def test_who_does_not_read_is_cut_off(tmp_path: Path) -> None:
    """In the middle of an answer that no buffer of the kernel holds; others are answered meanwhile."""
    with library(tmp_path).open() as store:
        store.begin("monday", "Weekly", 1.79e9, Track("aaa", "me", 0, 1e6, 16_000, "builtin", "finished"))
        store.fill("aaa", [utterance("word " * 200, 1e5 * at, utt=at) for at in range(300)], (), ())
    daemon = Daemon(config_of(tmp_path, NO_RULES, ping_s=1.0), ToneEngine(), ToneTokenizer())
    async with daemon.listening() as address:
        with socket.socket() as silent:
            silent.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            silent.connect((address.host, address.port))
            silent.setblocking(False)
            _, writer = await asyncio.open_connection(sock=silent, limit=1024)
            writer.write(UPGRADE.replace("/v1/session", ADMIN).encode() + masked(json.dumps({"type": "hello"})))
            writer.write(masked(json.dumps({"type": "show", "id": 1, "meeting": "monday"})))
            async with connected(address, {"type": "hello"}, ADMIN) as client:
                await client.until(type="ready")
                while len(daemon.gate) > 1:
                    assert len((await ask(client, "list"))["meetings"]) == 1
            writer.transport.abort()

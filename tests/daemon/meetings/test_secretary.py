"""What a daemon writes down of the meetings that are spoken into it."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

from amanuensis.daemon.client import AmanuensisClient, Hello, connect
from amanuensis.daemon.config import Config, LimitSettings, ServerSettings
from amanuensis.daemon.keeper import Keeper
from amanuensis.daemon.meetings.library import Library
from amanuensis.daemon.meetings.secretary import Secretary
from amanuensis.daemon.meetings.settings import MeetingSettings
from amanuensis.daemon.server import Daemon
from amanuensis.daemon.spool.spool_folder import SpoolFolder
from amanuensis.stream.formats import AudioFormat
from tests.helpers.tone_engine import ToneEngine, ToneTokenizer, say, spell

RATE = 16_000
FORMAT = AudioFormat("f32le", RATE, 1)


NO_RULES = MeetingSettings()


@asynccontextmanager
async def recording_daemon(folder: Path, settings: MeetingSettings = NO_RULES, **limits: Any) -> AsyncIterator[str]:
    """A daemon that records, in `folder`; what it has written down is there when it is left."""
    config = Config(ServerSettings(listen="127.0.0.1:0"), limits=LimitSettings(**limits))
    keeper = Keeper(None, SpoolFolder(folder / "recordings", "recording.max_bytes", 2**30), "asked")
    daemon = Daemon(config, ToneEngine(), cast(Any, ToneTokenizer()), keeper=keeper)
    try:
        async with Secretary(library(folder), settings).attending(daemon.sessions), daemon.listening() as address:
            yield f"ws://{address}/v1/session"
    finally:
        keeper.close()


def library(folder: Path) -> Library:
    """Where that daemon keeps meetings."""
    return Library(folder / "recordings", folder / "data" / "meetings.db")


@asynccontextmanager
async def track(url: str, name: str, **meeting: Any) -> AsyncIterator[AmanuensisClient]:
    """A speaker of a track."""
    async with connect(url, Hello("speak", FORMAT, meeting={"track": name, **meeting})) as client:
        yield client


async def speak(client: AmanuensisClient, *words: int) -> None:
    """Say words."""
    await client.send_audio(say(words).astype("<f4").tobytes())


async def finish(client: AmanuensisClient) -> None:
    """End a track, and wait until all is told."""
    await client.end()
    assert [event async for event in client][-1] == {"type": "bye", "reason": "end"}


async def test_two_tracks_of_a_meeting_stay_apart(tmp_path: Path) -> None:
    """Words, a note and a stated pause are in the index, on one clock; what was heard can be played again."""
    async with recording_daemon(tmp_path) as url, track(url, "me", id="monday", title="Weekly") as me:
        async with track(url, "them", id="monday", at=500) as them:
            await speak(me, 0, 1)
            await me.note("n", "a decision", at=250)
            await me.note("n", "the same note again", at=300)
            await me.flush()
            await me.leave_out(2 * RATE, "paused")
            await speak(me, 2)
            await speak(them, 3, 4)
            await finish(them)
        await finish(me)
    with library(tmp_path).open() as store:
        record = store.record("monday")
    assert (record.meeting.title, record.meeting.state) == ("Weekly", "finished")
    said = {name: [line.utterance.text for line in record.lines if line.track == name] for name in ("me", "them")}
    assert said == {"me": [spell((0, 1)), spell((2,))], "them": [spell((3, 4))]}
    assert [(remark.text, remark.at_ms) for remark in record.remarks] == [("a decision", 250)]
    pauses = [(name, round(hole.end_ms - hole.start_ms)) for name, hole in record.holes if hole.why == "paused"]
    assert pauses == [("me", 2000)]
    assert {one.name: one.offset_ms for one in record.meeting.tracks}["them"] == 500
    after = next(line for line in record.lines if line.utterance.text == spell((2,)))
    assert after.start_ms >= 2000 + 1000 * len(say((0, 1))) / RATE


async def test_a_meeting_of_a_killed_daemon_is_repaired(tmp_path: Path) -> None:
    """At once it can be read as far as it was final; the next daemon finishes it, and it is marked as repaired."""
    async with recording_daemon(tmp_path) as url, track(url, "me", id="monday") as client:
        await speak(client, 0, 1)
        await client.flush("f")
        async for event in client:
            if event["type"] == "marked":
                break
        await speak(client, 2)
        while client.acked < 0:
            await anext(aiter(client))
        for name in ("recordings", "data"):
            shutil.copytree(tmp_path / name, tmp_path / "killed" / name)
    killed = library(tmp_path / "killed")
    with killed.open() as store:
        killed.catch_up(store, killed.is_going_on)
        record = store.record("monday")
        assert record.meeting.state == "interrupted"
        assert [line.utterance.text for line in record.lines] == [spell((0, 1))]
    ended = asyncio.Event()
    async with recording_daemon(tmp_path / "killed", resume_s=0.0, linger_s=0.0) as url:
        while not ended.is_set():
            with killed.open() as store:
                ended.set() if store.find("monday").state == "repaired" else await asyncio.sleep(0.05)
    with killed.open() as store:
        assert store.record("monday").lines[0].utterance.text == spell((0, 1))


async def test_hooks_are_told_of_the_whole_meeting(tmp_path: Path) -> None:
    """Once when its first track begins, once when its last one is over; a broken one harms nothing."""
    log = tmp_path / "log"
    program = f"import sys; open({str(log)!r}, 'a').write(sys.stdin.read() + '\\n')"
    settings = MeetingSettings(on_start=("/nowhere",), on_end=(sys.executable, "-c", program))
    async with recording_daemon(tmp_path, settings) as url, track(url, "me", id="monday", title="Weekly") as me:
        async with track(url, "them", id="monday") as them:
            await speak(them, 3)
            await finish(them)
        await speak(me, 1)
        await finish(me)
    told = [json.loads(line) for line in log.read_text().splitlines()]
    assert [(one["event"], one["meeting"]["title"], one["meeting"]["state"]) for one in told] == [
        ("end", "Weekly", "finished")
    ]
    assert sorted(one["name"] for one in told[0]["meeting"]["tracks"]) == ["me", "them"]


async def test_what_the_rules_say_is_removed_with_its_sound(tmp_path: Path) -> None:
    """When a daemon starts; a meeting without a title has the name of its session."""
    async with recording_daemon(tmp_path) as url, track(url, "me") as client:
        await speak(client, 0)
        await finish(client)
    place = library(tmp_path)
    with place.open() as store:
        (meeting,) = store.meetings()
        assert place.sound_bytes(meeting) > 0
        store.query("UPDATE meetings SET opened_s = 0", ())
    async with recording_daemon(tmp_path, MeetingSettings(keep_days=1), linger_s=0.0):
        pass
    with place.open() as store:
        assert store.meetings() == []
        place.catch_up(store, place.is_going_on)  # the daemon had it open
    assert place.folder(meeting.id) is None


async def test_sessions_that_are_no_meetings_are_left_out(tmp_path: Path) -> None:
    """A recording of another kind is in the folder, not in the index."""
    async with recording_daemon(tmp_path) as url, connect(url, Hello("speak", FORMAT, record=True)) as client:
        await speak(client, 0)
        await finish(client)
    with library(tmp_path).open() as store:
        library(tmp_path).catch_up(store, library(tmp_path).is_going_on)
        assert store.meetings() == []

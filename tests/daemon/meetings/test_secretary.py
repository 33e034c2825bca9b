"""What a daemon writes down of the meetings that are spoken into it."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
from pathlib import Path

from amanuensis.daemon.client import Hello, connect
from amanuensis.daemon.meetings import jobs
from amanuensis.daemon.meetings.settings import MeetingSettings
from amanuensis.daemon.meetings.sound import RecordedSound
from amanuensis.daemon.spool.audio_log import AudioLog, Place
from amanuensis.daemon.spool.clock import machine_clock
from tests.helpers.recorded_meetings import FORMAT, RATE, finish, library, recording_daemon, speak, track
from tests.helpers.tone_engine import say, spell


async def test_two_tracks_of_a_meeting_stay_apart(tmp_path: Path) -> None:
    """Words, a note and a stated pause are in the index, on one clock; what was heard can be played again."""
    async with recording_daemon(tmp_path) as address, track(address, "me", id="monday", title="Weekly") as me:
        async with track(address, "them", id="monday", at=500) as them:
            await speak(me, 0, 1)
            await me.note("n", "a decision", at=250)
            await me.note("n", "the same note again", at=300)
            await me.flush()
            await me.leave_out(1500 * RATE, "paused")  # longer than the server takes at once
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
    assert pauses == [("me", 1_500_000)]
    assert {one.name: one.offset_ms for one in record.meeting.tracks}["them"] == 500
    after = next(line for line in record.lines if line.utterance.text == spell((2,)))
    assert after.start_ms >= 1_500_000 + 1000 * len(say((0, 1))) / RATE


async def test_a_meeting_of_a_killed_daemon_is_repaired(tmp_path: Path) -> None:
    """At once it can be read as far as it was final; the next daemon finishes it, and it is marked as repaired."""
    async with recording_daemon(tmp_path) as address, track(address, "me", id="monday") as client:
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
    async with recording_daemon(tmp_path / "killed", resume_s=0.0, linger_s=0.0):
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
    async with recording_daemon(tmp_path, settings) as address, track(address, "me", id="monday", title="Weekly") as me:
        async with track(address, "them", id="monday") as them:
            await speak(them, 3)
            await finish(them)
        await speak(me, 1)
        await finish(me)
    told = [json.loads(line) for line in log.read_text().splitlines()]
    assert [(one["event"], one["meeting"]["title"], one["meeting"]["state"]) for one in told] == [
        ("end", "Weekly", "finished")
    ]
    assert sorted(one["name"] for one in told[0]["meeting"]["tracks"]) == ["me", "them"]
    assert sorted(one["text"] for one in told[0]["meeting"]["utterances"]) == sorted([spell((1,)), spell((3,))])


async def test_what_the_rules_say_is_removed_with_its_sound(tmp_path: Path) -> None:
    """When a daemon starts; a meeting without a title has the name of its session."""
    async with recording_daemon(tmp_path) as address, track(address, "me") as client:
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


async def test_a_recording_that_was_stopped_can_be_played_to_its_last_second(tmp_path: Path) -> None:
    """Without room the meeting goes on unrecorded; what was recorded is sound, and the index says that it stopped."""
    async with recording_daemon(tmp_path, max_recorded=2**20) as address, track(address, "me", id="monday") as me:
        silence = bytes(4 * RATE)
        for _ in range(40):
            await me.send_audio(silence)
        await speak(me, 0)
        await me.end()
        codes = [event.get("code") async for event in me]
    assert "recording_stopped" in codes
    place = library(tmp_path)
    with place.open() as store:
        meeting = store.find("monday")
        jobs.ask(store, "monday", "builtin", {})
    folder = place.folder(meeting.tracks[0].session)
    assert folder is not None
    assert meeting.state == "stopped"
    assert not list(folder.glob("audio-*"))
    length_s = RecordedSound(folder).duration_s
    assert length_s >= meeting.duration_ms / 1000
    leave_raw(folder, round(length_s * RATE), n_samples=RATE)  # as where there was no room for that either
    with place.open() as store:
        place.catch_up(store, place.is_going_on)
    assert not list(folder.glob("audio-*"))
    assert RecordedSound(folder).duration_s == length_s + 1


def leave_raw(folder: Path, position: int, n_samples: int) -> None:
    """Put raw sound into the folder of a session, from a sample on."""
    place = Place(position * FORMAT.frame_bytes)
    log = AudioLog(folder, FORMAT, place, charge=lambda _: None, clock=machine_clock)
    log.append_audio(0, 0, bytes(n_samples * FORMAT.frame_bytes))
    log.close_segment()
    log.close()
    log.remove_empty()


async def test_sessions_that_are_no_meetings_are_left_out(tmp_path: Path) -> None:
    """A recording of another kind is in the folder, not in the index."""
    async with (
        recording_daemon(tmp_path) as address,
        connect(f"ws://{address}/v1/session", Hello("speak", FORMAT, record=True)) as client,
    ):
        await speak(client, 0)
        await finish(client)
    with library(tmp_path).open() as store:
        library(tmp_path).catch_up(store, library(tmp_path).is_going_on)
        assert store.meetings() == []

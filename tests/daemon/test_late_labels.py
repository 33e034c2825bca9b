"""Who speaks, for those that join a session while people talk."""

from __future__ import annotations

import asyncio
from contextlib import closing
from pathlib import Path

from amanuensis.daemon.durable_view import DurableView
from amanuensis.daemon.live_session import END
from amanuensis.daemon.meetings.recording import read_recording
from amanuensis.daemon.protocol import Hello
from amanuensis.daemon.spool.event_maps import read_event
from amanuensis.daemon.spool.log_file import reading
from amanuensis.stream.events import Commit, Event, SpeakerRevised
from amanuensis.stream.formats import AudioFormat
from tests.daemon.test_session_speakers import DIALOGUE, NAMES, PIECE, talk
from tests.helpers.daemon_client import TestClient, connected, cut, hello, running
from tests.helpers.kept_sessions import kept_sessions
from tests.helpers.kept_sessions import speak as hear
from tests.helpers.late_desk import LateDesk

CHUNKS = cut(DIALOGUE, [PIECE])
TWO_VOICES = len(cut(talk(120.0, 190.0), [PIECE]))


def view(client: TestClient) -> DurableView:
    """Return what a client knows in the end."""
    known = DurableView()
    for event in client.events:
        known.take(event)
    return known


async def test_who_joins_late_is_told_who_spoke_before() -> None:
    """Voices are found out only after a watcher came: it knows the speaker of each word, as the speaker does."""
    with closing(LateDesk()) as desk:
        async with running(voices=desk) as (_, address), connected(address, hello()) as speaker:
            session = (await speaker.until(type="ready"))["session"]
            for chunk in CHUNKS[:TWO_VOICES]:
                await speaker.send(chunk)
            await speaker.until(type="commit")
            async with connected(address, hello("watch"), path=f"/v1/watch/{session}") as watcher:
                snapshot = await watcher.until(type="snapshot")
                assert snapshot["words"]
                assert not any("spk" in word for word in snapshot["words"])
                desk.opened.set()
                for chunk in CHUNKS[TWO_VOICES:]:
                    await speaker.send(chunk)
                await speaker.send({"type": "end"})
                await speaker.over()
                await watcher.over()
    assert [word.get("spk") for word in view(speaker).words] == NAMES
    assert [word.get("spk") for word in view(watcher).words] == NAMES


def events_of(recording: Path) -> list[Event]:
    """Return all durable events of a recording."""
    events: list[Event] = []
    for path in sorted(recording.glob("events-*.log")):
        with reading(path) as reader:
            events += [read_event(event)[1] for record in reader if record["k"] == "step" for event in record["e"]]
    return events


async def test_a_recording_keeps_what_was_told_live_beside_what_was_found_in_the_end(tmp_path: Path) -> None:
    """Its words have the names of the last look; its events still have those that they were committed with."""
    with closing(LateDesk()) as desk:
        async with kept_sessions(tmp_path, mode="asked", voices=desk, linger_s=0, ended_sessions=0) as sessions:
            session = sessions.open(Hello("speak", AudioFormat(), record=True))
            hearing = asyncio.create_task(hear(session, CHUNKS))
            while not list(session.journal.said()):
                await asyncio.sleep(0)  # a turn of the loop: nothing but the engine's answers is waited for
            desk.opened.set()
            await hearing
            session.finish(END)
            assert session.task is not None
            await session.task
    (recording,) = (path for path in (tmp_path / "recordings").iterdir() if path.is_dir() and path.name != "open")
    words = [word.spk for _, words in sorted(read_recording(recording).words.items()) for word in words]
    assert words == NAMES
    events = events_of(recording)
    live = [word.spk for event in events if isinstance(event, Commit) for word in event.words]
    assert (live[0], len(live)) == (None, len(NAMES))
    assert any(isinstance(event, SpeakerRevised) for event in events)

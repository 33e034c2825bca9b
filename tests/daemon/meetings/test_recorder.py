"""Sources that are spoken into a daemon as the tracks of a meeting."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from amanuensis.daemon.meetings.model import Record
from amanuensis.daemon.meetings.orders import obey
from amanuensis.daemon.meetings.recorder import Door, Recorder
from amanuensis.daemon.meetings.show import merged
from amanuensis.daemon.sources.base import Chunk, Lost, Source
from tests.helpers.recorded_meetings import FORMAT, RATE, library, recording_daemon
from tests.helpers.tone_engine import say, spell


class Spoken(Source):
    """A source whose sound is given to it; what was given when it is stopped comes by `drain`."""

    name = "spoken"
    format = FORMAT
    live = True

    def __init__(self) -> None:
        self.waiting: asyncio.Queue[Chunk | None] = asyncio.Queue()

    def say(self, *words: int) -> None:
        """Say words."""
        self.waiting.put_nowait(say(words).astype("<f4").tobytes())

    async def chunks(self) -> AsyncIterator[Chunk]:
        while (chunk := await self.waiting.get()) is not None:
            yield chunk

    async def drain(self) -> AsyncIterator[Chunk]:
        while not self.waiting.empty():
            if (chunk := self.waiting.get_nowait()) is not None:
                yield chunk

    async def aclose(self) -> None:
        """Nothing is open."""


class Meeting:
    """A recorder with what it has shown and said."""

    def __init__(self, door: Door) -> None:
        self.shown: list[tuple[str, Mapping[str, Any]]] = []
        self.said: list[str] = []
        self.news = asyncio.Event()
        self.recorder = Recorder(door, "Weekly", self._show)

    def _show(self, track: str, event: Mapping[str, Any]) -> None:
        self.shown.append((track, event))
        self.news.set()

    async def until(self, track: str, **wanted: Any) -> None:
        """Wait for an event of a track."""
        while not any(name == track and wanted.items() <= event.items() for name, event in self.shown):
            self.news.clear()
            await self.news.wait()

    async def order(self, line: str) -> None:
        """Type a line."""
        await obey(line, self.recorder, self.said.append)


def kept(folder: Path) -> Record:
    """The meeting that was recorded."""
    with library(folder).open() as store:
        return store.record("latest")


async def test_what_is_said_in_a_pause_is_not_recorded(tmp_path: Path) -> None:
    """It is a gap with that reason, exactly as long; notes and marks are kept; the other track has a pause as well."""
    stop, me, them = asyncio.Event(), Spoken(), Spoken()
    async with recording_daemon(tmp_path) as address:
        meeting = Meeting(Door(f"ws://{address}/v1/session"))
        tracks = {"me": me, "them": them}
        tasks = [asyncio.create_task(meeting.recorder.record(name, one, stop)) for name, one in tracks.items()]
        me.say(0, 1)
        them.say(3)
        await meeting.until("me", type="speech", on=True)
        await meeting.until("them", type="speech", on=True)
        await meeting.order("budget")
        await meeting.until("me", type="noted", text="budget")
        await meeting.order("/p")
        await meeting.until("me", type="final")
        me.say(5, 5, 5)
        them.say(6)
        pause = {"me": len(say((5, 5, 5))), "them": len(say((6,)))}
        while meeting.recorder.left_out != pause:
            await asyncio.sleep(0)
        await meeting.order("nobody hears us")
        await meeting.order("/p")
        me.say(2)
        me.waiting.put_nowait(Lost(RATE, "overrun"))
        stop.set()
        await asyncio.gather(*tasks)
    record = kept(tmp_path)
    assert meeting.said == [
        "noted: budget",
        "paused: nothing is recorded until /p",
        "noted: nobody hears us",
        "going on",
    ]
    assert [line.utterance.text for line in record.lines if line.track == "me"] == [spell((0, 1)), spell((2,))]
    assert [line.utterance.text for line in record.lines if line.track == "them"] == [spell((3,))]
    lengths = {(name, hole.why): round(RATE * (hole.end_ms - hole.start_ms) / 1000) for name, hole in record.holes}
    paused = {(name, "paused"): samples for name, samples in pause.items()}
    assert lengths == paused | {("me", "overrun"): RATE}
    assert [remark.text for remark in record.remarks] == ["budget", "nobody hears us"]
    assert record.remarks[1].at_ms == pytest.approx(1000 * (len(say((0, 1))) + pause["me"]) / RATE, abs=1)


async def test_a_source_that_ends_ends_its_track_only(tmp_path: Path) -> None:
    """The other one goes on; one that never gives anything is no track."""
    stop, me, them, nobody = asyncio.Event(), Spoken(), Spoken(), Spoken()
    async with recording_daemon(tmp_path) as address:
        meeting = Meeting(Door(f"ws://{address}/v1/session"))
        tracks = {"me": me, "them": them, "nobody": nobody}
        tasks = {name: asyncio.create_task(meeting.recorder.record(name, one, stop)) for name, one in tracks.items()}
        them.say(3)
        them.waiting.put_nowait(None)
        await tasks["them"]
        me.say(0)
        stop.set()
        await asyncio.gather(*tasks.values())
    record = kept(tmp_path)
    assert [(line.track, line.utterance.text) for line in record.lines] == [("them", spell((3,))), ("me", spell((0,)))]
    assert record.meeting.title == "Weekly"


def test_tracks_are_the_speakers_of_what_is_shown() -> None:
    """Utterances of different tracks are never taken for one."""
    commit = {"type": "commit", "utt": 1, "words": [{"text": " yes"}, {"text": " no", "spk": "A"}]}
    assert merged("them", 1, commit) == {
        "type": "commit",
        "utt": 9,
        "words": [{"text": " yes", "spk": "them"}, {"text": " no", "spk": "them A"}],
    }
    assert merged("me", 0, {"type": "turn", "utt": 1, "spk": "B"}) == {"type": "turn", "utt": 8, "spk": "me B"}
    assert merged("me", 0, {"type": "ack", "n": 3}) == {"type": "ack", "n": 3}

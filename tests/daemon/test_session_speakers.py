"""Who speaks, over real sockets and over the death of a daemon."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from websockets.asyncio.client import connect as websocket_connect

from amanuensis.daemon.dialects import voice
from amanuensis.daemon.enrolled import VoiceFile
from amanuensis.daemon.enrolment import Enroller
from amanuensis.daemon.known_voices import KnownVoices
from amanuensis.daemon.live_session import END
from amanuensis.daemon.meetings.label import MeetingLabel
from amanuensis.daemon.protocol import Hello
from amanuensis.daemon.voice_desk import VoiceDesk
from amanuensis.stream.config import StreamConfig
from amanuensis.stream.formats import AudioFormat
from tests.helpers.daemon_client import Event, cut, pcm, running, speak
from tests.helpers.kept_sessions import as_killed, kept_sessions, only, told
from tests.helpers.kept_sessions import speak as hear
from tests.helpers.tone_engine import say
from tests.helpers.voices import PitchEmbedder

WORDS = (0, 3, 1, 6, 2, 4, 5, 0, 2, 6)
PIECE = 3200  # bytes: 100 ms


def talk(*pitches_hz: float) -> bytes:
    """Return the words once in each voice, a second of silence before and after each."""
    parts = [say(WORDS, pitch_hz=hz, lead_s=1.0) for hz in pitches_hz]
    return pcm(np.concatenate([*parts, np.zeros(16_000, np.float32)]))


DIALOGUE = talk(120.0, 190.0, 120.0)
NAMES = ["A"] * len(WORDS) + ["B"] * len(WORDS) + ["A"] * len(WORDS)


@pytest.fixture
def voices() -> Iterator[VoiceDesk]:
    """What tells voices apart by their pitch."""
    with closing(VoiceDesk(PitchEmbedder())) as desk:
        yield desk


def speakers(events: list[Event]) -> list[str | None]:
    """Return whose each word is after all that was told."""
    words: dict[tuple[int, int], str | None] = {}
    counts: dict[int, int] = {}
    for event in events:
        for word in event.get("words", ()):
            if event["type"] == "commit":
                index = counts[event["utt"]] = counts.get(event["utt"], -1) + 1
                words[event["utt"], index] = word.get("spk")
            elif event["type"] == "speaker_revised":
                words[word["utt"], word["i"]] = word["spk"]
    return list(words.values())


async def test_a_client_is_told_who_speaks(voices: VoiceDesk) -> None:
    """Turns, words and what is put right; the export has the same, and nothing comes behind `bye`."""
    async with running(voices=voices) as (daemon, address):
        client = await speak(address, cut(DIALOGUE, [PIECE]))
        assert speakers(client.events) == NAMES
        assert {event["spk"] for event in client.find(type="turn")} == {"A", "B"}
        assert client.events[-1]["type"] == "bye"
        (session,) = daemon.sessions.ended
        kept = [word.spk for words in session.journal.utterances() for word in words]
        assert kept == NAMES


async def test_voices_are_enrolled_and_removed_while_the_daemon_runs(tmp_path: Path) -> None:
    """A session that begins afterwards calls them by their names, or does not."""
    file = VoiceFile(tmp_path / "speakers.json")
    enroller = Enroller(PitchEmbedder())
    enroller.hear(say(WORDS * 3, pitch_hz=120.0))
    known = KnownVoices(file, PitchEmbedder())
    with closing(VoiceDesk(PitchEmbedder(), known)) as voices:
        async with running(voices=voices, stream=StreamConfig(known_speakers=True)) as (_, address):
            heard = []
            for act in (lambda: None, lambda: file.put(enroller.finish("Anna").voice), lambda: file.remove("Anna")):
                act()
                heard.append(speakers((await speak(address, cut(DIALOGUE, [PIECE]))).events))
    assert ["Anna" in names for names in heard] == [False, True, False]


@pytest.mark.parametrize("fields", [{"speakers": 0}, {"speakers": 1}, {"max_speakers": 1}])
async def test_a_speaker_says_how_many_there_are(voices: VoiceDesk, fields: dict[str, Any]) -> None:
    """None are told apart, or all words are of one."""
    async with running(voices=voices) as (_, address):
        client = await speak(address, cut(DIALOGUE, [PIECE]), **fields)
    assert set(speakers(client.events)) == ({None} if fields == {"speakers": 0} else {"A"})


async def test_deepgrams_clients_get_a_speaker_that_stays(voices: VoiceDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Words are final once their speaker is settled: each has a number, and the two voices have two."""
    monkeypatch.setattr(voice, "MAX_HELD_S", math.inf)  # however slow this machine is
    async with running(voices=voices) as (_, address):
        query = "encoding=linear16&sample_rate=16000&diarize=true&interim_results=true"
        async with websocket_connect(f"ws://{address}/v1/listen?{query}") as socket:
            for piece in cut(DIALOGUE, [PIECE]):
                await socket.send(piece)
            await socket.send(json.dumps({"type": "CloseStream"}))
            results = [message async for frame in socket if (message := json.loads(frame))["type"] == "Results"]
    finals = [
        word for result in results if result["is_final"] for word in result["channel"]["alternatives"][0]["words"]
    ]
    assert len(finals) == len(NAMES)
    numbers = [word["speaker"] for word in finals]
    right = sum("AB"[number] == name for number, name in zip(numbers, NAMES, strict=True))
    assert right >= 0.9 * len(NAMES)
    assert any(not result["is_final"] for result in results)


async def test_a_session_that_is_taken_up_keeps_its_speakers(tmp_path: Path, voices: VoiceDesk) -> None:
    """Killed behind the second voice; the next daemon knows both when they come again, and a third is a new one."""
    chunks = cut(talk(120.0, 190.0, 190.0, 120.0, 240.0), [PIECE])
    middle = len(cut(talk(120.0, 190.0), [PIECE]))
    async with kept_sessions(tmp_path / "first", voices=voices) as sessions:
        session = sessions.open(Hello("speak", AudioFormat()))
        await hear(session, chunks[:middle])
        left = as_killed(tmp_path / "first", tmp_path / "left")
        session.finish(END)
        assert session.task is not None
        await session.task
    async with kept_sessions(left, voices=voices) as sessions:
        session = only(sessions)
        await hear(session, chunks)
        session.finish(END)
        assert session.task is not None
        await session.task
        found = speakers(told(session.journal.replay(0)))
    n = len(WORDS)
    assert len(found) == 5 * n
    assert found == ["A"] * n + ["B"] * 2 * n + ["A"] * n + ["C"] * n


async def test_the_track_of_a_microphone_is_one_person(tmp_path: Path, voices: VoiceDesk) -> None:
    """Its words have no speaker but the track; those of the other track have."""
    found = {}
    async with kept_sessions(tmp_path, mode="asked", voices=voices) as sessions:
        for track in ("me", "them"):
            hello = Hello("speak", AudioFormat(), record=True, meeting=MeetingLabel("m", track=track))
            session = sessions.open(hello)
            await hear(session, cut(DIALOGUE, [PIECE]))
            session.finish(END)
            assert session.task is not None
            await session.task
            found[track] = speakers(told(session.journal.replay(0)))
    assert found == {"me": [None] * len(NAMES), "them": NAMES}

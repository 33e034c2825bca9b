"""Voices told apart beside everything else, in the pipeline of a source."""

from __future__ import annotations

import asyncio
import threading
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import soundfile

from amanuensis.daemon.captioner import Captioner, Mode
from amanuensis.daemon.config import Config
from amanuensis.daemon.enrolled import EnrolledVoice, VoiceFile
from amanuensis.daemon.known_voices import KnownVoices
from amanuensis.daemon.outputs import Transcript
from amanuensis.daemon.pipeline import Pipeline
from amanuensis.daemon.sources.file import FileSource
from amanuensis.daemon.voice_desk import VoiceDesk
from amanuensis.stream.config import StreamConfig
from amanuensis.stream.events import Commit, Event, Final, Speech, Turn, Warning  # noqa: A004
from amanuensis.stream.voice_jobs import VoiceAnswer, VoiceJob
from amanuensis.stream.voice_windows import VoiceWindow
from tests.helpers.tone_engine import ToneEngine, ToneTokenizer, say, spell
from tests.helpers.voices import BandEmbedder, PitchEmbedder

RATE = 16_000
WORDS = (0, 3, 1, 6, 2, 4, 5, 0, 2, 6)
LOW_HZ, HIGH_HZ = 120.0, 190.0
WANTED = Config(stream=StreamConfig(max_speakers=5))


def dialogue(rate: int = RATE) -> np.ndarray:
    """Return the same words four times, said by two voices in turn."""
    parts = [say(WORDS, rate, pitch_hz=hz, lead_s=1.0) for hz in (LOW_HZ, HIGH_HZ) * 2]
    return np.concatenate([*parts, np.zeros(rate, np.float32)])


async def heard(
    tmp_path: Path,
    mode: Mode,
    config: Config = WANTED,
    embedder: Any = None,
    sound: np.ndarray | None = None,
    rate: int = RATE,
    limit_s: float = 60.0,
) -> list[Event]:
    """Return all events of a file."""
    soundfile.write(tmp_path / "a.wav", dialogue() if sound is None else sound, rate, subtype="FLOAT")
    with closing(VoiceDesk(embedder or PitchEmbedder(), limit_s=limit_s)) as desk:
        pipeline = Pipeline(ToneEngine(), cast(Any, ToneTokenizer()), config, desk)
        captioner = Captioner(FileSource(tmp_path / "a.wav"), pipeline, mode=mode)
        return [event async for event in captioner.events()]


def names(events: list[Event]) -> list[str | None]:
    """Return the speaker of each word in the end."""
    transcript = Transcript()
    for event in events:
        transcript.add(event)
    return [word.spk for word in transcript.words]


@pytest.mark.parametrize(
    ("mode", "rate"), [("live", RATE), ("lockstep", RATE), ("windows", RATE), ("windows", 8_000), ("windows", 48_000)]
)
async def test_the_words_of_a_dialogue_have_their_speakers(tmp_path: Path, mode: Mode, rate: int) -> None:
    """At any rate all words are there, and in the end each has its voice; a first turn is told."""
    events = await heard(tmp_path, mode, sound=dialogue(rate), rate=rate)
    text = "".join(word.text for event in events if isinstance(event, Commit) for word in event.words).strip()
    assert text == " ".join([spell(WORDS)] * 4)
    assert names(events) == (["A"] * len(WORDS) + ["B"] * len(WORDS)) * 2
    assert any(isinstance(event, Turn) for event in events)


async def test_two_people_at_two_microphones_of_one_recording(tmp_path: Path) -> None:
    """Stereo is mixed: one in the left channel and one in the right are two voices as in one channel."""
    sound = dialogue()
    is_left = np.arange(sound.size) * 4 // sound.size % 2 == 0
    stereo = np.stack([np.where(is_left, sound, 0.1 * sound), np.where(is_left, 0.1 * sound, sound)], axis=1)
    events = await heard(tmp_path, "windows", sound=stereo.astype(np.float32))
    assert names(events) == (["A"] * len(WORDS) + ["B"] * len(WORDS)) * 2


async def test_lockstep_tells_the_same_every_time(tmp_path: Path) -> None:
    """There is nothing in it that depends on how quick the thread is."""
    assert await heard(tmp_path, "lockstep") == await heard(tmp_path, "lockstep")


async def test_a_recording_has_speakers_only_when_that_is_asked_for(tmp_path: Path) -> None:
    """Without a word of it, or with `speakers` 0, nobody is told apart and nothing is computed."""
    for stream in (StreamConfig(), StreamConfig(speakers=0, max_speakers=5)):
        embedder = BandEmbedder()
        events = await heard(tmp_path, "windows", Config(stream=stream), embedder)
        assert set(names(events)) == {None}
        assert embedder.calls == 0


class Broken(PitchEmbedder):
    """A model that fails at its third window."""

    def __init__(self, wrong: Any) -> None:
        super().__init__()
        self.wrong, self.n = wrong, 0

    def embed(self, samples: np.ndarray) -> np.ndarray:
        self.n += 1
        return super().embed(samples) if self.n < 3 else self.wrong()


def out_of_memory() -> np.ndarray:
    """Fail as a foreign model may."""
    raise MemoryError("no more")


@pytest.mark.parametrize("wrong", [out_of_memory, lambda: np.full(100, np.nan, np.float32), lambda: np.ones(3)])
async def test_a_model_that_fails_does_not_stop_the_words(tmp_path: Path, wrong: Any) -> None:
    """One warning says so; every word comes."""
    events = await heard(tmp_path, "lockstep", embedder=Broken(wrong))
    warnings = [event.code for event in events if isinstance(event, Warning)]
    assert warnings == ["speakers_stopped"]
    assert len(names(events)) == 4 * len(WORDS)
    ends = [event for event in events if isinstance(event, Commit | Final | Speech)]
    assert {type(event) for event in ends[-2:]} == {
        Final,
        Speech,
    }  # final before the silence is over


async def test_a_model_that_never_answers_holds_up_no_end(tmp_path: Path) -> None:
    """Its work is given up, which a warning says; every word comes, and the end."""
    answered = threading.Event()

    def hang() -> np.ndarray:
        answered.wait()
        return np.zeros(100, np.float32)

    try:
        events = await heard(tmp_path, "windows", embedder=Broken(hang), limit_s=0.1)
    finally:
        answered.set()
    (warning,) = [event for event in events if isinstance(event, Warning)]
    assert (warning.code, "speaker model pitch took more than 0.1 s" in warning.message) == ("speakers_stopped", True)
    assert len(names(events)) == 4 * len(WORDS)


async def test_silence_and_one_speaker(tmp_path: Path) -> None:
    """Silence tells nothing; of one voice every word is A's."""
    assert await heard(tmp_path, "windows", sound=np.zeros(5 * RATE, np.float32)) == []
    assert set(names(await heard(tmp_path, "windows", sound=say(WORDS * 2, lead_s=1.0)))) == {"A"}


def test_who_is_told_apart_where(tmp_path: Path) -> None:
    """What is live, unless it is switched off; a recording when a number is given. Known voices only when asked."""
    file = VoiceFile(tmp_path / "speakers.json")
    file.put(EnrolledVoice("Anna", "pitch", np.eye(1, 100, dtype=np.float32)[0], 12.0))
    with closing(VoiceDesk(PitchEmbedder(), KnownVoices(file, PitchEmbedder()))) as desk:
        usual = StreamConfig()
        live = desk.rules(usual, live=True)
        assert live is not None
        assert (live.most, live.exactly, live.known) == (20, None, None)
        assert desk.rules(usual, live=False) is None
        assert desk.rules(replace(usual, speakers=0), live=True) is None
        asked = desk.rules(replace(usual, speakers=2, max_speakers=4, known_speakers=True), live=False)
        assert asked is not None
        assert (asked.most, asked.exactly, list(asked.known or ())) == (4, 2, ["Anna"])


async def test_the_thread_gives_way_to_others() -> None:
    """Its niceness is ten more than that of the process, where that can be set."""
    import os

    seen: list[int] = []

    class Nosy(PitchEmbedder):
        def embed(self, samples: np.ndarray) -> np.ndarray:
            seen.append(os.getpriority(os.PRIO_PROCESS, 0))
            return super().embed(samples)

    window = VoiceWindow(0, RATE, RATE, np.ones(RATE, np.int16))
    with closing(VoiceDesk(Nosy())) as desk:
        answers = await asyncio.gather(*(desk.work(VoiceJob(k, (window,))) for k in range(3)))
    assert all(isinstance(answer, VoiceAnswer) for answer in answers)
    assert set(seen) == {min(19, os.getpriority(os.PRIO_PROCESS, 0) + 10)}

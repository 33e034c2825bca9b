"""Sources through the streaming pipeline, with an engine that reads tones."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import soundfile

from amanuensis.daemon.captioner import SILENCE_DBFS, Captioner, Mode, level_dbfs
from amanuensis.daemon.config import Config
from amanuensis.daemon.pipeline import Pipeline
from amanuensis.daemon.sources.base import Chunk, Lost, Pause, Source, SourceError
from amanuensis.daemon.sources.file import FileSource
from amanuensis.npu.engine.api import EngineBusyError, EngineLostError
from amanuensis.stream.events import Commit, Event, Final, Gap
from amanuensis.stream.formats import AudioFormat
from tests.helpers.tone_engine import ToneEngine, ToneTokenizer, say, spell

RATE = 16_000
FORMAT = AudioFormat("f32le", RATE, 1)
WORDS = (0, 3, 1, 6, 2)


def pipeline(engine: ToneEngine | None = None) -> Pipeline:
    """A pipeline whose engine reads tones."""
    return Pipeline(engine or ToneEngine(), cast(Any, ToneTokenizer()), Config())


class Script(Source):
    """A source that plays what a test wrote.

    Args:
        items: pieces, and an exception to fail with.
        left: what was captured but not handed over.
        live: as in Source.

    """

    name = "script"
    format = FORMAT

    def __init__(self, items: list[Chunk | Exception], left: list[Chunk] | None = None, live: bool = False) -> None:
        self.live = live
        self._items = items
        self._left = left or []
        self.idle = asyncio.Event()

    async def chunks(self) -> AsyncIterator[Chunk]:
        for item in self._items:
            if isinstance(item, Exception):
                raise item
            yield item
        if self._left:
            self.idle.set()
            await asyncio.Event().wait()

    async def drain(self) -> AsyncIterator[Chunk]:
        for chunk in self._left:
            yield chunk

    async def aclose(self) -> None:
        """Nothing to let go."""


def pcm(words: tuple[int, ...], tail_s: float = 0.0) -> bytes:
    """The sound of words and a silence, as bytes."""
    return np.concatenate([say(words), np.zeros(round(tail_s * RATE), np.float32)]).astype("<f4").tobytes()


def text(events: list[Event]) -> str:
    """The committed words."""
    return "".join(word.text for event in events if isinstance(event, Commit) for word in event.words).strip()


async def collect(captioner: Captioner, stop: asyncio.Event | None = None) -> list[Event]:
    """All events of a run."""
    return [event async for event in captioner.events(stop)]


@pytest.mark.parametrize("mode", ["live", "lockstep", "windows"])
@pytest.mark.parametrize(("rate", "channels"), [(16_000, 1), (44_100, 2), (8000, 1)])
async def test_a_file_becomes_its_words(tmp_path: Path, mode: Mode, rate: int, channels: int) -> None:
    """Streamed or window by window, at any rate, the words come out once and in order, and nothing is left over."""
    sound = say(WORDS, rate)
    soundfile.write(tmp_path / "a.wav", np.repeat(sound[:, None], channels, axis=1), rate, subtype="FLOAT")
    engine = ToneEngine()
    captioner = Captioner(FileSource(tmp_path / "a.wav"), pipeline(engine), mode=mode)
    events = await collect(captioner)
    assert text(events) == spell(WORDS)
    assert isinstance(events[-1], Final)
    assert captioner.heard_ms == pytest.approx(1000 * len(sound) / rate)
    assert engine.open == set()


async def test_stopping_keeps_what_was_captured() -> None:
    """What a microphone holds when it is stopped is transcribed before the end."""
    data = pcm(WORDS)
    cut = len(data) // 8 * 4
    source = Script([data[:cut]], [data[cut:]], live=True)
    stop = asyncio.Event()
    collecting = asyncio.create_task(collect(Captioner(source, pipeline()), stop))
    await source.idle.wait()
    stop.set()
    assert text(await collecting) == spell(WORDS)


async def test_a_source_that_fails_gives_its_last_words_first() -> None:
    """The words before the failure are final before the error is raised."""
    captioner = Captioner(Script([pcm(WORDS), SourceError("gone")]), pipeline())
    events: list[Event] = []

    async def run() -> None:
        async for event in captioner.events():
            events.append(event)  # noqa: PERF401 - what came before the error is wanted

    with pytest.raises(SourceError, match="gone"):
        await run()
    assert text(events) == spell(WORDS)
    assert isinstance(events[-1], Final)


async def test_lost_samples_become_a_gap_at_their_place() -> None:
    """A hole is told where it lies, and keeps the time of what follows."""
    before = pcm(WORDS, tail_s=1.0)
    source = Script([before, Lost(5 * RATE, "too slow"), pcm((5,))])
    captioner = Captioner(source, pipeline())
    events = await collect(captioner)
    (gap,) = (event for event in events if isinstance(event, Gap))
    at_ms = 1000 * len(before) / 4 / RATE
    assert (gap.start_ms, gap.end_ms, gap.why) == (at_ms, at_ms + 5000, "too slow")
    last = [word for event in events if isinstance(event, Commit) for word in event.words][-1]
    assert last.start_ms > at_ms + 5000
    assert text(events) == spell((*WORDS, 5))
    assert captioner.session.ledger.totals().gap == 5 * RATE


async def test_words_that_a_machine_fell_asleep_on_are_told() -> None:
    """A night that is missing in the middle of a sentence is a gap, and no word before or behind it is."""
    night = 8 * 3600 * RATE
    captioner = Captioner(Script([pcm(WORDS), Lost(night, "asleep"), pcm((5,))], live=True), pipeline())
    events = await collect(captioner)
    assert text(events) == spell((*WORDS, 5))
    assert {gap.why for gap in events if isinstance(gap, Gap)} == {"asleep"}
    assert captioner.session.ledger.totals().gap == night


async def test_a_pause_makes_everything_final() -> None:
    """When a sender leaves in the middle of a word, its words do not wait for the next sender."""
    source = Script([pcm(WORDS), Pause("gone"), pcm((5, 6))])
    events = await collect(Captioner(source, pipeline()))
    finals = [event for event in events if isinstance(event, Final)]
    assert [final.text.strip() for final in finals] == [spell(WORDS), spell((5, 6))]
    assert finals[0].reason == "flush"


async def test_an_engine_that_is_lost_ends_the_run() -> None:
    """A run does not go on without an engine."""
    engine = ToneEngine(fail_with=EngineLostError("it died three times"))
    with pytest.raises(EngineLostError, match="it died three times"):
        await collect(Captioner(Script([pcm(WORDS)]), pipeline(engine)))
    assert engine.open == set()


async def test_a_busy_engine_is_told() -> None:
    """When all streams are taken the run does not begin."""
    with pytest.raises(EngineBusyError):
        await collect(Captioner(Script([]), pipeline(ToneEngine(max_streams=0))))


async def test_level_and_lag_are_told_for_every_piece() -> None:
    """The console hears of each piece of sound."""
    told: list[tuple[float | None, float]] = []
    data = pcm(WORDS)
    source = Script([data[: len(data) // 8 * 4], data[len(data) // 8 * 4 :]])
    await collect(Captioner(source, pipeline(), lambda level, lag: told.append((level, lag))))
    assert len(told) == 2
    assert all(level is not None and -60 < level < 0 for level, _ in told)


@pytest.mark.parametrize(
    ("data", "encoding", "expected"),
    [
        (np.full(100, 16384, "<i2").tobytes(), "s16le", -6.02),
        (np.full(100, 1.0, "<f4").tobytes(), "f32le", 0.0),
        (np.array([np.nan, np.inf, -np.inf], "<f4").tobytes(), "f32le", SILENCE_DBFS),
        (bytes(100), "s16le", SILENCE_DBFS),
        (b"", "s16le", None),
        (bytes(100), "mulaw", None),
    ],
)
def test_levels_are_decibels_below_full_scale(data: bytes, encoding: Any, expected: float | None) -> None:
    """The level is that of the root mean square; it is not known for companded sound."""
    level = level_dbfs(data, AudioFormat(encoding, RATE, 1))
    assert level == (None if expected is None else pytest.approx(expected, abs=0.01))


async def test_in_lockstep_words_are_committed_as_they_would_be_live() -> None:
    """However fast the sound comes, its words leave in several steps and not all at the end."""
    said = WORDS * 3
    captioner = Captioner(Script([pcm(said)]), pipeline(), mode="lockstep")
    events = await collect(captioner)
    assert text(events) == spell(said)
    assert sum(isinstance(event, Commit) for event in events) >= len(said) // 3

"""Sources that outlive their device: real programs that come and go, and a clock that the test moves."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field

from amanuensis.daemon.sources.base import Chunk, Lost, Pause, SourceError
from amanuensis.daemon.sources.patient import AWAY, FIRST_WAIT_S, WATCH_S, PatientSource
from amanuensis.daemon.sources.process import ProcessSource, last_words, start
from amanuensis.stream.formats import AudioFormat

MONO, FAST = AudioFormat("s16le", 8000, 1), AudioFormat("s16le", 16_000, 1)


class Program(ProcessSource):
    """What a shell command writes."""

    def _taken(self, data: bytes) -> Iterable[Chunk]:
        return [data]

    async def _why(self) -> str:
        return f"{self.name} has gone: {await last_words(self._process)}"


async def program(name: str, script: str, fmt: AudioFormat = MONO) -> Program:
    """Start a shell command."""
    return Program(await start(("sh", "-c", script)), name, fmt)


@dataclass
class Stage:
    """Places in the order in which they are found, and time that passes while one is sought."""

    openings: list[tuple[str, str, AudioFormat] | str]
    better_one: tuple[str, str, AudioFormat] | None = None
    what: str = "stage"
    most_wait_s: float = 3.0
    now_s: float = 100.0
    said: list[str] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    empty: asyncio.Event = field(default_factory=asyncio.Event)

    async def open(self) -> ProcessSource:
        if not self.openings:
            self.empty.set()
            await asyncio.Event().wait()
        opening = self.openings.pop(0)
        if isinstance(opening, str):
            raise SourceError(opening)
        return await program(*opening)

    async def better(self, current: ProcessSource) -> ProcessSource | None:
        if self.better_one is None:
            return None
        one, self.better_one = self.better_one, None
        return await program(*one)

    async def sleep(self, seconds: float) -> None:
        if seconds == WATCH_S and self.better_one is None:
            await asyncio.Event().wait()  # nothing better will come
        self.waits.append(seconds)
        self.now_s += seconds
        await asyncio.sleep(0)

    async def source(self) -> PatientSource:
        first = await self.open()
        return PatientSource(self, first, first.format, self.said.append, clock=lambda: self.now_s, sleep=self.sleep)


async def heard(stage: Stage, source: PatientSource) -> list[Chunk]:
    """Everything until no further place is found."""
    chunks: list[Chunk] = []

    async def read() -> None:
        async for chunk in source.chunks():
            chunks.append(chunk)  # noqa: PERF401 - what came before it is cancelled counts

    reading = asyncio.create_task(read())
    await stage.empty.wait()
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    await source.aclose()
    return chunks


def joined(chunks: list[Chunk]) -> list[Chunk]:
    """Neighbouring pieces of sound as one."""
    out: list[Chunk] = []
    for chunk in chunks:
        if isinstance(chunk, bytes) and out and isinstance(out[-1], bytes):
            out[-1] += chunk
        else:
            out.append(chunk)
    return out


async def test_a_lost_place_is_waited_for_and_the_time_away_is_a_hole() -> None:
    """What came before and after is heard; between lie a pause and as much lost sound as the clock says."""
    stage = Stage(
        [("usb", "printf aabb; echo unplugged >&2", MONO), "none is there", "none is there", ("usb", "printf cc", MONO)]
    )
    chunks = joined(await heard(stage, await stage.source()))
    away_s = sum(stage.waits)
    lost = Lost(round((away_s - 1 / MONO.rate) * MONO.rate), AWAY)
    assert chunks == [b"aabb", Pause(AWAY), lost, b"cc", Pause(AWAY)]
    assert stage.said[:2] == ["usb has gone: unplugged; waiting for sound", "listening to usb"]
    assert stage.waits == [FIRST_WAIT_S, 2 * FIRST_WAIT_S]


async def test_places_that_die_at_once_are_tried_ever_more_rarely() -> None:
    """A place that opens and gives no sound is told once, and none is opened again without a wait."""
    dead = ("usb", "echo broken >&2", MONO)
    stage = Stage([("usb", "printf aa", MONO), *[dead] * 5, ("usb", "printf bb", MONO), dead])
    chunks = joined(await heard(stage, await stage.source()))
    assert [chunk for chunk in chunks if isinstance(chunk, bytes)] == [b"aa", b"bb"]
    assert stage.waits == [0.5, 1.0, 2.0, 3.0, 3.0, 0.5]
    assert stage.said == [
        "usb has gone: ; waiting for sound",
        "usb has gone: broken; waiting for sound",
        "listening to usb",
        "usb has gone: ; waiting for sound",
        "usb has gone: broken; waiting for sound",
    ]


async def test_another_place_takes_over_in_the_first_ones_format() -> None:
    """The name is that of the place that is heard, and its sound comes at the rate of the first one."""
    stage = Stage([("usb", "printf aa", MONO), ("card", "head -c 32000 /dev/zero", FAST)])
    source = await stage.source()
    chunks = joined(await heard(stage, source))
    assert source.name == "card"
    assert source.format == MONO
    assert [len(chunk) for chunk in chunks if isinstance(chunk, bytes)] == [2, 16_000]
    assert "listening to card" in stage.said


async def test_a_better_place_is_taken_when_it_comes() -> None:
    """The place that is heard is asked for its last sound before it is left."""
    stage = Stage([("card", "printf aa; cat; printf bb", MONO)], better_one=("usb", "printf cc", MONO))
    chunks = joined(await heard(stage, await stage.source()))
    assert [chunk for chunk in chunks if isinstance(chunk, bytes)] == [b"aabb", b"cc"]
    assert stage.said[0] == "listening to usb"


async def test_the_last_sound_of_a_stopped_source_is_drained() -> None:
    """Who stops reading gets what was captured by then."""
    stage = Stage([("card", "printf aa; cat; printf bb", MONO)])
    source = await stage.source()
    chunks = source.chunks()
    assert await anext(chunks) == b"aa"
    await chunks.aclose()  # type: ignore[attr-defined]  # it is a generator
    assert [chunk async for chunk in source.drain()] == [b"bb"]
    await source.aclose()

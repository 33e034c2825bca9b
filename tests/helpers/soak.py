"""Hours of sound through a real daemon, as fast as its engine takes it, and what it holds on to meanwhile."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from amanuensis.benchmarks.sound import conversation
from amanuensis.daemon.client import AmanuensisClient, Event, Hello, connect
from tests.helpers.counted_check import Reading, read
from tests.helpers.service_host import Host, host
from tests.helpers.spoken_numbers import FORMAT, NOISE, RATE, Counted, Samples, counted, pcm_of

SPEECH_PARTS = ("numbers", "numbers", "numbers", "conversation")
OTHER_PARTS = ("near-silence", "zeros", "noise", "hum")
NUMBERS = 12  # of a part with numbers
VARIANTS = 6  # of it
_LOOKS, _BETWEEN_LOOKS_S = 15, 0.2
LIMITS = {  # everything that is bounded is full before the warm-up is over
    "TRANSCRIPT_WORDS": "1000",
    "RING_EVENTS": "512",
    "ENDED_SESSIONS": "2",
    "LINGER_S": "1",
    "MAX_LOAD": "0",
    "IDLE_S": "3600",
    "PING_S": "20",
}


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of the sound: its first sample, and what was counted in it."""

    start: int
    stop: int
    stream: Counted | None


@dataclass(frozen=True, slots=True)
class Look:
    """What daemon and engine hold on to: resident memory, descriptors, tasks, threads, bytes in the spool."""

    audio_h: float
    daemon_mb: float
    engine_mb: float
    descriptors: int
    tasks: int
    threads: int
    spool_kb: float

    def line(self) -> str:
        """Return it for people."""
        return (
            f"soak: {self.audio_h:6.2f} h: daemon {self.daemon_mb:6.1f} MB, engine {self.engine_mb:6.1f} MB, "
            f"{self.descriptors} descriptors, {self.tasks} tasks, {self.threads} threads, spool {self.spool_kb:.0f} kB"
        )


@dataclass
class Soaked:
    """What a soak has shown.

    Attributes:
        looks: from time to time.
        parts: of the sound.
        words: committed, with the source sample at which they begin.
        gap_s: of audio that was reported as not transcribed.
        ledger: samples by fate.
        n_samples: that were sent.

    """

    looks: list[Look] = field(default_factory=list)
    parts: list[Part] = field(default_factory=list)
    words: list[tuple[int, str]] = field(default_factory=list)
    gap_s: float = 0.0
    ledger: dict[str, int] = field(default_factory=dict)
    n_samples: int = 0

    def readings(self) -> list[Reading]:
        """Return how the numbers of each part were read, from the words that begin in it."""
        found, at = [], 0
        for part in self.parts:
            text = []
            while at < len(self.words) and self.words[at][0] < part.stop:
                text.append(self.words[at][1])
                at += 1
            if part.stream is not None:
                found.append(read("".join(text), part.stream.numbers))
        return found

    def misread(self) -> int:
        """Return how many numbers were not committed as they were spoken, and words that nobody said."""
        return sum(NUMBERS - len(reading.exact) + len(reading.added) for reading in self.readings())

    def slope_mb_h(self, of: Callable[[Look], float], warm_up_h: float) -> float:
        """Return by how many MB an hour of audio something grows after the warm-up."""
        looks = [look for look in self.looks if look.audio_h >= warm_up_h]
        slope, _ = np.polyfit([look.audio_h for look in looks], [of(look) for look in looks], 1)
        return float(slope)


@cache
def stream_of(variant: int) -> Counted:
    """Return a part with numbers."""
    first = 1 + 161 * variant
    return counted(range(first, first + NUMBERS), seed=variant)


@cache
def other_sound(kind: str) -> Samples:
    """Return a part in which nothing is counted; it ends as softly as the ones with numbers begin."""
    noise = np.random.default_rng(len(kind))
    time_s = np.arange(15 * RATE) / RATE
    makers: dict[str, Callable[[], NDArray[np.floating[Any]]]] = {
        "conversation": conversation,
        "near-silence": lambda: np.zeros(30 * RATE),
        "zeros": lambda: np.zeros(10 * RATE),
        "noise": lambda: noise.normal(0, 0.02, time_s.size),
        "hum": lambda: 0.05 * np.sin(2 * np.pi * 100 * time_s),
    }
    sound = makers[kind]()
    softly = np.zeros(RATE) if kind != "zeros" else np.zeros(0)
    whole = np.concatenate([sound, softly])
    return (whole + noise.normal(0, NOISE if kind != "zeros" else 0.0, whole.size)).astype(np.float32)


def parts_of(seed: int) -> Iterator[tuple[bytes, Counted | None]]:
    """Yield sound for ever: as often speech as something else, and the numbers in it."""
    draw = random.Random(seed)
    while True:
        kind = draw.choice(draw.choice((SPEECH_PARTS, OTHER_PARTS)))
        stream = stream_of(draw.randrange(VARIANTS)) if kind == "numbers" else None
        yield pcm_of(stream.sound if stream else other_sound(kind)), stream


async def soak(
    model: Path, folder: Path, audio_s: float, look_s: int, tell: Callable[[Look], None] = lambda _: None
) -> Soaked:
    """Speak for so much audio into one session; each `look_s` of it have others come and go, and look what stays."""
    soaked = Soaked()
    for variant in range(VARIANTS):
        stream_of(variant)  # speaking takes time, in which a client should not be deaf
    async with host(model, folder, LIMITS) as daemon:
        hello = Hello(audio=FORMAT, want=["words"])
        async with connect(daemon.url, hello) as client, asyncio.TaskGroup() as tasks:
            tasks.create_task(_listen(client, soaked))
            for data, stream in parts_of(seed=0):
                if soaked.n_samples >= audio_s * RATE:
                    break
                looked = soaked.n_samples // (look_s * RATE)
                await client.send_audio(data)
                start, soaked.n_samples = soaked.n_samples, soaked.n_samples + len(data) // FORMAT.frame_bytes
                soaked.parts.append(Part(start, soaked.n_samples, stream))
                if soaked.n_samples // (look_s * RATE) > looked:
                    await _come_and_go(daemon, client.session)
                    soaked.looks.append(await look(daemon, soaked.n_samples / RATE / 3600))
                    tell(soaked.looks[-1])
            await client.end()
        soaked.ledger = await daemon.ledger(client.session) or {}
    return soaked


async def _listen(client: AmanuensisClient, soaked: Soaked) -> None:
    async for event in client:
        if event["type"] == "commit":
            soaked.words += [(round(word["from"] * RATE / 1000), word["text"]) for word in event["words"]]
        elif event["type"] == "gap":
            soaked.gap_s += (event["to"] - event["from"]) / 1000


async def _come_and_go(daemon: Host, session: str) -> None:
    """Have another session spoken from beginning to end, another watcher come and leave, and an export made."""
    stream = stream_of(0)
    async with connect(daemon.url, Hello(audio=FORMAT)) as speaker, asyncio.TaskGroup() as tasks:
        heard: list[Event] = []
        tasks.create_task(_collect(speaker, heard))
        await speaker.send_audio(pcm_of(stream.sound))
        await speaker.end()
    text = "".join(word["text"] for event in heard if event["type"] == "commit" for word in event["words"])
    assert len(read(text, stream.numbers).exact) == NUMBERS
    async with connect(daemon.url.replace("/session", f"/watch/{session}")) as watcher:
        await anext(aiter(watcher))
    await daemon.get(f"/v1/sessions/{session}.srt")


async def _collect(client: AmanuensisClient, events: list[Event]) -> None:
    events += [event async for event in client]


async def look(daemon: Host, audio_h: float) -> Look:
    """Return what daemon and engine hold on to; of descriptors the fewest within a while, as connections are closed."""
    (engine,) = daemon.engines()
    descriptors = []
    for _ in range(_LOOKS):
        descriptors.append(sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in (daemon.pid, engine)))  # noqa: PTH208
        await asyncio.sleep(_BETWEEN_LOOKS_S)
    return Look(
        audio_h,
        daemon_mb=_status(daemon.pid, "VmRSS") / 1024,
        engine_mb=_status(engine, "VmRSS") / 1024,
        descriptors=min(descriptors),
        tasks=round(await daemon.metric("amanuensis_tasks")),
        threads=sum(_status(pid, "Threads") for pid in (daemon.pid, engine)),
        spool_kb=await daemon.metric("amanuensis_kept_bytes") / 1000,
    )


def _status(pid: int, name: str) -> int:
    """Return a number from the status of a process, such as its resident memory in kB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))

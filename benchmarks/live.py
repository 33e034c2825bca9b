"""One client of the real daemon that speaks as a microphone does, or as fast as it is taken, and notes what it gets."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from amanuensis.benchmarks.measures import Sent, Shown, Take
from amanuensis.benchmarks.sound import SAMPLE_RATE
from amanuensis.daemon.client import Client, Hello, connect
from amanuensis.stream.formats import AudioFormat

PACKET_S = 0.02  # as sound comes from a microphone
FORMAT = AudioFormat("s16le", SAMPLE_RATE, 1)


class Notes:
    """Writes down what a client is shown, from events of the native protocol (docs/protocol.md).

    Attributes:
        shown: so far.
        lags_ms: the daemon's own lag, once a second: (seconds, newest audio received less newest decoded).
        gaps_ms: audio that was not transcribed.

    """

    def __init__(self) -> None:
        self.shown: list[Shown] = []
        self.lags_ms: list[tuple[float, float]] = []
        self.gaps_ms = 0.0
        self._partials: dict[int, str] = {}  # by utterance: two may be open

    def note(self, at_s: float, event: Mapping[str, Any]) -> None:
        """Take an event that came at a time."""
        kind = event["type"]
        if kind == "partial":
            self._partials[event["utt"]] = event["text"]
            self.shown.append(Shown(at_s, "partial", "".join(text for _, text in sorted(self._partials.items()))))
        elif kind == "commit":
            self._partials.pop(event["utt"], None)
            self.shown.append(Shown(at_s, "commit", "".join(word["text"] for word in event["words"])))
        elif kind == "final":
            self._partials.pop(event["utt"], None)
            self.shown.append(Shown(at_s, "final", event["text"]))
        elif kind == "stats":
            self.lags_ms.append((at_s, float(event["lag_ms"])))
        elif kind == "gap":
            self.gaps_ms += event["to"] - event["from"]


@dataclass(frozen=True, slots=True)
class LiveRun:
    """What one client got.

    Attributes:
        take: what was shown when; times count from the first packet.
        lags_ms, gaps_ms: as in `Notes`.
        late_s: the longest that a packet was sent after it was due, because the daemon or this machine held it back.
        wall_s: from the first packet to `bye`.

    """

    take: Take
    lags_ms: Sequence[tuple[float, float]]
    gaps_ms: float
    late_s: float
    wall_s: float


@dataclass(slots=True)
class Speaker:
    """Says one recording.

    Args:
        samples: float32 mono at 16 kHz.
        packet_s: length of what is sent at a time.
        is_live: each packet is sent when its last sample is due; else as fast as it is taken.
        until: called before each packet; the speaker ends when it is true.

    """

    samples: NDArray[np.float32]
    packet_s: float = PACKET_S
    is_live: bool = True
    until: Callable[[], bool] = lambda: False
    _sent: list[Sent] = field(default_factory=list)
    _start: float = 0.0
    _late_s: float = 0.0

    async def speak(self, url: str, delay_s: float = 0.0) -> LiveRun:
        """Speak in a new session, so many seconds after it is open, and return when all is final."""
        async with connect(url, Hello(audio=FORMAT, lang="en", speakers=0)) as client:
            await asyncio.sleep(delay_s)
            notes = Notes()
            self._start = time.perf_counter()
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._send(client))
                async for event in client:
                    notes.note(time.perf_counter() - self._start, event)
        take = Take(tuple(notes.shown), tuple(self._sent))
        return LiveRun(take, notes.lags_ms, notes.gaps_ms, self._late_s, time.perf_counter() - self._start)

    async def _send(self, client: Client) -> None:
        step = round(self.packet_s * SAMPLE_RATE)
        pcm = (np.clip(self.samples, -1, 1) * 32767).astype("<i2")
        for at in range(0, len(pcm), step):
            until_s = min(at + step, len(pcm)) / SAMPLE_RATE
            now_s = time.perf_counter() - self._start
            due_s = until_s if self.is_live else now_s
            if due_s > now_s:
                await asyncio.sleep(due_s - now_s)
            if self.until():
                break
            self._sent.append(Sent(due_s, until_s))
            await client.send_audio(pcm[at : at + step].tobytes())
            self._late_s = max(self._late_s, time.perf_counter() - self._start - due_s)
        await client.end()


async def speak_together(url: str, speakers: list[Speaker], spread_s: float) -> list[LiveRun]:
    """Have several clients speak at once; their starts are spread evenly over so many seconds."""
    async with asyncio.TaskGroup() as tasks:
        delays = (k * spread_s / len(speakers) for k in range(len(speakers)))
        running = [tasks.create_task(one.speak(url, delay)) for one, delay in zip(speakers, delays, strict=True)]
    return [task.result() for task in running]

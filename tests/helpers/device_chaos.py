"""A live session on a simulated NPU that fails at random points, driven as the daemon drives it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from amanuensis.daemon.pump import Pump
from amanuensis.npu import pyxrt_emulator
from amanuensis.npu.devices.fallback import Backoff, Fallback
from amanuensis.npu.engine.api import EngineConfig, EngineInfo, EngineStats
from amanuensis.npu.loading import LoadedModel, load_model
from amanuensis.npu.pyxrt_emulator import Fault
from amanuensis.npu.pyxrt_emulator.faults import DispatchFault
from amanuensis.npu.tokenizer import Tokenizer
from amanuensis.npu.window import WindowJob, WindowResult
from amanuensis.stream.config import StreamConfig
from amanuensis.stream.events import Commit, Event, Final, Warning  # noqa: A004 - the name on the wire
from amanuensis.stream.formats import AudioFormat
from amanuensis.stream.session import StreamSession
from tests.helpers.daemon_client import cut, pcm

CLIPS = Path(__file__).parents[1] / "data" / "synthetic"
FAILING: tuple[DispatchFault, ...] = (
    "timeout",
    "no_response",
    "hang",
    "error",
    "zeros",
    "evicted",
    "context_lost",
    "device_lost",
)
HARMLESS: tuple[DispatchFault, ...] = ("slow", "idle_wake")
DISPATCHES = 60  # of a session without faults, about
MAX_FAULTS = 4


@dataclass
class DirectEngine:
    """An engine without a process of its own: does each window at once, and what the device needs after it."""

    model: LoadedModel
    results: list[WindowResult] = field(default_factory=list)

    @property
    def info(self) -> EngineInfo:
        return self.model.info

    def stats(self) -> EngineStats:
        return EngineStats({}, {}, 0, 0, 0, 0.0)

    def open_stream(self) -> int:
        return 1

    def close_stream(self, stream: int) -> None:
        """Do nothing."""

    def wake(self) -> None:
        self.model.maintain(1, voice=True)

    async def decode(self, stream: int, job: WindowJob, deadline_s: float) -> WindowResult:
        result = self.model.decode(job)
        self.model.maintain(1, voice=False)
        self.results.append(result)
        return result

    async def aclose(self) -> None:
        """Do nothing."""


@dataclass(frozen=True)
class Session:
    """What became of a session."""

    events: Sequence[Event]
    results: Sequence[WindowResult]
    session: StreamSession
    struck: dict[str, int]  # faults, by kind

    @property
    def words(self) -> list[str]:
        """The committed words, in order."""
        return [word.text.strip() for event in self.events if isinstance(event, Commit) for word in event.words]

    @property
    def warnings(self) -> list[Warning]:
        """What watchers were told of the device."""
        return [event for event in self.events if isinstance(event, Warning)]


def run_session(model: Path, seed: int | None) -> Session:
    """Caption a clip on a device with the faults of a seed; None: with none."""
    pyxrt_emulator.reset()
    loaded = load_model(EngineConfig(model, "sim", threads=1))
    assert isinstance(loaded._runner, Fallback)
    loaded._runner._backoff = Backoff(0.0, 0.0)  # the device is tried again after every window
    for fault in [] if seed is None else faults(seed):
        pyxrt_emulator.inject(fault)
    engine, (sound, rate) = DirectEngine(loaded), clip()
    session = StreamSession(StreamConfig(), AudioFormat("s16le", rate, 1), Tokenizer(model), loaded.info)
    events = asyncio.run(_events(Pump(session, engine, 1, 0.0), sound, rate))
    return Session(events, engine.results, session, dict(pyxrt_emulator.counters().faults))


def faults(seed: int) -> list[Fault]:
    """Return what goes wrong: a few failures of dispatches, sometimes a device that stays away for a while."""
    draw = random.Random(seed)
    found = [
        Fault(draw.choice(FAILING + HARMLESS), at=draw.randint(1, DISPATCHES), lasts=draw.randint(1, 3))
        for _ in range(draw.randint(1, MAX_FAULTS))
    ]
    return [*found, Fault("no_permission", lasts=draw.randint(1, 12))] if draw.random() < 0.3 else found


def check(session: Session, expected: Session) -> None:
    """Assert that nobody lost a word, nothing was said twice, and every failure was told with its reason."""
    assert session.words == expected.words
    finals = [event for event in session.events if isinstance(event, Final)]
    assert " ".join(final.text.strip() for final in finals).split() == session.words
    totals = session.session.ledger.totals()
    assert (totals.gap, totals.unsettled) == (0, 0)
    fallbacks = [result.fallback for result in session.results if result.fallback]
    assert bool(fallbacks) == any(session.struck.get(kind) for kind in FAILING)
    assert all(result.fallback_kind for result in session.results if result.fallback)
    assert {(r.encoder, r.decoder) for r in session.results if r.fallback} <= {("cpu", "cpu")}
    assert {(r.encoder, r.decoder) for r in session.results if not r.fallback} <= {("sim", "sim")}
    told = " ".join(event.message for event in session.warnings if event.code == "device_replaced")
    assert all(reason in told for reason in fallbacks)
    back = [event for event in session.warnings if event.code == "device_back"]
    came_back = sum(
        bool(a.fallback) and not b.fallback for a, b in zip(session.results, session.results[1:], strict=False)
    )
    assert len(back) == came_back


@cache
def clip() -> tuple[NDArray[np.float32], int]:
    """Return the sound and the rate of two utterances."""
    first, rate = soundfile.read(CLIPS / "narrow_seen_003.flac", dtype="float32")
    second, _ = soundfile.read(CLIPS / "narrow_seen_001.flac", dtype="float32")
    return np.concatenate([first, np.zeros(rate, np.float32), second]), rate


async def _events(pump: Pump, sound: NDArray[np.float32], rate: int) -> list[Event]:
    async def feed() -> None:
        for piece in cut(pcm(sound), [rate // 5 * 2]):
            pump.feed(piece)
            await pump.room()
        pump.end()

    feeding = asyncio.create_task(feed())
    events = [event async for event in pump.events()]
    await feeding
    return events

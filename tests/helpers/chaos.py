"""A live session on a simulated NPU that fails at random points, in virtual time, driven as the daemon drives it.

The sound goes on while a dispatch is slow or hangs, and when a device is tried again is told by the same virtual clock.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Protocol

from amanuensis.benchmarks.clips import Samples
from amanuensis.benchmarks.streaming_wer import CHUNK_MS, FORMAT, pieces
from amanuensis.daemon.pump import Pump
from amanuensis.npu import pyxrt_emulator
from amanuensis.npu.engine.api import EngineConfig, EngineInfo, EngineStats
from amanuensis.npu.loading import LoadedModel, load_model
from amanuensis.npu.pyxrt_emulator import Settings
from amanuensis.npu.pyxrt_emulator.clocks import Clock
from amanuensis.npu.pyxrt_emulator.faults import FaultKind
from amanuensis.npu.tokenizer import Tokenizer
from amanuensis.npu.window import WindowJob, WindowResult
from amanuensis.stream.config import StreamConfig
from amanuensis.stream.events import Event, Final, Speech, Warning  # noqa: A004 - the name on the wire
from amanuensis.stream.ledger import Totals
from amanuensis.stream.session import StreamSession
from tests.helpers.chaos_faults import AT_OPENING, MAY_PASS, NO_TROUBLE, TOLD_AS, Trouble
from tests.helpers.drive import committed

UNHEARD = MAY_PASS | AT_OPENING | {"zeros"}  # an attempt to open may be made twice, a Nop has no answer to be zeros
MAX_ATTEMPTS = 24  # to open a device whose faults pass: each attempt uses up at least one of them


@dataclass(frozen=True, slots=True)
class Answer:
    """A window as the engine answered it.

    Attributes:
        job, result: of the window.
        struck: faults that struck while it was decoded.
        away: kinds of failure that may have taken the device away before that.
        dispatches: that the emulated device counted meanwhile.

    """

    job: WindowJob
    result: WindowResult
    struck: Counter[FaultKind]
    away: frozenset[str]
    dispatches: int


class OneStream:
    """What an engine without a process of its own does for its only stream: nothing."""

    def stats(self) -> EngineStats:
        return EngineStats({}, {}, 0, 0, 0, 0.0)

    def open_stream(self) -> int:
        return 1

    def close_stream(self, stream: int) -> None:
        """Do nothing."""

    def wake(self) -> None:
        """Do nothing."""

    async def aclose(self) -> None:
        """Do nothing."""


@dataclass
class DirectEngine(OneStream):
    """An engine without a process of its own; what goes on meanwhile is done before it answers."""

    model: LoadedModel
    meanwhile: Callable[[], None] = lambda: None
    answers: list[Answer] = field(default_factory=list)
    voice: bool = False

    @property
    def info(self) -> EngineInfo:
        return self.model.info

    def wake(self) -> None:
        self.voice = True

    def maintain(self) -> float | None:
        """Do what the device needs between windows, as the engine process does."""
        voice, self.voice = self.voice, False
        before = pyxrt_emulator.counters().faults
        with redirect_stderr(StringIO()) as log:
            wait_s = self.model.maintain(1, voice=voice)
        struck = Counter(pyxrt_emulator.counters().faults) - Counter(before)
        assert log.getvalue() or struck.keys() <= UNHEARD, f"{dict(struck)}, and nothing in the log"
        return wait_s

    def answer(self, job: WindowJob) -> Answer:
        """Decode a window and note what struck."""
        before = pyxrt_emulator.counters()
        result = self.model.decode(job)
        now = pyxrt_emulator.counters()
        struck = Counter(now.faults) - Counter(before.faults)
        away = frozenset(name for kind in before.faults for name in TOLD_AS[kind])  # type: ignore[index]
        return Answer(job, result, struck, away, now.dispatches - before.dispatches)  # type: ignore[arg-type]

    async def decode(self, stream: int, job: WindowJob, deadline_s: float) -> WindowResult:
        answer = self.answer(job)
        self.maintain()
        self.meanwhile()
        await asyncio.sleep(0)  # the stream may ask for its final window before it has this answer
        self.answers.append(answer)
        return answer.result


class Sound(Protocol):
    """Sound that comes in pieces."""

    @property
    def speaks(self) -> bool:
        """Whether there is more to come."""
        ...

    def wait(self) -> None:
        """Wait for the next piece."""
        ...

    def say(self, feed: Callable[[bytes], None]) -> None:
        """Hand over the pieces that are there."""
        ...


class Speaker:
    """Somebody who speaks in the device's time: a piece of sound is there when its last sample was spoken.

    Attributes:
        said: how many pieces were handed over at each call of `say`.

    """

    def __init__(self, sound: Samples, clock: Clock) -> None:
        self.said: list[int] = []
        self._pieces = deque(pieces(sound))
        self._clock = clock
        self._due_s = clock.monotonic() + CHUNK_MS / 1000

    @property
    def speaks(self) -> bool:
        """Whether there is more to come."""
        return bool(self._pieces)

    def wait(self) -> None:
        """Let time pass until the next piece is there, unless it is there already."""
        self._clock.sleep(max(0.0, self._due_s - self._clock.monotonic()))

    def say(self, feed: Callable[[bytes], None]) -> None:
        """Hand over the pieces that are there."""
        self.said.append(0)
        while self._pieces and self._due_s <= self._clock.monotonic() + 1e-6:
            feed(self._pieces.popleft())
            self.said[-1] += 1
            self._due_s += CHUNK_MS / 1000


@dataclass(frozen=True)
class Outcome:
    """What became of a session, and of the device after it."""

    events: Sequence[Event]
    answers: Sequence[Answer]
    afterwards: Sequence[Answer]  # the last window once more, each time that the device was tried again
    said: Sequence[int]  # pieces of sound at each call of `Speaker.say`
    totals: Totals
    struck: Counter[str]

    @property
    def words(self) -> list[str]:
        """The committed words."""
        return [word.text.strip() for word in committed(self.events)]

    @property
    def utterances(self) -> int:
        """How often speech ended."""
        return sum(isinstance(event, Speech) and not event.on for event in self.events)

    @property
    def finals(self) -> int:
        """How many texts became final: more than there are utterances where one had a short silence in it."""
        return sum(isinstance(event, Final) for event in self.events)

    @property
    def dispatches(self) -> int:
        """How many were made for the session."""
        return sum(answer.dispatches for answer in self.answers)

    @property
    def warnings(self) -> list[tuple[str, str]]:
        """Codes and messages of what watchers were warned of."""
        return [(event.code, event.message) for event in self.events if isinstance(event, Warning)]


def live_session(folder: Path, sound: Samples, trouble: Trouble = NO_TROUBLE, seed: int = 0) -> Outcome:
    """Caption live sound, float32 at RATE, on a device in trouble; then wait until it works again, if it ever will."""
    pyxrt_emulator.configure(Settings(seed=seed))
    clock = pyxrt_emulator.clock()
    engine = DirectEngine(load_model(EngineConfig(folder, "sim", threads=1), clock.monotonic))
    for fault in trouble.faults:
        pyxrt_emulator.inject(fault)
    session = StreamSession(StreamConfig(), FORMAT, Tokenizer(folder), engine.info)
    pump = Pump(session, engine, engine.open_stream(), 0.0, clock=at_once)
    speaker = Speaker(sound, clock)
    engine.meanwhile = lambda: speaker.say(pump.feed)
    events = asyncio.run(caption(pump, speaker, engine.maintain))
    afterwards = _afterwards(engine, clock, trouble)
    struck = Counter(pyxrt_emulator.counters().faults)
    return Outcome(events, tuple(engine.answers), afterwards, speaker.said, session.ledger.totals(), struck)


def at_once() -> float:
    """Tell a pump the time: no window takes any, or ticks would keep to the pace of this machine."""
    return 0.0


async def caption(pump: Pump, speaker: Sound, maintain: Callable[[], object] = lambda: None) -> list[Event]:
    """Speak, and return the events."""

    async def speak() -> None:
        while speaker.speaks:
            speaker.wait()
            maintain()
            speaker.say(pump.feed)
            await pump.room()
        pump.end()

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(speak())
        return [event async for event in pump.events()]


def _afterwards(engine: DirectEngine, clock: Clock, trouble: Trouble) -> list[Answer]:
    """Decode the last window again after every attempt to open the device, until it does it, or often enough."""
    answers: list[Answer] = []
    while len(answers) < MAX_ATTEMPTS:
        wait_s = engine.maintain()
        answers.append(engine.answer(engine.answers[-1].job))
        if trouble.passes and not answers[-1].result.fallback:
            break
        clock.sleep((wait_s or 0.0) + CHUNK_MS / 1000)  # and somewhat later, as a thread wakes
    return answers

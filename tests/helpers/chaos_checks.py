"""What must hold of every session on a device in trouble, held against undisturbed engines."""

from __future__ import annotations

import asyncio
import hashlib
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import numpy as np

from amanuensis.benchmarks.clips import RATE, SYNTHETIC, Clip, Samples, load_clips
from amanuensis.benchmarks.streaming_wer import FORMAT, Listener, pieces
from amanuensis.daemon.pump import Pump
from amanuensis.npu import pyxrt_emulator
from amanuensis.npu.engine.api import EngineConfig, EngineInfo
from amanuensis.npu.loading import LoadedModel, load_model
from amanuensis.npu.tokenizer import Tokenizer
from amanuensis.npu.window import NO_WORK, WindowJob, WindowResult
from amanuensis.stream.config import StreamConfig
from amanuensis.stream.english import normalise_english
from amanuensis.stream.events import EngineUse, Event, Final, Warning  # noqa: A004 - the name on the wire
from amanuensis.stream.session import StreamSession
from amanuensis.stream.wer import word_errors
from tests.helpers.chaos import Answer, OneStream, Outcome, at_once, caption
from tests.helpers.chaos_faults import MAY_PASS, TOLD_AS, Trouble
from tests.helpers.drive import check_captions

NOWHERE = EngineUse("", "", "", "")
PAUSE_S = 0.9  # between utterances
MAX_ERRORS = 4  # words: when a device hung for seconds, the windows fall elsewhere, and may be read otherwise


class Reference:
    """What an undisturbed device, and the CPU, answer to a window; each window is decoded once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        pyxrt_emulator.reset()  # its device stays its own when the next one is put in place
        sim, cpu = (load_model(EngineConfig(folder, device, threads=1)) for device in ("sim", "cpu"))
        self.info = sim.info
        self._models = {"sim": sim, "cpu": cpu}
        self._known: dict[tuple[str, bytes, str], WindowResult] = {}

    def answer(self, device: str, job: WindowJob) -> WindowResult:
        """Return the answer of a device."""
        plain = replace(job, features=np.empty((0, 0), np.float32))
        key = (device, hashlib.sha256(job.features.tobytes()).digest(), repr(plain))
        if key not in self._known:
            self._known[key] = self._models[device].decode(job)
        return self._known[key]


@dataclass(frozen=True, slots=True)
class OneDevice:
    """One device of a reference, as a loaded model."""

    reference: Reference
    device: str

    @property
    def info(self) -> EngineInfo:
        return self.reference.info

    def decode(self, job: WindowJob) -> WindowResult:
        return self.reference.answer(self.device, job)


def readable_sounds(reference: Reference, count: int) -> list[Samples]:
    """Return recordings of three utterances that both devices read without a mistake, with pauses after them."""
    found: list[Samples] = []
    for clip in (clip for clip in load_clips(SYNTHETIC) if clip.set.startswith("narrow")):
        if len(found) < 3 * count and all(_reads(reference, device, clip) for device in ("sim", "cpu")):
            found.append(clip.samples)
    assert len(found) == 3 * count, "the model reads too few clips for this check"
    pause = np.zeros(round(PAUSE_S * RATE), np.float32)
    return [np.concatenate([part for clip in found[k::count] for part in (clip, pause)]) for k in range(count)]


def _reads(reference: Reference, device: str, clip: Clip) -> bool:
    model = cast(LoadedModel, OneDevice(reference, device))  # as far as a listener needs it
    listener = Listener(model, Tokenizer(reference.folder), StreamConfig())
    return normalise_english(listener.streaming(clip.samples).text) == normalise_english(clip.text)


@dataclass
class ReplayEngine(OneStream):
    """Undisturbed engines that take turns as those of a session did."""

    reference: Reference
    devices: deque[str]  # that answered, in order
    meanwhile: Callable[[], None] = lambda: None

    @property
    def info(self) -> EngineInfo:
        return self.reference.info

    async def decode(self, stream: int, job: WindowJob, deadline_s: float) -> WindowResult:
        result = self.reference.answer(self.devices.popleft(), job)
        self.meanwhile()
        await asyncio.sleep(0)
        return result


class SameSpeaker:
    """Says the same pieces at the same calls as another speaker did."""

    def __init__(self, sound: Samples, said: Sequence[int]) -> None:
        self._pieces = deque(pieces(sound))
        self._said = deque(said)

    @property
    def speaks(self) -> bool:
        """Whether there is more to come."""
        return bool(self._pieces)

    def wait(self) -> None:
        """Do not."""

    def say(self, feed: Callable[[bytes], None]) -> None:
        """Hand over as many pieces as were said then."""
        for _ in range(self._said.popleft()):
            feed(self._pieces.popleft())


def replayed(outcome: Outcome, sound: Samples, reference: Reference) -> list[Event]:
    """Return the events of the same sound, come as it came, with each window answered by its device, undisturbed."""
    engine = ReplayEngine(reference, deque(answer.result.decoder for answer in outcome.answers))
    session = StreamSession(StreamConfig(), FORMAT, Tokenizer(reference.folder), reference.info)
    pump = Pump(session, engine, engine.open_stream(), 0.0, clock=at_once)
    speaker = SameSpeaker(sound, outcome.said)
    engine.meanwhile = lambda: speaker.say(pump.feed)
    return asyncio.run(caption(pump, speaker))


@dataclass(frozen=True)
class Check:
    """Holds sessions of one sound against undisturbed engines."""

    reference: Reference
    sound: Samples
    undisturbed: Outcome

    def __call__(self, outcome: Outcome, trouble: Trouble) -> None:
        """Assert that no word is lost or said twice, all answers are right, and every failure is told, and why."""
        check_captions(outcome.events, 1000 * len(self.sound) / RATE)
        totals = outcome.totals
        assert totals.received == len(self.sound) == totals.transcribed + totals.silence
        assert (totals.gap, totals.unsettled) == (0, 0)
        for answer in [*outcome.answers, *outcome.afterwards]:
            _check_answer(answer, self.reference)
        assert _captions(outcome.events) == _captions(replayed(outcome, self.sound, self.reference))
        _check_warnings(outcome)
        assert bool(outcome.afterwards[-1].result.fallback) == (not trouble.passes)
        assert outcome.finals >= outcome.utterances == self.undisturbed.utterances
        errors = word_errors(self.undisturbed.words, outcome.words).total
        assert errors <= (MAX_ERRORS if outcome.said != self.undisturbed.said else 0)


def _captions(events: Sequence[Event]) -> list[Event]:
    """Return what is said, without where it was computed."""
    said = [event for event in events if not isinstance(event, Warning)]
    return [replace(event, engine=NOWHERE) if isinstance(event, Final) else event for event in said]


def _check_answer(answer: Answer, reference: Reference) -> None:
    """Assert that an answer is that of the device that it names, and names the CPU when, and only when, it must."""
    result = answer.result
    assert result.encoder == result.decoder
    assert _essence(result) == _essence(reference.answer(result.decoder, answer.job))
    failures = answer.struck.keys() - MAY_PASS
    if result.decoder == "sim":
        assert not failures, "an answer of a device that failed was believed"
        assert (result.fallback, result.fallback_kind) == ("", "")
        assert result.work.dispatches == answer.dispatches > 0
        return
    assert result.decoder == "cpu"
    assert len(result.fallback) > 20
    assert "\n" not in result.fallback
    assert len(failures) <= 1, "the device was given more after it had failed"
    expected = [TOLD_AS[kind] for kind in failures] or [frozenset({"timeout"})] * bool(answer.struck)
    assert result.fallback_kind in (expected[0] if expected else answer.away)


def _essence(result: WindowResult) -> WindowResult:
    """Return an answer without what is told of how it was computed."""
    return replace(
        result, encode_ms=0.0, decode_ms=0.0, encode_work=NO_WORK, decode_work=NO_WORK, fallback="", fallback_kind=""
    )


def _check_warnings(outcome: Outcome) -> None:
    """Assert that each change of place, and each new reason, is told once, where it happens."""
    expected, before = [], ""
    for result in (answer.result for answer in outcome.answers):
        if result.fallback != before:
            expected.append(result.fallback)
        before = result.fallback
    assert [code for code, _ in outcome.warnings] == ["device_replaced" if why else "device_back" for why in expected]
    assert all(why in message for why, (_, message) in zip(expected, outcome.warnings, strict=True))

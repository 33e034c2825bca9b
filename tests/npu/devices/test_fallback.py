"""A device that fails, with the CPU in its place until it works again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from amanuensis.npu.devices.fallback import MAX_VOICE_FAILURES, STEADY_WINDOWS, Backoff, Fallback
from amanuensis.npu.devices.together import Outcome
from amanuensis.npu.devices.xrt.errors import DeviceError, DispatchTimeoutError, NoResponseError
from amanuensis.npu.engine.api import EngineError, NoMoreVoicesError
from amanuensis.npu.voice_vector import VoiceVector
from amanuensis.npu.window import NO_WORK, WindowJob, WindowResult
from tests.helpers.words import result

VOICE = np.zeros((16, 80), np.float32)
JOB = WindowJob(np.zeros((80, 10), np.float32), seed=1)
HUNG = DispatchTimeoutError("a dispatch hung")


@dataclass
class Rig:
    """A clock, devices that do as the script says, and what became of them."""

    now_s: float = 0.0
    script: list[Exception | None] = field(default_factory=list)  # of coming decodes and empty dispatches; then None
    opening: list[Exception | None] = field(default_factory=list)  # of coming attempts to open
    no_cpu: Exception | None = None
    wrong: list[str] = field(default_factory=list)  # operators that coming openings find wrong; then none
    recovering: list[bool] = field(default_factory=list)  # what coming probes of them find; then True
    opened_s: list[float] = field(default_factory=list)
    closed: int = 0
    warmed: int = 0
    cpus: int = 0

    def fallback(self) -> Fallback:
        return Fallback(self.device(), self.reopen, self.cpu, lambda: self.now_s, Backoff(5.0, 40.0))

    def device(self) -> Part:
        return Part(self, "sim", self.wrong.pop(0) if self.wrong else "")

    def reopen(self) -> Part:
        self.opened_s.append(self.now_s)
        error = self.opening.pop(0) if self.opening else None
        if error is not None:
            raise error
        return self.device()

    def cpu(self) -> Part:
        if self.no_cpu is not None:
            raise self.no_cpu
        self.cpus += 1
        return Part(self, "cpu")

    def pass_time(self, fallback: Fallback, until_s: float) -> None:
        """Let time pass as the worker does: it calls again when it was told to."""
        while (wait_s := fallback.maintain(0, voice=False)) is not None and self.now_s + wait_s <= until_s:
            self.now_s += max(wait_s, 1e-3)
        self.now_s = until_s


@dataclass
class Part:
    """One back end of the rig."""

    rig: Rig
    device: str
    on_host: str = ""

    def recovered(self) -> bool:
        self._obey()
        return self.rig.recovering.pop(0) if self.rig.recovering else True

    def _obey(self) -> None:
        error = self.rig.script.pop(0) if self.device == "sim" and self.rig.script else None
        if error is not None:
            raise error

    def decode(self, job: WindowJob) -> WindowResult:
        self._obey()
        return replace(result((job.seed,), (0,)), encoder=self.device, decoder=self.device)

    def decode_together(self, jobs: Sequence[WindowJob], ended: Callable[[int, Outcome], None]) -> None:
        for place, job in enumerate(jobs):
            try:
                ended(place, self.decode(job))
            except DeviceError:
                raise
            except EngineError as error:
                ended(place, error)

    def embed(self, features: np.ndarray) -> VoiceVector:
        self._obey()
        return VoiceVector(np.ones(2, np.float32), self.device, NO_WORK, 1.0)

    def keep_warm(self) -> None:
        self._obey()
        self.rig.warmed += 1

    def close(self) -> None:
        self.rig.closed += 1


def test_a_working_device_does_everything() -> None:
    """As long as nothing fails the CPU back end is not even opened."""
    rig = Rig()
    fallback = rig.fallback()
    answers = [fallback.decode(JOB) for _ in range(3)]
    assert [(a.encoder, a.fallback) for a in answers] == [("sim", "")] * 3
    assert (rig.cpus, rig.closed, rig.opened_s) == (0, 0, [])


def test_the_window_that_failed_is_answered_by_the_cpu() -> None:
    """Nobody sees an error: the same job is done again, and the answer says by whom and why."""
    rig = Rig(script=[None, HUNG])
    fallback = rig.fallback()
    first, second, third = (fallback.decode(replace(JOB, seed=k)) for k in (7, 8, 9))
    assert (first.tokens, first.encoder) == ((7,), "sim")
    assert (second.tokens, second.encoder, second.fallback) == ((8,), "cpu", "a dispatch hung")
    assert (third.encoder, third.fallback_kind) == ("cpu", "timeout")
    assert (rig.cpus, rig.closed) == (1, 1)


def test_windows_that_a_batch_left_undone_are_answered_by_the_cpu() -> None:
    """What the device had answered stays; the rest is decoded again, each window once, and a wrong job is told so."""
    rig = Rig(script=[None, EngineError("a wrong job"), None, HUNG])
    fallback, outcomes = rig.fallback(), dict[int, Outcome]()
    fallback.decode_together([replace(JOB, seed=k) for k in range(5)], outcomes.__setitem__)
    answers = [outcome for outcome in outcomes.values() if not isinstance(outcome, EngineError)]
    assert sorted(outcomes) == [0, 1, 2, 3, 4]
    assert str(outcomes[1]) == "a wrong job"
    assert [(a.tokens, a.encoder, a.fallback) for a in answers] == [
        ((0,), "sim", ""),
        ((2,), "sim", ""),
        ((3,), "cpu", "a dispatch hung"),
        ((4,), "cpu", "a dispatch hung"),
    ]
    assert rig.closed == 1


def test_a_device_that_could_not_be_opened() -> None:
    """The CPU begins, with the reason, and the device is tried like one that failed later."""
    rig = Rig(opening=[NoResponseError("still dead")])
    fallback = Fallback(HUNG, rig.reopen, rig.cpu, lambda: rig.now_s, Backoff(5.0, 40.0))
    assert fallback.decode(JOB).fallback == "a dispatch hung"
    rig.pass_time(fallback, 20.0)
    assert np.allclose(rig.opened_s, [5.0, 15.0], atol=0.1)
    assert fallback.decode(JOB).encoder == "sim"


def test_it_comes_back_with_growing_patience() -> None:
    """Attempts to open come after 5, 10, 20, 40, 40 s; a device that opens takes the next window."""
    rig = Rig(script=[HUNG], opening=[NoResponseError("still dead")] * 4)
    fallback = rig.fallback()
    fallback.decode(JOB)
    rig.pass_time(fallback, 60.0)
    assert fallback.decode(JOB).fallback == "still dead"
    rig.pass_time(fallback, 200.0)
    assert np.allclose(rig.opened_s, [5.0, 15.0, 35.0, 75.0, 115.0], atol=0.1)
    assert fallback.decode(JOB).encoder == "sim"


def test_failing_again_at_once_is_the_same_failure() -> None:
    """A device that opens but fails at its first window is not tried more often for that; a steady one is forgiven."""
    rig = Rig(script=[HUNG, HUNG, HUNG, *[None] * STEADY_WINDOWS, HUNG])
    fallback = rig.fallback()
    for wait_s in (5.0, 10.0, 20.0):
        assert fallback.decode(JOB).encoder == "cpu"
        before_s = rig.now_s
        rig.pass_time(fallback, before_s + wait_s + 1.0)
        assert rig.opened_s[-1] == pytest.approx(before_s + wait_s, abs=0.1)
    assert {fallback.decode(JOB).encoder for _ in range(STEADY_WINDOWS)} == {"sim"}
    assert fallback.decode(JOB).encoder == "cpu"
    assert fallback.maintain(0, voice=False) == pytest.approx(5.0)


def test_a_wrong_job_is_not_the_devices_fault() -> None:
    """An error of the job passes through and changes nothing."""
    rig = Rig(script=[EngineError("token 99999")])
    fallback = rig.fallback()
    with pytest.raises(EngineError, match="99999"):
        fallback.decode(JOB)
    assert (rig.cpus, rig.closed) == (0, 0)


def test_a_fault_of_ours_costs_no_word_either(capsys: pytest.CaptureFixture[str]) -> None:
    """A bug in the device's code is told as one, with its traceback on stderr, and the CPU does the window."""
    rig = Rig(script=[IndexError("row 7")])
    answer = rig.fallback().decode(JOB)
    assert answer.encoder == "cpu"
    assert "IndexError: row 7" in answer.fallback
    assert "Traceback" in capsys.readouterr().err


def test_the_device_is_kept_warm_while_a_stream_is_open() -> None:
    """Empty dispatches come before the driver would suspend, and a failing one is a failure like any other."""
    rig = Rig(script=[None, None, HUNG])
    fallback = rig.fallback()
    assert fallback.maintain(0, voice=False) is None
    assert fallback.maintain(1, voice=False) == pytest.approx(3.5)
    assert rig.warmed == 1
    rig.now_s = 3.5
    assert fallback.maintain(1, voice=False) == pytest.approx(3.5)
    assert rig.warmed == 2
    rig.now_s = 7.0
    assert fallback.maintain(1, voice=False) == pytest.approx(5.0)
    assert fallback.decode(JOB).fallback == "a dispatch hung"


def test_a_failure_between_two_windows_is_in_the_log(capsys: pytest.CaptureFixture[str]) -> None:
    """A device that fails and is back before the next window leaves a line on standard error: no answer tells of it."""
    rig = Rig(script=[HUNG], opening=[NoResponseError("still dead")])
    fallback = rig.fallback()
    fallback.maintain(1, voice=False)
    rig.pass_time(fallback, 20.0)
    assert fallback.decode(JOB).fallback == ""
    told = capsys.readouterr().err.splitlines()
    assert told == ["between two windows: a dispatch hung", "between two windows: still dead"]


def test_both_broken_is_told() -> None:
    """When the CPU back end cannot be opened either, the error of that is told, and the next window tries again."""
    rig = Rig(script=[HUNG], no_cpu=EngineError("no memory"))
    fallback = rig.fallback()
    for _ in range(2):
        with pytest.raises(EngineError, match="no memory"):
            fallback.decode(JOB)


@pytest.mark.parametrize(("failures", "wait_s"), [(1, 5.0), (2, 10.0), (7, 300.0), (10_000, 300.0)])
def test_backoff_is_bounded(failures: int, wait_s: float) -> None:
    """The wait doubles up to its bound, however long it goes on."""
    assert Backoff().wait_s(failures) == wait_s


def test_operators_that_the_cpu_computes_are_tried_again() -> None:
    """A device with wrong operators works on, is probed ever less often, and is opened anew when they are right."""
    rig = Rig(wrong=["Select"], recovering=[False, False])
    fallback = rig.fallback()
    assert fallback.decode(JOB).encoder == "sim"
    rig.pass_time(fallback, 34.0)
    assert (rig.opened_s, rig.closed, rig.recovering) == ([], 0, [])
    rig.pass_time(fallback, 100.0)
    assert np.allclose(rig.opened_s, [35.0], atol=0.1)
    assert rig.closed == 1
    assert fallback.decode(JOB).fallback == ""


def test_a_device_that_fails_its_probe_is_replaced() -> None:
    """A failure while the operators are tried is a failure of the device."""
    rig = Rig(wrong=["Select"], script=[HUNG])
    fallback = rig.fallback()
    fallback.maintain(0, voice=False)
    rig.now_s = 5.0
    fallback.maintain(0, voice=False)
    assert fallback.decode(JOB).fallback == "a dispatch hung"


def test_a_device_that_fails_at_a_voice_is_opened_again() -> None:
    """Who asked is told; until the device is back the CPU does the windows, and nobody computes voices here."""
    rig = Rig(script=[None, HUNG])
    fallback = rig.fallback()
    assert fallback.embed(VOICE).device == "sim"
    with pytest.raises(DispatchTimeoutError):
        fallback.embed(VOICE)
    with pytest.raises(EngineError, match="the device is out of use: a dispatch hung"):
        fallback.embed(VOICE)
    assert fallback.decode(JOB).fallback == "a dispatch hung"
    rig.pass_time(fallback, 6.0)
    assert fallback.embed(VOICE).device == "sim"
    assert (rig.cpus, rig.opened_s) == (1, [pytest.approx(5.0, abs=0.1)])


def test_a_device_that_goes_on_failing_at_voices_is_kept_for_words() -> None:
    """After some failures in a row vectors are refused without trying the device, which does the windows."""
    rig = Rig(script=[HUNG] * MAX_VOICE_FAILURES)
    fallback = rig.fallback()
    for _ in range(MAX_VOICE_FAILURES):
        with pytest.raises(DispatchTimeoutError):
            fallback.embed(VOICE)
        rig.pass_time(fallback, rig.now_s + 60.0)
    with pytest.raises(NoMoreVoicesError, match=f"failed {MAX_VOICE_FAILURES} times at vectors.*a dispatch hung"):
        fallback.embed(VOICE)
    assert fallback.decode(JOB).encoder == "sim"

"""Every operator against its reference, on the emulated NPU."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from amanuensis.kernels.ops import OPERATORS
from amanuensis.kernels.records import SCORES
from amanuensis.npu import pyxrt_emulator
from amanuensis.npu.devices.xrt.cases import cases, relative_error
from amanuensis.npu.devices.xrt.errors import DispatchTimeoutError, WrongAnswerError
from amanuensis.npu.devices.xrt.opening import open_runtime
from amanuensis.npu.devices.xrt.self_test import failing_operators, operator_checks
from amanuensis.npu.pyxrt_emulator import Fault, Settings


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    """Put a device without settings in place, and leave none behind."""
    pyxrt_emulator.reset()
    yield
    pyxrt_emulator.reset()


@pytest.mark.parametrize("architecture", ["npu1", "npu2"])
def test_every_operator_passes(architecture: str) -> None:
    """Each operator that there is has one case, and its answer is within its limit; a dispatch each."""
    pyxrt_emulator.configure(Settings(architecture=architecture))  # type: ignore[arg-type]
    runtime = open_runtime("sim")
    checks = list(operator_checks(runtime))
    assert [check.operator for check in checks] == list(OPERATORS)
    assert [check for check in checks if not check.passed] == []
    assert all(check.us > 0 for check in checks)
    assert runtime.work.dispatches == pyxrt_emulator.counters().dispatches == len(checks)
    assert dict(pyxrt_emulator.counters().operators).keys() == set(OPERATORS)


@pytest.mark.parametrize("place", range(1, len(OPERATORS)))
def test_a_lying_device_is_caught_at_every_operator(place: int) -> None:
    """A device that answers zeros, or writes nothing, fails at that operator and no other."""
    pyxrt_emulator.configure(Settings(faults=(Fault("zeros", at=place + 1),)))
    with pytest.raises(WrongAnswerError) as caught:
        failing_operators(open_runtime("sim"))
    named = [name for name in OPERATORS if f"{name} (error" in str(caught.value)]
    assert named == [OPERATORS[place]]


def test_a_device_that_hangs_is_told_as_such() -> None:
    """What cannot be run at all is not called wrong."""
    pyxrt_emulator.configure(Settings(faults=(Fault("timeout", at=4),)))
    with pytest.raises(DispatchTimeoutError):
        failing_operators(open_runtime("sim"))


@pytest.mark.parametrize("name", OPERATORS[1:])
def test_every_case_sees_a_wrong_byte(name: str) -> None:
    """No case is so lax that a changed value in its answer would pass."""
    (case,) = [case for case in cases() if case.name == name]
    for answer in case.answers:
        assert relative_error(answer.expected, answer.expected) == 0
        wrong = answer.expected.copy()
        if wrong.dtype == SCORES:
            wrong["text_logits"][0, 0] += 1
        else:
            largest = int(np.abs(np.asarray(wrong, np.float32)).argmax())
            wrong.reshape(-1)[largest] = 0
        assert relative_error(answer.expected, wrong) > answer.limit


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_is_infinitely_wrong(value: float) -> None:
    """NaN and infinity never pass, except an infinity that belongs there."""
    right = np.array([1.0, -np.inf, 2.0])
    assert relative_error(right, np.array([1.0, -np.inf, value])) == float("inf")
    assert relative_error(right, np.array([1.0, 5.0, 2.0])) == float("inf")
    assert relative_error(right, right) == 0

"""Every operator on the device against its reference: for `amanuensis doctor`, and before `auto` takes the device."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from amanuensis.kernels.ops import Buffer as Argument
from amanuensis.npu.devices.xrt.cases import Case, cases, filled, relative_error
from amanuensis.npu.devices.xrt.errors import WrongAnswerError
from amanuensis.npu.devices.xrt.host_operators import HEAVY, MUST_WORK
from amanuensis.npu.devices.xrt.runner import SURPLUS_BYTES, Runner, runner_of
from amanuensis.npu.devices.xrt.runtime import DATA_KINDS, Buffer, XrtRuntime

POISON = 0xFF  # what a device that writes nothing leaves: NaN as a float, -1 as an integer


@dataclass(frozen=True, slots=True)
class Check:
    """How an operator did.

    Attributes:
        operator: its name.
        error: relative to the reference, the largest of its answers; 0 is exact.
        limit: that this answer may have.
        us: microseconds on the device, measured or modelled.

    """

    operator: str
    error: float
    limit: float
    us: float

    @property
    def passed(self) -> bool:
        """Whether the error is within the limit."""
        return self.error <= self.limit

    def __str__(self) -> str:
        return f"{self.operator} (error {self.error:.2g}, allowed {self.limit:.2g})"


def operator_checks(runtime: XrtRuntime) -> Iterator[Check]:
    """Run each operator once and yield how it did.

    Raises:
        DeviceError: the device does not run it at all.

    """
    runner, made = runner_of(runtime), list(cases())
    sizes = dict.fromkeys(DATA_KINDS, 64)
    for case in made:
        for argument, content in case.inputs.items():
            sizes[DATA_KINDS[argument]] = max(sizes[DATA_KINDS[argument]], len(content))
        sizes["output"] = max(sizes["output"], case.output_bytes)
    surplus = SURPLUS_BYTES if runner.whole_inputs else 0
    buffers = tuple(runtime.allocate(None, size + surplus, kind) for kind, size in sizes.items())
    for case in made:
        yield _check(runtime, runner, buffers, case)


def failing_operators(runtime: XrtRuntime) -> dict[str, str]:
    """Run each operator once, and those whose answers are wrong once more.

    Returns:
        What is wrong with the operators that the host must compute in the device's place, by name.

    Raises:
        WrongAnswerError: the device is of no use: an operator fails without which nothing can be proven, or one that
            is nearly all of the work, or the same operator fails now and then.
        DeviceError: the device does not run them at all.

    """
    first = [check for check in operator_checks(runtime) if not check.passed]
    if not first:
        return {}
    second = [check for check in operator_checks(runtime) if not check.passed]
    names = {check.operator for check in first}
    if names != {check.operator for check in second} or names & (MUST_WORK | HEAVY):
        told = ", ".join(map(str, first))
        raise WrongAnswerError(f"the self-test of {runtime.hardware} failed: {told}")
    return {check.operator: str(check) for check in first}


def _check(runtime: XrtRuntime, runner: Runner, buffers: tuple[Buffer, ...], case: Case) -> Check:
    stream = runner.prepare(filled(case) if runner.whole_inputs else case.operators, "any")
    for argument, content in case.inputs.items():
        runtime.write(buffers[argument], np.frombuffer(content, np.uint8))
    if case.output_bytes:
        runtime.write(buffers[Argument.OUTPUT], np.full(case.output_bytes, POISON, np.uint8))
    before = runtime.work.device_us
    pending = runner.start(stream, np.frombuffer(bytes(case.inputs[Argument.INPUT]), np.int32), buffers)
    if pending is not None:
        runtime.wait(pending)
    us = runtime.work.device_us - before
    errors = [(0.0, 0.0)]
    for answer in case.answers:
        shape, dtype = answer.expected.shape, answer.expected.dtype
        found = runtime.read(buffers[Argument.OUTPUT], shape, dtype, answer.offset)
        errors.append((relative_error(answer.expected, found), answer.limit))
    worst = max(errors, key=lambda pair: (pair[0] > pair[1], pair[0]))
    return Check(case.name, *worst, us)

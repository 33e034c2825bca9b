"""Designs against the machine: what `kernels test` prints of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from amanuensis.kernels.compile.work import load_designs
from amanuensis.kernels.operands import Buffer, Region
from amanuensis.kernels.ops import OPERATORS
from amanuensis.npu.devices.xrt import design_checks as checks
from amanuensis.npu.devices.xrt.design_checks import DesignCheck, design_checks, uncovered
from tests.kernels.cores import needs_compiler

pytestmark = needs_compiler


def attention(**changes: object) -> DesignCheck:
    """Check the attention design on its case; `changes` are made to what is launched, not to what the machine does."""
    real = load_designs()["attention"]

    class Changed:
        COVERS = real.COVERS

        @staticmethod
        def launch(operator: object, memory: object, device: object) -> object:
            return real.launch(replace(operator, **changes), memory, device)  # type: ignore[type-var,arg-type]

    case = next(case for case in checks.cases() if case.name == "Attention")
    return checks._check("attention", Changed, case, "npu1")  # type: ignore[arg-type]


@pytest.mark.parametrize("architecture", ["npu1", "npu2"])
def test_every_design_agrees_with_the_machine(architecture: checks.Architecture) -> None:
    """Each case runs on every configuration that covers it, and none is left out."""
    found = list(design_checks(architecture))
    assert found
    assert [check for check in found if not check.passed] == []
    covered = {check.operator for check in found}
    assert covered | {"Nop"} == set(OPERATORS)
    assert uncovered() == []


def test_one_operator_alone() -> None:
    """Nothing else is run."""
    assert {check.operator for check in design_checks("npu1", "Attention")} == {"Attention"}
    assert list(design_checks("npu1", "Nop")) == []


def test_a_design_that_sees_less_is_wrong() -> None:
    """Keys that are left out make another answer, far beyond a rounding."""
    right, wrong = attention(), attention(keys=20)
    assert right.passed
    assert wrong.error > 10 * wrong.limit
    assert not wrong.passed


def test_a_design_that_writes_elsewhere_is_wrong() -> None:
    """The answer is missed where it belongs, and a byte outside the answers counts, wherever it is."""
    moved = attention(dst=Region(Buffer.OUTPUT, 64))
    assert not moved.passed
    case = next(case for case in checks.cases() if case.name == "LayerNorm")
    right, found = checks._buffers(case), checks._buffers(case)
    assert checks._compared(case, "products", right, found).passed
    found[Buffer.SCRATCH][7] ^= 1
    compared = checks._compared(case, "products", right, found)
    assert (compared.passed, compared.problem) == (False, "1 bytes outside the answers differ")


def test_what_a_design_refuses_is_told_and_is_not_wrong() -> None:
    """A refusal is part of the contract; the reason stands in the table."""
    refused = attention(scale=0.3)
    assert (refused.ran, refused.passed) == (False, True)
    assert refused.problem.startswith("not run: Attention.scale is 0.3")


def test_a_design_that_the_simulator_stops_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    """A deadlock or a limit that is passed is the design's failure."""

    def stuck(*_: object) -> None:
        raise checks.DesignError("core(0, 2) waits for ever")

    monkeypatch.setattr(checks, "run_launch", stuck)
    found = attention()
    assert not found.passed
    assert "waits for ever" in found.problem


def test_buffers_hold_the_inputs_and_poison() -> None:
    """An answer that nobody wrote differs from any that was computed."""
    case = next(case for case in checks.cases() if case.name == "LayerNorm")
    buffers = checks._buffers(case)
    assert (buffers[Buffer.OUTPUT] == checks.POISON).all()
    assert buffers[Buffer.OUTPUT].size >= case.output_bytes
    given = np.frombuffer(bytes(case.inputs[Buffer.INPUT]), np.uint8)
    assert (buffers[Buffer.INPUT][: given.size] == given).all()
    assert all(buffer.size % 64 == 0 for buffer in buffers)

"""The launches of the array's designs against the machine of the operators, in the simulator of designs.

The self-test's small problems are given to both, on the same bytes. Integers and copies must agree exactly, floats to
half a per cent; whatever lies outside the answers must be the same byte for byte.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from amanuensis.kernels.compile.work import Designs, load_designs
from amanuensis.kernels.designs.launch import LaunchError, run_launch
from amanuensis.kernels.machine import run_operator
from amanuensis.kernels.memory import Memory
from amanuensis.kernels.operands import ALIGNMENT_BYTES, Buffer
from amanuensis.kernels.operators import Attention, Operator
from amanuensis.kernels.records import SCORES
from amanuensis.kernels.sim.errors import DesignError
from amanuensis.kernels.sim.iron import NPU1, NPU2
from amanuensis.npu.devices.xrt.cases import EXACT, ROUNDED, Answer, Case, cases, relative_error
from amanuensis.npu.devices.xrt.probe import Architecture
from amanuensis.npu.devices.xrt.self_test import POISON

FLOAT: Final = 0.005  # of float answers: one rounding to bf16 the other way here and there
BEYOND_BYTES: Final = 8192  # behind what a case holds: designs read whole objects, as a model's buffers let them
_DEVICES: Final = {"npu1": NPU1, "npu2": NPU2}


@dataclass(frozen=True, slots=True)
class DesignCheck:
    """How a launch did.

    Attributes:
        operator: its name.
        configuration: of the array.
        error: relative to the machine's answer, the largest; inf where bytes outside the answers differ.
        limit: that this answer may have.
        problem: why it was not run, or what else is wrong; empty where nothing is.
        ran: whether it was run at all.

    """

    operator: str
    configuration: str
    error: float
    limit: float
    problem: str = ""
    ran: bool = True

    @property
    def passed(self) -> bool:
        """Whether it ran, and is right; what a design refuses by its contract is not wrong."""
        return not self.ran or (not self.problem and self.error <= self.limit)


def design_checks(architecture: Architecture, operator: str | None = None) -> Iterator[DesignCheck]:
    """Run the cases of all operators, or of one, on every configuration that computes them, and yield how they did.

    Raises:
        amanuensis.kernels.host.build.BuildError: the kernels cannot be compiled for this machine.

    """
    for name, designs in load_designs().items():
        for case in cases():
            covered = {type(each) for each in case.operators} <= designs.COVERS
            if covered and operator in (None, case.name):
                yield _check(name, designs, case, architecture)


def uncovered() -> list[str]:
    """Return the operators that no design computes, in the order of their codes; Nop needs none."""
    every = frozenset[type[Operator]]().union(*(designs.COVERS for designs in load_designs().values()))
    return [case.name for case in cases() if case.name != "Nop" and not {type(op) for op in case.operators} <= every]


def _check(name: str, designs: Designs, case: Case, architecture: Architecture) -> DesignCheck:
    """Run a case; where the design refuses it, in its plainest form."""
    refusal = ""
    for operators in (case.operators, _plainer(case.operators)):
        before = _buffers(case)
        right, found = [buffer.copy() for buffer in before], [buffer.copy() for buffer in before]
        try:
            _run(designs, operators, found, architecture)
        except LaunchError as error:
            refusal = str(error)
            continue
        except DesignError as error:
            return DesignCheck(case.name, name, float("inf"), EXACT, str(error))
        memory = Memory(right)
        with np.errstate(all="ignore"):
            for operator in operators:
                run_operator(operator, memory)
        return _compared(case, name, right, found)
    return DesignCheck(case.name, name, 0.0, 0.0, f"not run: {refusal}", ran=False)


def _plainer(operators: list[Operator]) -> list[Operator]:
    """Return the operators without what only the decoder needs: hidden keys, kept probabilities."""
    bare: Mapping[str, Any] = {"causal": False, "first": 0, "probabilities": None, "kept_heads": (), "pitch": 0}
    return [replace(each, **bare) if isinstance(each, Attention) else each for each in operators]


def _run(
    designs: Designs, operators: list[Operator], buffers: list[NDArray[np.uint8]], architecture: Architecture
) -> None:
    for operator in operators:
        run_launch(designs.launch(operator, Memory(buffers), _DEVICES[architecture]()), buffers)


def _buffers(case: Case) -> list[NDArray[np.uint8]]:
    """Return the five buffers with the inputs of a case; what is to be written holds what no answer is."""
    made = []
    for buffer in Buffer:
        content = case.inputs.get(buffer, bytearray())
        held = max(len(content), case.output_bytes if buffer is Buffer.OUTPUT else 0, 1)
        size = -(-held // ALIGNMENT_BYTES) * ALIGNMENT_BYTES + BEYOND_BYTES
        array = np.full(size, POISON, np.uint8)
        array[: len(content)] = np.frombuffer(bytes(content), np.uint8)
        made.append(array)
    return made


def _compared(case: Case, name: str, right: list[NDArray[np.uint8]], found: list[NDArray[np.uint8]]) -> DesignCheck:
    results: list[tuple[float, float]] = []
    for answer in case.answers:
        part = slice(answer.offset, answer.offset + answer.expected.nbytes)
        wanted, got = (buffers[Buffer.OUTPUT][part].copy() for buffers in (right, found))
        found[Buffer.OUTPUT][part] = right[Buffer.OUTPUT][part]  # what remains must agree byte for byte
        kind = answer.expected.dtype
        error = 0.0 if (wanted == got).all() else relative_error(wanted.view(kind), got.view(kind))
        results.append((error, _limit(answer)))
    elsewhere = sum(int((a != b).sum()) for a, b in zip(right, found, strict=True))
    worst = max(results or [(0.0, EXACT)], key=lambda pair: (pair[0] > pair[1], pair[0]))
    problem = f"{elsewhere} bytes outside the answers differ" if elsewhere else ""
    return DesignCheck(case.name, name, *worst, problem)


def _limit(answer: Answer) -> float:
    """Return how far a float answer may be off that of the machine; integers and copies may not be at all."""
    if answer.expected.dtype == SCORES:
        return ROUNDED
    return EXACT if answer.limit == EXACT or answer.expected.dtype.kind in "iu" else FLOAT

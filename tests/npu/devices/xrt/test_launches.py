"""What is compiled ahead of a model is what the engine dispatches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from amanuensis.kernels.compile.work import Places, Work
from amanuensis.kernels.machine import run_operator
from amanuensis.kernels.operands import Parameter, Region
from amanuensis.kernels.operators import Nop, Operator
from amanuensis.npu.devices.xrt import parameters as par
from amanuensis.npu.devices.xrt import resident
from amanuensis.npu.devices.xrt.launches import work_of
from amanuensis.npu.devices.xrt.model import XrtModel
from amanuensis.npu.devices.xrt.opening import open_runtime
from amanuensis.npu.model_files import ModelFiles
from amanuensis.npu.rules import make_selection
from amanuensis.npu.store import resolve
from amanuensis.npu.tokenizer import Tokenizer


@pytest.fixture(scope="module")
def files() -> ModelFiles:
    """Return the built-in model."""
    return ModelFiles.load(resolve("builtin"))


@pytest.fixture(scope="module")
def work(files: ModelFiles) -> Work:
    """Return what would be compiled for it."""
    return work_of("builtin", files)


def parameters(operator: Operator) -> Iterator[Parameter]:
    """Yield the run-time parameters that an operator reads."""
    for name in operator.__dataclass_fields__:
        value = getattr(operator, name)
        if isinstance(value, Region) and value.index is not None:
            yield value.index
        elif isinstance(value, Parameter):
            yield value


def test_parameters_are_within_their_limits(work: Work) -> None:
    """Each value can be what an operator reads at run time."""
    for sequence in work.sequences:
        for operator in sequence.operators:
            for each in parameters(operator):
                assert 0 <= sequence.parameters.get(each.index, 0) <= each.limit


def test_the_buffers_are_large_enough(work: Work) -> None:
    """The machine takes the decoder's whole sequence with these sizes and values: nothing is out of bounds."""
    places = Places(work.buffer_bytes)
    sequence = next(each for each in work.sequences if each.part == "decoder")
    for operator in sequence.operators:
        run_operator(operator, places.memory(sequence.parameters))
    assert sequence.parameters[par.ROWS] == 32


def test_the_engine_dispatches_nothing_else(files: ModelFiles, work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each operator of the streams that a model opens with is among those that are compiled, at the same places."""
    put: list[Operator] = []
    encode = resident.encode

    def recorded(operators: Iterable[Operator]) -> Any:
        put.extend(operators := tuple(operators))
        return encode(operators)

    monkeypatch.setattr(resident, "encode", recorded)
    runtime = open_runtime("sim")
    model = XrtModel.open(files, runtime)
    model.load_selection(make_selection(files.generation, Tokenizer(files.folder), files.dimensions.vocabulary))
    runtime.close()
    compiled = {operator for sequence in work.sequences for operator in sequence.operators}
    assert len(put) > 100
    assert {operator for operator in put if operator not in compiled} <= {Nop()}

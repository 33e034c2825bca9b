"""`amanuensis kernels test`."""

from __future__ import annotations

import json
from argparse import Namespace

import pytest

from amanuensis.daemon.commands import kernels_test
from amanuensis.kernels.compile.work import load_designs
from amanuensis.kernels.ops import OPERATORS
from amanuensis.npu import pyxrt_emulator
from amanuensis.npu.devices.xrt.design_checks import DesignCheck
from amanuensis.npu.devices.xrt.self_test import Check
from amanuensis.npu.pyxrt_emulator import Fault, Settings
from tests.helpers.programs import amanuensis
from tests.kernels.cores import needs_compiler


@needs_compiler
def test_operators_and_designs_are_tested_on_the_simulation() -> None:
    """Two tables, with the error of every operator and of every design that there is."""
    done = amanuensis("kernels", "test", "--device", "sim", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    assert [row["operator"] for row in found["operators"]] == list(OPERATORS)
    assert {row["configuration"] for row in found["designs"]} == set(load_designs())
    assert all(row["passed"] for row in [*found["operators"], *found["designs"]])
    assert found["wrong"] == []


@needs_compiler
def test_one_operator_is_tested_alone() -> None:
    """The tables for people, of this operator only."""
    done = amanuensis("kernels", "test", "--device", "sim", "--operator", "Attention")
    assert (done.returncode, done.stderr) == (0, "")
    rows = [line.split() for line in done.stdout.splitlines() if line.startswith("  ")]
    assert {row[0] for row in rows} == {"operator", "Attention"}
    assert ["Attention", "attention"] in [row[:2] for row in rows]


def test_what_cannot_be_tested_is_one_line() -> None:
    """An operator that does not exist is wrong usage; no NPU is a failure."""
    done = amanuensis("kernels", "test", "--device", "sim", "--operator", "Gemm")
    assert (done.returncode, done.stdout) == (2, "")
    assert "there is no operator 'Gemm'; there are Nop, Im2col" in done.stderr
    done = amanuensis("kernels", "test", "--device", "npu")
    if done.returncode == 0:
        pytest.skip("there is an NPU here")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)


def test_wrong_answers_leave_with_1(capsys: pytest.CaptureFixture[str]) -> None:
    """The operator stands in the table as WRONG and in the last line."""
    pyxrt_emulator.configure(Settings(faults=(Fault("zeros", at=3),)))
    try:
        status = kernels_test.run(Namespace(device="sim", operator="LayerNorm", json=False))
    finally:
        pyxrt_emulator.reset()
    printed = capsys.readouterr()
    assert status == 1
    assert printed.out.splitlines()[2].endswith("WRONG")
    assert printed.err == "amanuensis: wrong: LayerNorm\n"


def test_designs_that_are_wrong_or_refuse() -> None:
    """Each says so in its row; JSON has no infinity; only what ran and is wrong counts."""
    designs = [
        DesignCheck("LayerNorm", "products", float("inf"), 0.0, "9 bytes outside the answers differ"),
        DesignCheck("Attention", "products", 0.0, 0.0, "not run: too many heads", ran=False),
    ]
    operators = [Check("Nop", 0.0, 0.0, 1.0)]
    tested = kernels_test.Tested("sim", "a device", "npu1", operators, designs, ["Select"], "operators one by one")
    assert tested.wrong == ["LayerNorm on products"]
    assert json.loads(json.dumps(kernels_test.as_map(tested), allow_nan=False))["designs"][0]["error"] is None
    lines = list(kernels_test.report(tested))
    assert lines[5].endswith("WRONG 9 bytes outside the answers differ")
    assert lines[6].endswith("-  not run: too many heads")
    assert lines[7] == "no design yet: Select"

"""`amanuensis doctor`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from amanuensis.daemon.commands.doctor import as_map, examine_device, poison_finding
from amanuensis.kernels.ops import OPERATORS
from amanuensis.npu import pyxrt_emulator
from amanuensis.npu.devices.xrt.opening import open_runtime
from amanuensis.npu.pyxrt_emulator import Fault, Settings
from tests.helpers.programs import amanuensis

FREE = {"AMANUENSIS_SERVER_LISTEN": "127.0.0.1:0"}  # nobody is in the way there


@pytest.fixture
def _fresh() -> Iterator[None]:
    """Leave no faults behind."""
    yield
    pyxrt_emulator.reset()


def test_simulation_is_tested_operator_by_operator() -> None:
    """Every operator stands in the table with its error; the counters show that it ran, and that time is modelled."""
    done = amanuensis("doctor", "--device", "sim", "--json", env=FREE)
    assert (done.returncode, done.stderr) == (0, "")
    report = json.loads(done.stdout)
    assert report["ok"]
    assert report["problem"] == ""
    assert [row["operator"] for row in report["operators"]] == list(OPERATORS)
    assert all(row["passed"] and row["error"] <= row["limit"] for row in report["operators"])
    assert (report["device"]["device"], report["device"]["architecture"]) == ("sim", "npu1")
    assert report["device"]["work"]["dispatches"] == len(OPERATORS)
    assert report["device"]["work"]["timing"] == "modelled"
    assert {row["name"] for row in report["machine"]} >= {"driver", "locked memory", "pyxrt"}
    assert [row["name"] for row in report["service"] if row["name"] != "address"] == [
        *("settings", "model", "security", "service", "PortAudio", "microphone", "state", "spool", "clock"),
        "poison windows",
    ]
    assert all(row["text"] for row in report["service"] + report["machine"])


def test_the_report_for_people() -> None:
    """The same as lines: the machine, then a row for each operator, then what the device was given."""
    done = amanuensis("doctor", "--device", "sim", env=FREE)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert (lines[0], lines.count("an NPU here:")) == ("a daemon here:", 1)
    rows = [line.split() for line in lines if line.endswith(" ok") and line.split()[0] in OPERATORS]
    assert [row[0] for row in rows] == list(OPERATORS)
    assert f"{len(OPERATORS)} dispatches" in lines[-1]
    assert "modelled" in lines[-1]


def test_a_daemon_that_could_not_start_is_a_failure() -> None:
    """What is in the way of the daemon is told with the rest, and the status is 1."""
    done = amanuensis("doctor", "--device", "sim", "--json", env={"AMANUENSIS_SERVER_LISTEN": "0.0.0.0:0"})
    assert (done.returncode, done.stderr) == (1, "")
    report = json.loads(done.stdout)
    assert not report["ok"]
    (problem,) = [row for row in report["service"] if row["verdict"] == "problem"]
    assert problem["name"] == "security"
    assert "no token is set" in problem["text"]


def test_a_machine_without_npu() -> None:
    """Asked for the NPU, it says in one line what is missing and leaves with 1."""
    done = amanuensis("doctor", "--device", "npu", "--json")
    report = json.loads(done.stdout)
    if report["device"]:
        pytest.skip("there is an NPU here")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "pyxrt" in done.stderr or "xdna-driver" in done.stderr
    assert not report["ok"]
    assert report["operators"] == []


def test_windows_that_killed_the_engine_are_told(tmp_path: Path) -> None:
    """Their number, the newest and the folder, and what to do with them; it is well where there are none."""
    assert (poison_finding(tmp_path).verdict, poison_finding(tmp_path / "absent").verdict) == ("ok", "ok")
    for name in ("20261118T110640.250000-abc", "20261119T110640.250000-def"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "window.json").touch()
    finding = poison_finding(tmp_path)
    assert finding.verdict == "warning"
    assert finding.text.startswith(f"2 that killed the engine, the newest 20261119T110640.250000-def, in {tmp_path}: ")


@pytest.mark.usefixtures("_fresh")
@pytest.mark.parametrize(
    ("fault", "words", "n_checks"),
    [("zeros", "computes wrongly: LayerNorm;", len(OPERATORS)), ("no_response", "broke off.*does not answer", 2)],
)
def test_a_device_that_fails(fault: str, words: str, n_checks: int) -> None:
    """Wrong answers are named by operator; a device that breaks off is told as that."""
    pyxrt_emulator.configure(Settings(faults=(Fault(fault, at=3),)))  # type: ignore[arg-type]
    examination = examine_device([], [], open_runtime("sim"))
    assert not examination.ok
    assert re.search(words, examination.problem)
    assert len(as_map(examination)["operators"]) == n_checks

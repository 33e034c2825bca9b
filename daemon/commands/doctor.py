"""`amanuensis doctor`: what a daemon needs here, what is in the way of an NPU, and whether that computes rightly."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from amanuensis.daemon.commands.common import SubParsers, complain

if TYPE_CHECKING:
    from amanuensis.npu.devices.xrt.probe import Finding
    from amanuensis.npu.devices.xrt.runtime import XrtRuntime
    from amanuensis.npu.devices.xrt.self_test import Check

EXAMPLES: Final = """\
examples:
  amanuensis doctor                 look at settings, model, addresses, sound, folders; test the NPU or its simulation
  amanuensis doctor --device npu    status 1 unless there is an NPU that computes rightly
  amanuensis doctor --device sim --json"""
MARKS: Final = {"ok": "ok", "warning": "!", "problem": "--"}


@dataclass(frozen=True, slots=True)
class Examination:
    """What was found out.

    Attributes:
        service: findings about what a daemon needs.
        findings: about the machine.
        device: facts of the device that was tested, {} where there was none.
        checks: of its operators.
        problem: why no device was tested, or why the test broke off; empty when all went well.

    """

    service: Sequence[Finding]
    findings: Sequence[Finding]
    device: dict[str, Any]
    checks: Sequence[Check]
    problem: str

    @property
    def ok(self) -> bool:
        """Whether a daemon could start, a device was tested and every operator passed."""
        served = all(finding.verdict != "problem" for finding in self.service)
        return served and not self.problem and all(check.passed for check in self.checks)


def add_parser(subparsers: SubParsers) -> None:
    """Add `doctor`."""
    parser = subparsers.add_parser(
        "doctor",
        help="check what a daemon and an NPU need here, each with what to do",
        description="Look at settings, model, addresses, service, sound, folders and clock; look for an NPU, say what "
        "is in its way, and run each operator against its reference. Status 1 when a daemon could not start, or the "
        "device that was asked for cannot be used or computes wrongly.",
        epilog=EXAMPLES,
    )
    parser.add_argument(
        "--device", choices=("auto", "npu", "sim"), default="auto", help="what to test (default: the NPU, else sim)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    """Examine; 1 when a daemon could not start, or the device that was asked for cannot be used or computes wrongly."""
    examination = examine(args.device)
    if args.json:
        print(json.dumps(as_map(examination)))
    else:
        print_report(examination)
    if examination.problem:
        complain(examination.problem)
    return 0 if examination.ok else 1


def examine(wanted: Literal["auto", "npu", "sim"]) -> Examination:
    """Look at the machine and test a device; "auto": the NPU, and where there is none its simulation."""
    from amanuensis.daemon.checkup import check_up
    from amanuensis.daemon.poison import poison_folder
    from amanuensis.npu.devices.xrt.errors import DeviceError
    from amanuensis.npu.devices.xrt.opening import open_runtime
    from amanuensis.npu.devices.xrt.probe import Finding, Places, look_around

    service = [*check_up(os.environ), poison_finding(poison_folder(os.environ))]
    findings = list(look_around(Places.of_machine()))
    try:
        runtime = open_runtime("sim" if wanted == "sim" else "npu")
    except DeviceError as error:
        if wanted == "npu":
            return Examination(service, findings, {}, (), str(error))
        if not any(finding.text == str(error) for finding in findings):
            findings.append(Finding("npu", "problem", str(error)))
        runtime = open_runtime("sim")
    return examine_device(service, findings, runtime)


def poison_finding(folder: Path) -> Finding:
    """Say how many windows that killed the engine are kept, and where."""
    from amanuensis.daemon.poison import kept_windows
    from amanuensis.npu.devices.xrt.probe import Finding

    try:
        windows = kept_windows(folder)
    except OSError as error:
        return Finding("poison windows", "warning", f"{folder} cannot be read ({error.strerror})")
    if not windows:
        return Finding("poison windows", "ok", "none: no window has killed the engine")
    return Finding(
        "poison windows",
        "warning",
        f"{len(windows)} that killed the engine, the newest {windows[-1].name}, in {folder}: "
        "report them with the daemon's log (they hold what was said), then remove them",
    )


def examine_device(service: Sequence[Finding], findings: Sequence[Finding], runtime: XrtRuntime) -> Examination:
    """Run every operator on a device and close it."""
    from amanuensis.npu.devices.xrt.errors import DeviceError
    from amanuensis.npu.devices.xrt.host_operators import HEAVY, MUST_WORK
    from amanuensis.npu.devices.xrt.self_test import operator_checks

    checks, problem = [], ""
    try:
        for check in operator_checks(runtime):
            checks.append(check)  # noqa: PERF402 - what was done before it broke off is told too
    except DeviceError as error:
        problem = f"the test of {runtime.hardware} broke off: {error}"
    if failed := [check.operator for check in checks if not check.passed]:
        useless = not MUST_WORK.isdisjoint(failed) or not HEAVY.isdisjoint(failed)
        then = "it will not be used" if useless else "the CPU will do that in its place"
        problem = f"{runtime.hardware} computes wrongly: {', '.join(failed)}; {then}"
    device = {
        "device": runtime.device_name,
        "hardware": runtime.hardware,
        "architecture": runtime.architecture,
        "work": asdict(runtime.work),
    }
    runtime.close()
    return Examination(service, findings, device, checks, problem)


def as_map(examination: Examination) -> dict[str, Any]:
    """Return an examination for programs."""
    return {
        "ok": examination.ok,
        "problem": examination.problem,
        "service": [asdict(finding) for finding in examination.service],
        "machine": [asdict(finding) for finding in examination.findings],
        "device": examination.device,
        "operators": [asdict(check) | {"passed": check.passed} for check in examination.checks],
    }


def print_report(examination: Examination) -> None:
    """Print an examination for people."""
    for title, findings in (("a daemon here:", examination.service), ("an NPU here:", examination.findings)):
        print(title)
        for finding in findings:
            print(f"  {MARKS[finding.verdict]:2}  {finding.name:14} {finding.text}")
    if not examination.device:
        return
    device, work = examination.device, examination.device["work"]
    print(f"operators on {device['device']}: {device['hardware']} ({device['architecture']})")
    print(f"  {'operator':16} {'error':>9} {'allowed':>9} {'us':>9}")
    for check in examination.checks:
        verdict = "ok" if check.passed else "WRONG"
        print(f"  {check.operator:16} {check.error:9.1e} {check.limit:9.1e} {check.us:9.1f}  {verdict}")
    moved = f"{work['bytes_to_device']} bytes to it and {work['bytes_from_device']} from it"
    print(f"{work['dispatches']} dispatches, {moved}, {work['device_us']:.0f} us on the device ({work['timing']})")

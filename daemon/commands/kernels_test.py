"""`amanuensis kernels test`: every operator of a device against its reference, and every design against the machine."""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from amanuensis.daemon.commands.common import UsageError, complain

if TYPE_CHECKING:
    from amanuensis.npu.devices.xrt.design_checks import DesignCheck
    from amanuensis.npu.devices.xrt.self_test import Check

EXAMPLE: Final = "amanuensis kernels test --device sim --operator Attention"


@dataclass(frozen=True, slots=True)
class Tested:
    """What was found out.

    Attributes:
        device: "npu" or "sim".
        hardware: the device's own name for itself.
        architecture: npu1 or npu2.
        operators: against their references.
        designs: against the machine; none on a real device.
        uncovered: operators that no design computes.
        programs: what the device runs, in words.
        problem: why the test broke off; empty when it did not.

    """

    device: str
    hardware: str
    architecture: str
    operators: Sequence[Check]
    designs: Sequence[DesignCheck]
    uncovered: Sequence[str]
    programs: str
    problem: str = ""

    @property
    def wrong(self) -> list[str]:
        """What did not pass."""
        designs = [f"{check.operator} on {check.configuration}" for check in self.designs if not check.passed]
        return [check.operator for check in self.operators if not check.passed] + designs


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `kernels test`."""
    parser.add_argument("--device", choices=("npu", "sim"), default="npu", help="what to test (default: npu)")
    parser.add_argument("--operator", metavar="NAME", help="only this one, such as GemmInt8")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    """Test, print, and leave with 1 when something is wrong."""
    from amanuensis.kernels.ops import OPERATORS

    if args.operator not in (None, *OPERATORS):
        raise UsageError(f"there is no operator {args.operator!r}; there are {', '.join(OPERATORS)}")
    tested = examine(args.device, args.operator)
    print(json.dumps(as_map(tested)) if args.json else "\n".join(report(tested)))
    if tested.problem:
        complain(tested.problem)
    elif tested.wrong:
        complain(f"wrong: {', '.join(tested.wrong)}")
    return 1 if tested.problem or tested.wrong else 0


def examine(device: Any, operator: str | None) -> Tested:
    """Run every operator, or one, on a device, and on the simulated one the designs too.

    Raises:
        DeviceError: there is no device, or no programs for it.

    """
    from amanuensis.kernels.host.build import BuildError
    from amanuensis.npu.devices.xrt.design_checks import design_checks, uncovered
    from amanuensis.npu.devices.xrt.errors import DeviceError
    from amanuensis.npu.devices.xrt.opening import open_runtime
    from amanuensis.npu.devices.xrt.programs import told
    from amanuensis.npu.devices.xrt.self_test import operator_checks

    runtime = open_runtime(device)
    operators: list[Check] = []
    designs: list[DesignCheck] = []
    problem, lacking, programs = "", [], told(runtime.package)
    try:
        operators += (check for check in operator_checks(runtime) if operator in (None, check.operator))
        if device == "sim":
            lacking = [name for name in uncovered() if operator in (None, name)]
            designs += design_checks(runtime.architecture, operator)
    except (DeviceError, BuildError) as error:
        problem = f"the test broke off: {error}"
    finally:
        runtime.close()
    return Tested(device, runtime.hardware, runtime.architecture, operators, designs, lacking, programs, problem)


def as_map(tested: Tested) -> dict[str, Any]:
    """Return the tables for programs; an error that is no number is null."""
    rows = [
        [asdict(check) | {"passed": check.passed, "error": finite(check.error)} for check in checks]
        for checks in (tested.operators, tested.designs)
    ]
    facts = {"device": tested.device, "hardware": tested.hardware, "architecture": tested.architecture}
    facts["programs"] = tested.programs
    ended = {"uncovered": list(tested.uncovered), "problem": tested.problem, "wrong": tested.wrong}
    return facts | {"operators": rows[0], "designs": rows[1]} | ended


def finite(error: float) -> float | None:
    """Return a number that JSON has."""
    return error if math.isfinite(error) else None


def report(tested: Tested) -> Iterator[str]:
    """Yield the tables for people."""
    device = f"{tested.device}: {tested.hardware} ({tested.architecture})"
    yield f"operators on {device}, {tested.programs}, against their references"
    yield f"  {'operator':16} {'error':>9} {'allowed':>9}"
    for check in tested.operators:
        yield f"  {check.operator:16} {check.error:9.1e} {check.limit:9.1e}  {'ok' if check.passed else 'WRONG'}"
    if tested.designs:
        yield "designs in the simulator, against the machine of the operators, which --device sim is made of"
        yield f"  {'operator':16} {'configuration':14} {'error':>9} {'allowed':>9}"
    for design in tested.designs:
        if design.ran:
            verdict = "ok" if design.passed else f"WRONG {design.problem}"
            figures = f"{design.error:9.1e} {design.limit:9.1e}"
        else:
            verdict, figures = design.problem, f"{'-':>9} {'-':>9}"
        yield f"  {design.operator:16} {design.configuration:14} {figures}  {verdict}"
    if tested.uncovered:
        yield f"no design yet: {', '.join(tested.uncovered)}"

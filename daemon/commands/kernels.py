"""`amanuensis kernels`: the operators of the NPU, and what they would cost there."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from amanuensis.daemon.commands import kernels_build, kernels_test
from amanuensis.daemon.commands.bench import load
from amanuensis.daemon.commands.common import SubParsers, bounded_int

if TYPE_CHECKING:
    from amanuensis.kernels.cost.calibrate import Residual
    from amanuensis.kernels.cost.fitted import Fitted
    from amanuensis.npu.calibration import Precision
    from amanuensis.npu.device_weights import WeightMap
    from amanuensis.npu.model_config import Dimensions, Head

EXAMPLE_OF: Final = {
    "plan": "amanuensis kernels plan --model base --device npu1 --svg plan.svg",
    "cost": "amanuensis kernels cost --fit",
    "build": kernels_build.EXAMPLE,
    "test": kernels_test.EXAMPLE,
    "bench": "amanuensis kernels bench --device npu",
}
ACTIONS: Final = {
    "plan": "say what a model would take on an NPU and why: modelled, not measured",
    "cost": "show how far the cost model is off each published figure",
    "build": "compile the programs of a model for a real NPU, with mlir-aie and Peano",
    "test": "run every operator of a device against its reference",
    "bench": "measure what the cost model does not know of an NPU, and keep it as the calibration",
}
ARCHITECTURES: Final = ("npu1", "npu2")
MAX_POSITIONS: Final = 1536  # the largest audio context that the device has room for


def add_parser(subparsers: SubParsers) -> None:
    """Add `kernels` and its actions."""
    parser = subparsers.add_parser(
        "kernels",
        help="plan, compile, test and measure the operators of the NPU",
        description="The operators of the NPU: what they cost, compiling them, testing and measuring them.",
        epilog="examples:\n" + "".join(f"  {example}\n" for example in EXAMPLE_OF.values()),
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    add = {
        name: actions.add_parser(name, help=text, description=text, epilog=f"example:\n  {EXAMPLE_OF[name]}")
        for name, text in ACTIONS.items()
    }
    add_plan_flags(add["plan"])
    add["cost"].add_argument("--fit", action="store_true", help="fit the parameters anew, instead of those built in")
    add["cost"].add_argument("--json", action="store_true", help="print one JSON object")
    kernels_build.add_flags(add["build"])
    kernels_test.add_flags(add["test"])
    load("device").add_arguments(add["bench"])


def add_plan_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `kernels plan`."""
    parser.add_argument(
        "--model", default="base", metavar="NAME|PATH", help="tiny, base, small, turbo, or a model here (default: base)"
    )
    parser.add_argument("--device", choices=ARCHITECTURES, default="npu1", help="architecture (default: npu1)")
    parser.add_argument(
        "--audio-context",
        type=bounded_int("audio context", 1, MAX_POSITIONS),
        metavar="N",
        help="encoder positions of 20 ms in a window (default: 250, which is 5 s)",
    )
    parser.add_argument("--precision", choices=("int8", "bf16"), default="int8", help="of the products (default: int8)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument(
        "--svg", type=Path, metavar="FILE", help="also draw the roofline and the map of the array there"
    )


def run(args: argparse.Namespace) -> int:
    """Do what was asked for."""
    actions: dict[str, Callable[[argparse.Namespace], int]] = {
        "plan": run_plan,
        "cost": run_cost,
        "build": kernels_build.run,
        "test": kernels_test.run,
        "bench": lambda given: load("device").run(given),
    }
    return actions[args.action](args)


def run_plan(args: argparse.Namespace) -> int:
    """Print the plan of a model."""
    from amanuensis.kernels.cost.measured import current_model
    from amanuensis.npu.devices.xrt.plan import Planner, plan, stream_frames
    from amanuensis.npu.devices.xrt.plan_report import as_map, report

    dimensions, heads, prepared = shape_of(args.model, args.precision)
    planner = Planner(dimensions, heads, current_model(args.device), args.precision, prepared)
    made = plan(planner, args.audio_context or stream_frames(dimensions))
    if args.svg is not None:
        from amanuensis.npu.devices.xrt.plan_drawing import drawing

        args.svg.write_text(drawing(args.model, planner, made), encoding="utf-8")
    if args.json:
        print(json.dumps(as_map(args.model, planner, made)))
    else:
        print("\n".join(report(args.model, planner, made)))
    return 0


def shape_of(name: str, precision: Precision) -> tuple[Dimensions, tuple[Head, ...], WeightMap | None]:
    """Return the shape and the alignment heads of a known model or one that is here, and the map of prepared weights.

    Of a known model that is not installed the heads are all of the last half of the layers, as for any model that names
    none.

    Raises:
        StoreError: there is no such model.
        ModelError: its files are damaged.

    """
    from amanuensis.npu.device_weights import kept_map
    from amanuensis.npu.known_models import KNOWN_MODELS
    from amanuensis.npu.model_config import default_alignment_heads
    from amanuensis.npu.model_files import ModelFiles
    from amanuensis.npu.store import resolve

    if name in KNOWN_MODELS:
        return KNOWN_MODELS[name], default_alignment_heads(KNOWN_MODELS[name]), None
    files = ModelFiles.load(resolve(name))
    return files.dimensions, files.generation.alignment_heads, kept_map(files, precision)


def run_cost(args: argparse.Namespace) -> int:
    """Print the parameters of the cost model, and how far it is off each published figure."""
    from amanuensis.kernels.cost.calibrate import fit, residuals
    from amanuensis.kernels.cost.fitted import FITTED
    from amanuensis.kernels.cost.parameters import BASIS

    fitted = fit() if args.fit else FITTED
    found = residuals(fitted)
    if args.json:
        known = {"basis": BASIS, "parameters": asdict(fitted)}
        print(json.dumps(known | {"residuals": [residual_map(one) for one in found]}))
    else:
        print("\n".join(cost_lines(fitted, found)))
    return 0


def residual_map(residual: Residual) -> dict[str, Any]:
    """Return a residual for programs."""
    target = residual.target
    return {
        "name": target.name,
        "unit": target.unit,
        "published": target.published,
        "modelled": residual.modelled,
        "error": residual.error,
        "allowed": [target.low - 1, target.high - 1],
        "held_out": target.held_out,
        "within": residual.within,
    }


def cost_lines(fitted: Fitted, found: list[Residual]) -> Iterator[str]:
    """Yield parameters and residuals for people."""
    from amanuensis.kernels.cost.parameters import BASIS

    yield BASIS
    for name, value in asdict(fitted).items():
        yield f"  {name:20} {value:9.4g}"
    yield f"{'figure':44} {'published':>9} {'modelled':>9} {'':5} {'error':>7}  allowed"
    for one in found:
        target = one.target
        allowed = f"{100 * (target.low - 1):+.0f} to {100 * (target.high - 1):+.0f} %"
        notes = " held out" * target.held_out + " OUTSIDE" * (not one.within)
        figures = f"{target.published:9.4g} {one.modelled:9.4g} {target.unit:5} {100 * one.error:+6.1f}%"
        yield f"{target.name:44} {figures}  {allowed}{notes}"

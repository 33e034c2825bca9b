"""`amanuensis kernels build`: programs of a model, compiled for an NPU where the tools are, or for the emulator."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

from amanuensis.daemon.commands.common import CONTROL, complain, say

if TYPE_CHECKING:
    from amanuensis.kernels.compile.build import Maker, Progress
    from amanuensis.kernels.compile.cache import Cache
    from amanuensis.kernels.compile.manifest import Manifest
    from amanuensis.kernels.compile.toolchain import Toolchain
    from amanuensis.kernels.compile.work import Work
    from amanuensis.kernels.program import Architecture
    from amanuensis.npu.calibration import Precision

EXAMPLE: Final = "amanuensis kernels build --device npu1 --model base.en"
ARCHITECTURES: Final = ("npu1", "npu2")
TARGETS: Final = ("npu", "sim")


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `kernels build`."""
    parser.add_argument(
        "--device", choices=ARCHITECTURES, help="architecture (default: that of the NPU here, else npu1)"
    )
    parser.add_argument(
        "--target",
        choices=TARGETS,
        default="npu",
        help="npu: compiled with mlir-aie and Peano; sim: simulated, for --device sim, with no tools (default: npu)",
    )
    parser.add_argument(
        "--model",
        metavar="NAME|PATH",
        help="whose dispatches to compile (default: the best installed, else the built-in)",
    )
    parser.add_argument("--precision", choices=("int8", "bf16"), default="int8", help="of the products (default: int8)")
    parser.add_argument(
        "--out", type=Path, metavar="FOLDER", help="for the programs (default: where the engine looks for them)"
    )


def run(args: argparse.Namespace) -> int:
    """Compile, and say what was compiled and where it lies."""
    from amanuensis.kernels.compile.build import Order, build
    from amanuensis.kernels.compile.cache import Cache
    from amanuensis.kernels.compile.errors import CompileError
    from amanuensis.kernels.compile.toolchain import find_toolchain
    from amanuensis.kernels.compile.work import DESIGNS
    from amanuensis.npu.devices.xrt.launches import work_of
    from amanuensis.npu.devices.xrt.programs import user_programs
    from amanuensis.npu.model_files import ModelFiles
    from amanuensis.npu.store import resolve

    try:
        # The tools before a model's weights are prepared, which takes a while.
        toolchain = find_toolchain() if args.target == "npu" else None
        architecture = cast("Architecture", args.device) or architecture_here()
        source = resolve(args.model)
        work = work_of(args.model or source.name, ModelFiles.load(source), cast("Precision", args.precision))
        folder, cache = (args.out or user_programs()) / architecture, Cache() if toolchain else None
        order = Order(work, architecture, _maker(work, architecture, toolchain, cache), folder, DESIGNS)
        with shown() as progress:
            manifest = build(order, progress)
        if cache is not None:
            cache.prune()
    except CompileError as error:
        complain(str(error))
        if error.output:
            print(CONTROL.sub("?", error.output.rstrip()), file=sys.stderr)
        return 1
    tell(manifest, folder, cache)
    return 0


def _maker(work: Work, architecture: Architecture, toolchain: Toolchain | None, cache: Cache | None) -> Maker:
    """Return the tools, or the simulator's stand-in for them."""
    from amanuensis.kernels.compile.simulated import SimulatedMaker
    from amanuensis.kernels.compile.tools import CompilingMaker
    from amanuensis.kernels.compile.work import DESIGNS

    if toolchain is None or cache is None:
        return SimulatedMaker(architecture, DESIGNS, work.buffer_bytes)
    return CompilingMaker(architecture, toolchain, cache, DESIGNS, work.buffer_bytes)


def architecture_here() -> Architecture:
    """Return the architecture of the NPU of this machine; npu1 where there is none."""
    from amanuensis.npu.devices.xrt.errors import DeviceError
    from amanuensis.npu.devices.xrt.probe import Places, find_pyxrt, open_device

    try:
        return open_device(find_pyxrt(Places.of_machine())).architecture
    except DeviceError:
        return "npu1"


@contextlib.contextmanager
def shown() -> Iterator[Progress]:
    """Show steps as a bar on stderr while inside, if that is a terminal."""
    from amanuensis.daemon.progress import progress_bar

    with progress_bar(sys.stderr) as bar, bar.task("compiling", 1.0):
        yield lambda _, done, total: bar.advance(done / total)


def tell(manifest: Manifest, folder: Path, cache: Cache | None) -> None:
    """Print what was made."""
    for lacking in manifest.lacking:
        say(f"no design computes {lacking}")
    simulated = "simulated " if manifest.target == "sim" else ""
    print(f"{folder}: {simulated}programs of {manifest.model} for {manifest.architecture}")
    for name, stored in manifest.configurations.items():
        launches = sum(launch.configuration == name for launch in manifest.launches.values())
        print(f"  {name:10} {stored.file}, {stored.n_bytes} bytes, {launches} launches")
    if cache is not None:
        print(f"{cache.made} files compiled, {cache.found} found in {cache.folder}")
    else:
        print("no NPU can load these; `--device sim` uses them")

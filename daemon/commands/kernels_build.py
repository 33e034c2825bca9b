"""`amanuensis kernels build`: compiled programs of a model for a real NPU, where the tools are installed."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

from amanuensis.daemon.commands.common import CONTROL, complain, say

if TYPE_CHECKING:
    from amanuensis.kernels.compile.build import Progress
    from amanuensis.kernels.compile.cache import Cache
    from amanuensis.kernels.compile.manifest import Manifest
    from amanuensis.kernels.program import Architecture
    from amanuensis.npu.calibration import Precision

EXAMPLE: Final = "amanuensis kernels build --device npu1 --model base.en"
ARCHITECTURES: Final = ("npu1", "npu2")


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `kernels build`."""
    parser.add_argument(
        "--device", choices=ARCHITECTURES, help="architecture (default: that of the NPU here, else npu1)"
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
        toolchain = find_toolchain()  # before a model's weights are prepared, which takes a while
        architecture = cast("Architecture", args.device) or architecture_here()
        source = resolve(args.model)
        work = work_of(args.model or source.name, ModelFiles.load(source), cast("Precision", args.precision))
        folder, cache = (args.out or user_programs()) / architecture, Cache()
        order = Order(work, architecture, toolchain, folder, cache, DESIGNS)
        with shown() as progress:
            manifest = build(order, progress)
    except CompileError as error:
        complain(str(error))
        if error.output:
            print(CONTROL.sub("?", error.output.rstrip()), file=sys.stderr)
        return 1
    tell(manifest, folder, cache)
    return 0


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


def tell(manifest: Manifest, folder: Path, cache: Cache) -> None:
    """Print what was compiled."""
    for lacking in manifest.lacking:
        say(f"no design computes {lacking}")
    print(f"{folder}: programs of {manifest.model} for {manifest.architecture}")
    for name, stored in manifest.configurations.items():
        launches = sum(launch.configuration == name for launch in manifest.launches.values())
        print(f"  {name:10} {stored.file}, {stored.n_bytes} bytes, {launches} launches")
    print(f"{cache.made} files compiled, {cache.found} found in {cache.folder}")

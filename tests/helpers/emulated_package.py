"""Compiled launches for the emulator, of the built-in model: made once for all tests that need them."""

from __future__ import annotations

import shutil
from functools import cache
from pathlib import Path

from amanuensis.kernels.compile.build import Order, build
from amanuensis.kernels.compile.simulated import SimulatedMaker
from amanuensis.kernels.compile.work import DESIGNS
from amanuensis.kernels.program import Architecture
from amanuensis.npu.devices.xrt.launches import work_of
from amanuensis.npu.model_files import ModelFiles
from amanuensis.npu.store import resolve


@cache
def simulated_package(root: Path, architecture: Architecture = "npu1") -> Path:
    """Build every launch of the built-in model into a folder and return the folder."""
    work = work_of("builtin", ModelFiles.load(resolve("builtin")))
    maker = SimulatedMaker(architecture, DESIGNS, work.buffer_bytes)
    build(Order(work, architecture, maker, root / architecture, DESIGNS))
    return root


def copy_of(package: Path, target: Path) -> Path:
    """Return a copy of a folder of packages, to be damaged."""
    shutil.copytree(package, target)
    return target

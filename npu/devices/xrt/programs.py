"""Where the compiled programs of a device lie: one xclbin that holds every operator.

For the simulated NPU the program is a container that says so of itself (`amanuensis.kernels.program`), written into the
user's cache when it is first needed. For a real one it is built with mlir-aie.
"""

from __future__ import annotations

import hashlib
import os
import uuid
from pathlib import Path
from typing import Final

from amanuensis.kernels.ops import OPERATORS
from amanuensis.kernels.program import KERNEL_NAME, Program
from amanuensis.npu.atomic import whole_or_nothing
from amanuensis.npu.devices.xrt.errors import ProgramError
from amanuensis.npu.devices.xrt.probe import Architecture

PROGRAM: Final = "whisper"
FOLDER_VARIABLE: Final = "AMANUENSIS_PROGRAMS"
NAMESPACE: Final = uuid.UUID("6a6f0f2e-7d1f-5b59-9f57-3b1a1d0c9a11")  # of the names of simulated programs


def program_folder(architecture: Architecture, *, simulated: bool) -> Path:
    """Return the folder of the programs for an architecture, `<program>.xclbin` each.

    Raises:
        ProgramError: this version has none for it.
        amanuensis.npu.atomic.WriteError: the simulated one cannot be written.

    """
    if simulated:
        return _simulated(architecture)
    root = os.environ.get(FOLDER_VARIABLE)
    folder = Path(root) / architecture if root else None
    if folder is None or not (folder / f"{PROGRAM}.xclbin").is_file():
        where = f"{folder} has no {PROGRAM}.xclbin" if folder else f"{FOLDER_VARIABLE} is not set"
        raise ProgramError(
            f"no compiled programs for {architecture}: this version brings none, and {where}; use --device cpu, or sim"
        )
    return folder


def _simulated(architecture: Architecture) -> Path:
    """Return the folder of the simulated program, writing it when it is not there."""
    name = f"{architecture} {' '.join(OPERATORS)}"
    key = hashlib.sha256(name.encode()).hexdigest()[:16]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "amanuensis" / "programs" / f"{architecture}-{key}"
    target = folder / f"{PROGRAM}.xclbin"
    if not target.is_file():
        program = Program(architecture, KERNEL_NAME, str(uuid.uuid5(NAMESPACE, name)), tuple(OPERATORS))
        with whole_or_nothing(target) as path:
            program.save(path)
    return folder

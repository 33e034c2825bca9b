"""Where the compiled programs of a device lie.

They are made by `amanuensis kernels build`, with mlir-aie for an NPU and without it for the emulated one, and looked
for in the folder that AMANUENSIS_PROGRAMS names, then in the user's data folder, then in the package: an xclbin for
each array configuration and instructions for each launch, in a folder for each architecture, with a manifest.

The emulated NPU needs none: it then runs one program that takes operators as they are, a container that says so of
itself (`amanuensis.kernels.program`), written into the user's cache when it is first needed.
"""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from amanuensis.kernels.compile.manifest import MANIFEST, ManifestError, Target, load_manifest
from amanuensis.kernels.ops import OPERATORS
from amanuensis.kernels.program import KERNEL_NAME, Program
from amanuensis.npu.atomic import whole_or_nothing
from amanuensis.npu.devices.xrt.errors import ProgramError
from amanuensis.npu.devices.xrt.package import Package
from amanuensis.npu.devices.xrt.probe import Architecture

PROGRAM: Final = "whisper"
FOLDER_VARIABLE: Final = "AMANUENSIS_PROGRAMS"
PACKAGED: Final = Path(__file__).with_name("compiled")
_KINDS: Final[dict[Target, str]] = {"npu": "for an NPU", "sim": "simulated, for --device sim"}
NAMESPACE: Final = uuid.UUID("6a6f0f2e-7d1f-5b59-9f57-3b1a1d0c9a11")  # of the names of simulated programs


def user_programs() -> Path:
    """Return where `kernels build` puts programs; below it a folder for each architecture."""
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "amanuensis" / "programs"


def find_programs(architecture: Architecture, target: Target) -> Package:
    """Return the first compiled programs for an architecture.

    Args:
        architecture: of the device.
        target: "npu", or "sim" for the emulator, whose programs no NPU can load.

    Raises:
        ProgramError: there are none, or the first that were found are damaged, incomplete, or of another architecture,
            version or target; the message names the file.

    """
    roots = list(_roots())
    folder = next((root / architecture for root in roots if (root / architecture).is_dir()), None)
    if folder is None:
        raise ProgramError(
            f"no compiled programs for {architecture} in {', '.join(map(str, roots))}: "
            f"`amanuensis kernels build --device {architecture}` makes them; until then use --device cpu, or sim"
        )
    try:
        package = Package(folder, load_manifest(folder, architecture))
    except ManifestError as error:
        raise ProgramError(str(error)) from None
    if package.manifest.target != target:
        raise ProgramError(
            f"{folder}: these programs are {_KINDS[package.manifest.target]}, not {_KINDS[target]}; "
            f"`amanuensis kernels build --device {architecture} --target {target}` makes others, and "
            f"{FOLDER_VARIABLE} names their folder"
        )
    return package


def simulated_programs(architecture: Architecture) -> Package | None:
    """Return compiled programs for the emulator; None where the first that are found are not for it, or none are.

    Raises:
        ProgramError: they are damaged, incomplete, or of another version, or the folder that is named has none.

    """
    if named := os.environ.get(FOLDER_VARIABLE):
        mine = Path(named).expanduser() / architecture
        if _target(mine) is None:
            raise ProgramError(
                f"{mine / MANIFEST}: not there, or no manifest, though {FOLDER_VARIABLE} names this folder; "
                f"unset it, or `amanuensis kernels build --device {architecture} --target sim --out {named}` makes some"
            )
    folder = next((root / architecture for root in _roots() if (root / architecture).is_dir()), None)
    if folder is None or _target(folder) != "sim":
        return None
    return find_programs(architecture, "sim")


def _target(folder: Path) -> object:
    """Return for what the programs of a folder say that they are; None where they say nothing."""
    try:
        target = json.loads((folder / MANIFEST).read_text(encoding="utf-8")).get("target")
    except (OSError, ValueError, AttributeError):
        return None
    return target if target in list(_KINDS) else None


def told(package: Package | None) -> str:
    """Return what a device runs, in words."""
    if package is None:
        return "operators one by one"
    return "simulated programs" if package.manifest.target == "sim" else "compiled programs"


def _roots() -> Iterator[Path]:
    if named := os.environ.get(FOLDER_VARIABLE):
        yield Path(named).expanduser()
    yield user_programs()
    yield PACKAGED


def sequence_programs(architecture: Architecture) -> Path:
    """Return the folder of the emulator's program that takes operators, writing it when it is not there.

    Raises:
        amanuensis.npu.atomic.WriteError: it cannot be written.

    """
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

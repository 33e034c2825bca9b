"""Where the compiled programs of a device lie.

For the simulated NPU the program is a container that says so of itself (`amanuensis.kernels.program`), written into the
user's cache when it is first needed. For a real one they are compiled with mlir-aie (`amanuensis kernels build`) and
looked for in the folder that AMANUENSIS_PROGRAMS names, then in the user's data folder, then in the package: an xclbin
for each array configuration and instructions for each launch, in a folder for each architecture, with a manifest.
"""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from amanuensis.kernels.compile.manifest import Manifest, ManifestError, load_manifest
from amanuensis.kernels.ops import OPERATORS
from amanuensis.kernels.program import KERNEL_NAME, Program
from amanuensis.npu.atomic import whole_or_nothing
from amanuensis.npu.devices.xrt.errors import ProgramError
from amanuensis.npu.devices.xrt.probe import Architecture

PROGRAM: Final = "whisper"
FOLDER_VARIABLE: Final = "AMANUENSIS_PROGRAMS"
PACKAGED: Final = Path(__file__).with_name("compiled")
NAMESPACE: Final = uuid.UUID("6a6f0f2e-7d1f-5b59-9f57-3b1a1d0c9a11")  # of the names of simulated programs


@dataclass(frozen=True, slots=True)
class FoundPrograms:
    """Compiled programs that were checked: every file is there as it was compiled."""

    folder: Path
    manifest: Manifest


def user_programs() -> Path:
    """Return where `kernels build` puts programs; below it a folder for each architecture."""
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "amanuensis" / "programs"


def find_programs(architecture: Architecture) -> FoundPrograms:
    """Return the first compiled programs for an architecture.

    Raises:
        ProgramError: there are none, or the first that were found are damaged, incomplete, or of another architecture
            or version; the message names the file.

    """
    roots = list(_roots())
    folder = next((root / architecture for root in roots if (root / architecture).is_dir()), None)
    if folder is None:
        raise ProgramError(
            f"no compiled programs for {architecture} in {', '.join(map(str, roots))}: "
            f"`amanuensis kernels build --device {architecture}` makes them; until then use --device cpu, or sim"
        )
    try:
        return FoundPrograms(folder, load_manifest(folder, architecture))
    except ManifestError as error:
        raise ProgramError(str(error)) from None


def program_folder(architecture: Architecture, *, simulated: bool) -> Path:
    """Return the folder of the programs for an architecture, `<program>.xclbin` each.

    Raises:
        ProgramError: there are none that this version can use.
        amanuensis.npu.atomic.WriteError: the simulated one cannot be written.

    """
    if simulated:
        return _simulated(architecture)
    found = find_programs(architecture)
    manifest = found.manifest
    if PROGRAM not in manifest.configurations:
        held = f"{', '.join(manifest.configurations)}; {len(manifest.launches)} launches of {manifest.model}"
        raise ProgramError(
            f"{found.folder} has sound programs ({held}), but the engine of this version dispatches sequences to one "
            f"program, {PROGRAM}, and no launches yet; use --device cpu, or sim"
        )
    return found.folder


def _roots() -> Iterator[Path]:
    if named := os.environ.get(FOLDER_VARIABLE):
        yield Path(named).expanduser()
    yield user_programs()
    yield PACKAGED


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

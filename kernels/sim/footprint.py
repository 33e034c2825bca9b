"""What kernels take of a core beside data: stack and program memory.

Nothing here is compiled for a core. Stack is the budget of `kernels.entries`, to which a test holds the host's build,
or what the host's compiler reports. Program memory is the size of the host's build: a stand-in for an unknown figure.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Final

from amanuensis.kernels import entries
from amanuensis.kernels.host.build import build, stack_usage
from amanuensis.kernels.sim.functions import compile_flags, object_file
from amanuensis.kernels.sim.kernel import BaseKernel, ExternalFunction
from amanuensis.kernels.sim.passes import CorePass

FRAME_BYTES: Final = 128  # of the core's own function: a saved register set of 4 vectors of 256 bits; assumed
START_BYTES: Final = 512  # program: start-up and loop around the core function; assumed
SITE_BYTES: Final = 64  # program: four instructions of 128 bits for each lock operation or call; assumed
_MACRO: Final = re.compile(r"-DDIM_([A-Z])=(\d+)")


def stack_bytes(kernel: BaseKernel, architecture: tuple[str, ...]) -> int | None:
    """Return the stack that a kernel takes, None if it has no source."""
    if not isinstance(kernel, ExternalFunction):
        return _listed(kernel._name, ())
    flags = compile_flags(kernel, architecture)
    listed = _listed(kernel._name, flags)
    if listed is not None:
        return listed
    with tempfile.TemporaryDirectory() as folder:
        return _measured(source_of(kernel, Path(folder)), flags).get(kernel._name)


def _listed(name: str, flags: tuple[str, ...]) -> int | None:
    """Return the budget of an entry point of `kernels.entries`."""
    if name not in entries.NAMES:
        return None
    given = {letter.lower(): int(size) for letter, size in _MACRO.findall(" ".join(flags))}
    smallest = {"m": 4, "k": 8, "n": 32, "d": 16}  # the budget does not depend on the sizes
    return entries.entry(name, **{key: given.get(key, smallest[key]) for key in entries.sizes_of(name)}).stack_bytes


@cache
def _measured(source: Path, flags: tuple[str, ...]) -> dict[str, int]:
    return stack_usage(source, flags)


def source_of(kernel: ExternalFunction, folder: Path) -> Path:
    """Return the file of a kernel's source; a string is written into the folder."""
    if kernel._source_file is not None:
        return kernel._source_file
    path = folder / f"{kernel._name}.cc"
    path.write_text(kernel._source_string or "")
    return path


def program_bytes(found: CorePass, kernels: Iterable[BaseKernel], architecture: tuple[str, ...]) -> int:
    """Return the stand-in for a core's program: each object file once, each place that calls or synchronises.

    Args:
        found: what the core does.
        kernels: those of the whole design, among them the sources of the object files.
        architecture: flags of the compiler for the device.

    """
    sources = {kernel.object_file_name: kernel for kernel in kernels if isinstance(kernel, ExternalFunction)}
    linked = {object_file(kernel) for kernel in found.call_sites} & sources.keys()
    code = sum(_text_bytes(sources[name], compile_flags(sources[name], architecture)) for name in sorted(linked))
    return START_BYTES + code + SITE_BYTES * (found.sites + found.call_sites.total())


def _text_bytes(kernel: ExternalFunction, flags: tuple[str, ...]) -> int:
    with tempfile.TemporaryDirectory() as folder:
        library = build(source_of(kernel, Path(folder)), flags)
    return _section(library)


@cache
def _section(library: Path) -> int:
    listing = subprocess.run(["size", "-A", str(library)], check=True, capture_output=True, text=True).stdout
    return next(int(line.split()[1]) for line in listing.splitlines() if line.startswith(".text"))

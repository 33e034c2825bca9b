"""What kernels take of a core beside data: stack and program memory.

Nothing here is compiled for a core. Stack is the budget of `kernels.entries`, to which a test holds the host's build,
or what the host's compiler reports. Program memory is the size of the host's build: a stand-in for an unknown figure.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
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


def linked_objects(
    found: CorePass, kernels: Iterable[BaseKernel], architecture: tuple[str, ...]
) -> Iterator[tuple[ExternalFunction, tuple[str, ...]]]:
    """Yield what is compiled to each object file that a core links, with the flags of the compiler.

    Args:
        found: what the core does.
        kernels: those of the whole design, among them the sources of the object files.
        architecture: flags of the compiler for the device.

    """
    sources = {kernel.object_file_name: kernel for kernel in kernels if isinstance(kernel, ExternalFunction)}
    for name in sorted({object_file(kernel) for kernel in found.call_sites} & sources.keys()):
        yield sources[name], compile_flags(sources[name], architecture)


def program_bytes(found: CorePass, objects: Iterable[tuple[ExternalFunction, tuple[str, ...]]]) -> int:
    """Return the stand-in for a core's program: its objects, and each place that calls or synchronises."""
    code = sum(_section(_built(kernel, flags), ".text") for kernel, flags in objects)
    return START_BYTES + code + SITE_BYTES * (found.sites + found.call_sites.total())


def table_bytes(objects: Iterable[tuple[ExternalFunction, tuple[str, ...]]]) -> int:
    """Return the bytes of named constants and variables of a core's objects: they lie in its data memory."""
    return sum(_tables(_built(kernel, flags)) for kernel, flags in objects)


def _built(kernel: ExternalFunction, flags: tuple[str, ...]) -> Path:
    with tempfile.TemporaryDirectory() as folder:
        return build(source_of(kernel, Path(folder)), flags)


@cache
def _section(library: Path, name: str) -> int:
    listing = subprocess.run(["size", "-A", str(library)], check=True, capture_output=True, text=True).stdout
    return next((int(line.split()[1]) for line in listing.splitlines() if line.split()[:1] == [name]), 0)


@cache
def _tables(library: Path) -> int:
    """Sum the symbols of data that the source defines; the compiler's own begin with an underscore or a dot."""
    listing = subprocess.run(["nm", "-S", "--defined-only", str(library)], check=True, capture_output=True, text=True)
    rows = [line.split() for line in listing.stdout.splitlines()]
    return sum(int(row[1], 16) for row in rows if len(row) == 4 and row[2] in "rRdDbBvVu" and _is_table(row[3]))


def _is_table(symbol: str) -> bool:
    return "." not in symbol and (symbol.startswith("_Z") or symbol[0] != "_")

"""What kernels take of a core beside data: stack and program memory.

Nothing here is compiled for a core. Stack is the budget of `kernels.entries`, to which a test holds the host's build,
or what the host's compiler reports. Program memory is the size of the host's build, a stand-in for an unknown figure.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
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
    return _measured(source_of(kernel), flags).get(kernel._name)


def _listed(name: str, flags: tuple[str, ...]) -> int | None:
    """Return the budget of an entry point of `kernels.entries`."""
    if name not in entries.NAMES:
        return None
    given = {letter.lower(): int(size) for letter, size in _MACRO.findall(" ".join(flags))}
    smallest = {"m": 4, "k": 8, "n": 32, "d": 16}  # the budget does not depend on the sizes
    return entries.entry(name, **{key: given.get(key, smallest[key]) for key in entries.sizes_of(name)}).stack_bytes


@lru_cache(maxsize=256)
def _measured(source: Path | str, flags: tuple[str, ...]) -> dict[str, int]:
    with _file(source) as path:
        return stack_usage(path, flags)


def source_of(kernel: ExternalFunction) -> Path | str:
    """Return the file of a kernel's source, or the source itself."""
    return kernel._source_file if kernel._source_file is not None else kernel._source_string or ""


@contextmanager
def _file(source: Path | str) -> Iterator[Path]:
    if isinstance(source, Path):
        yield source
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "kernel.cc"
        path.write_text(source)
        yield path


@dataclass(frozen=True, slots=True)
class Linked:
    """An object file as a core links it: its source, the compiler's flags, and the functions that the core calls."""

    source: Path | str
    flags: tuple[str, ...]
    called: tuple[str, ...]


def linked_objects(found: CorePass, kernels: Iterable[BaseKernel], architecture: tuple[str, ...]) -> list[Linked]:
    """Return the object files that a core links.

    Args:
        found: what the core does.
        kernels: those of the whole design, among them the sources of the object files.
        architecture: flags of the compiler for the device.

    """
    sources = {kernel.object_file_name: kernel for kernel in kernels if isinstance(kernel, ExternalFunction)}
    called: defaultdict[str, list[str]] = defaultdict(list)
    for kernel in found.call_sites:
        called[object_file(kernel)].append(kernel._name)
    return [
        Linked(source_of(sources[name]), compile_flags(sources[name], architecture), tuple(sorted(names)))
        for name, names in sorted(called.items())
        if name in sources
    ]


def program_bytes(found: CorePass, objects: Iterable[Linked]) -> int:
    """Return the stand-in for a core's program: its objects, and each place that calls or synchronises."""
    code = sum(size for linked in objects for kind, size in _symbols(linked) if kind in "tTwW")
    return START_BYTES + code + SITE_BYTES * (found.sites + found.call_sites.total())


def table_bytes(objects: Iterable[Linked]) -> int:
    """Return the bytes of named constants and variables of a core's objects: they lie in its data memory."""
    return sum(size for linked in objects for kind, size in _symbols(linked) if kind in "rRdDbBvVu")


@lru_cache(maxsize=256)
def _symbols(linked: Linked) -> tuple[tuple[str, int], ...]:
    """Return kind and size of each symbol that a link keeps, less what only this machine's build has.

    The real link drops sections that nothing refers to (mlir-aie `tools/aiecc/aiecc.cpp`, -Wl,--gc-sections), but a
    source compiled without -ffunction-sections is one section.
    """
    flags = linked.flags
    if "-ffunction-sections" in flags:
        roots = (f"-Wl,--undefined={name}" for name in linked.called)
        flags = (*flags, "-fvisibility=hidden", "-Wl,--gc-sections", *roots)
    with _file(linked.source) as path:
        library = build(path, flags)
    listing = subprocess.run(["nm", "-S", "--defined-only", str(library)], check=True, capture_output=True, text=True)
    rows = [line.split() for line in listing.stdout.splitlines()]
    return tuple((row[2], int(row[1], 16)) for row in rows if len(row) == 4 and _is_of_kernel(row[3]))


def _is_of_kernel(symbol: str) -> bool:
    """Say whether a symbol is the kernel's: not a check of the shim, which is cold, nor of the C library's start."""
    if "." in symbol or symbol.startswith("_ZN3aie6detail"):
        return False
    return symbol.startswith("_Z") or symbol[0] != "_"

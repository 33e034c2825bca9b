"""Kernels of the AIE cores as shared objects for this machine, compiled by g++ against our shim of aie_api.

The shim (`include/aie_api/aie.hpp`) stands where the real aie_api stands when Peano compiles the same files for a core.
What is built is kept in the user's cache by the hash of everything that it depends on.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

INCLUDE: Final = Path(__file__).resolve().parent / "include"
KERNELS: Final = Path(__file__).resolve().parents[1] / "aie2"
ARCHITECTURE_FLAGS: Final = {"npu1": ("-D__AIEARCH__=20",), "npu2": ("-D__AIEARCH__=21",)}  # Peano sets it by target
_COMPILER: Final = "g++"
_LANGUAGE: Final = ("-std=c++20", "-O2", "-fPIC", "-fno-gnu-unique", "-fno-fast-math", "-ffp-contract=off")
_WIDE: Final = ("-march=x86-64-v3",)  # AVX2 makes this quicker and changes no result: products stay uncontracted
_WARNINGS: Final = ("-Wall", "-Wextra", "-Werror", "-Wno-unknown-pragmas")  # pragmas of the core's compiler stay
# The least that makes reports name lines: what debuggers want takes two fifths of the time to compile.
_SANITIZE: Final = ("-g1", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
_HEADERS: Final = frozenset({".h", ".hpp"})
_NODE: Final = re.compile(r'^node: \{ title: "([^"]*)" label: "([^"]*)"', re.MULTILINE)
_EDGE: Final = re.compile(r'^edge: \{ sourcename: "([^"]*)" targetname: "([^"]*)"', re.MULTILINE)
_BYTES: Final = re.compile(r"\\n(\d+) bytes \(([\w,]+)")  # "dynamic,bounded" is a frame that is aligned, its most told


class BuildError(RuntimeError):
    """A kernel that could not be built, with all that the compiler said."""


def build(source: Path, flags: Sequence[str] = (), *, sanitize: bool = False) -> Path:
    """Return the shared object of a kernel source, built unless the cache has it.

    Args:
        source: a C++ file; it may include `aie_api/aie.hpp`, the headers of `kernels/aie2` and those beside it.
        flags: further flags of the compiler, such as `-DDIM_M=32`.
        sanitize: with the address and undefined-behaviour sanitizers, which end the process at the first finding. A
            plain Python cannot load such an object: start it with LD_PRELOAD set to `sanitizer_runtime()`.

    Raises:
        BuildError: no compiler, no such source, or the compiler refused it.

    """
    source = source.resolve()
    if not source.is_file():
        raise BuildError(f"{source} is not a file; a kernel source was expected")
    every = (*_LANGUAGE, *_instructions(), *_WARNINGS, *(_SANITIZE if sanitize else ()), *flags)
    target = _cache() / f"{source.stem}-{_key(source, every)}.so"
    if target.is_file():
        return target
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        made = Path(folder) / target.name
        _compile(source, every, "-shared", "-o", str(made))
        made.replace(target)
    return target


def load(source: Path, flags: Sequence[str] = (), *, sanitize: bool = False) -> ctypes.CDLL:
    """Return the library of `build`, loaded."""
    return ctypes.CDLL(str(build(source, flags, sanitize=sanitize)))


def stack_usage(source: Path, flags: Sequence[str] = ()) -> dict[str, int]:
    """Return the bytes of stack that each entry point of a kernel takes with all that it calls in its source.

    g++ lays them out for this machine, so the figure stands in for that of the core: it includes what this CPU must
    spill of vectors that a core holds in its registers.

    Raises:
        BuildError: as `build`, or a function takes an amount that is not known before it runs, or calls itself.

    """
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / f"{source.stem}.o"
        usage = ("-fstack-usage", "-fcallgraph-info=su")
        _compile(source.resolve(), (*_LANGUAGE, *_instructions(), *_WARNINGS, *usage, *flags), "-c", "-o", str(made))
        return _deepest(made.with_suffix(".ci").read_text(), source)


def sanitizer_runtime() -> Path:
    """Return the library that LD_PRELOAD must name where a sanitized object is loaded into a program without one.

    Raises:
        BuildError: the compiler has none.

    """
    command = [_compiler(), "-print-file-name=libasan.so"]
    path = Path(subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip())
    if not path.is_absolute():
        raise BuildError(f"{_COMPILER} has no address sanitizer; install libasan of its version")
    return path.resolve()


def _compile(source: Path, flags: Sequence[str], *output: str) -> None:
    includes = [f"-I{path}" for path in (INCLUDE, KERNELS)]
    command = [_compiler(), *flags, *includes, str(source), *output]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BuildError(f"{' '.join(command)} failed with {done.returncode}:\n{done.stderr}{done.stdout}")


def _compiler() -> str:
    path = shutil.which(_COMPILER)
    if path is None:
        raise BuildError(f"{_COMPILER} is not installed, and it builds the kernels; on Debian: apt-get install g++")
    return path


@functools.cache
def _version(compiler: str) -> str:
    return subprocess.run([compiler, "--version"], check=True, capture_output=True, text=True).stdout


@functools.cache
def _instructions() -> tuple[str, ...]:
    """Flags for what this CPU can do beyond the least that its architecture asks for."""
    try:
        words = set(Path("/proc/cpuinfo").read_text().split())
    except OSError:
        return ()
    return _WIDE if {"avx2", "bmi2", "f16c", "fma", "movbe"} <= words else ()


def _cache() -> Path:
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = base / "amanuensis" / "kernels"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BuildError(f"no place for built kernels: {folder}: {error.strerror}; set XDG_CACHE_HOME") from error
    return folder


def _key(source: Path, flags: Sequence[str]) -> str:
    digest = hashlib.sha256()
    for part in (_version(_compiler()), *flags):
        digest.update(part.encode() + b"\0")
    for path in (source, *_headers(source)):
        data = path.read_bytes()
        digest.update(f"{path.name}\0{len(data)}\0".encode() + data)
    return digest.hexdigest()[:24]


def _headers(source: Path) -> Iterator[Path]:
    """Every header that the source could include, in a fixed order."""
    for folder in dict.fromkeys((INCLUDE, KERNELS, source.parent)):
        if folder == source.parent and folder != KERNELS:
            yield from sorted(path for path in folder.glob("*") if path.suffix in _HEADERS)
        else:
            yield from sorted(path for path in folder.rglob("*") if path.suffix in _HEADERS)


def _deepest(graph: str, source: Path) -> dict[str, int]:
    """Return the depth of each function that no other file names by a C++ name, from g++'s graph of calls."""
    own: dict[str, int] = {}
    for title, label in _NODE.findall(graph):
        found = _BYTES.search(label)
        if found is None:  # a function of another file: the checks of the shim, which no core has
            continue
        if found[2] == "dynamic":
            raise BuildError(f"{title} of {source.name} takes an amount of stack that is known only when it runs")
        own[title] = int(found[1])
    calls: dict[str, set[str]] = {title: set() for title in own}
    for caller, callee in _EDGE.findall(graph):
        if caller in own and callee in own:
            calls[caller].add(callee)

    def depth(title: str, above: tuple[str, ...]) -> int:
        if title in above:
            raise BuildError(f"{title} of {source.name} calls itself; a core's stack has no room for that")
        return own[title] + max((depth(callee, (*above, title)) for callee in calls[title]), default=0)

    return {title: depth(title, ()) for title in own if ":" not in title and not title.startswith(("_Z", "shim_"))}

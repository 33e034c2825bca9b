"""The C++ kernels of a design as object files for the cores, compiled by Peano.

Flags after mlir-aie `python/utils/compile/utils.py`, `compile_cxx_core_function`, andrej/mlir-aie at 3ca0193.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from amanuensis.kernels.compile.cache import Cache, digest, sources_digest
from amanuensis.kernels.compile.errors import CompileError
from amanuensis.kernels.compile.toolchain import Toolchain, run_tool
from amanuensis.kernels.program import Architecture
from amanuensis.kernels.sim.functions import object_file
from amanuensis.kernels.sim.kernel import BaseKernel, ExternalFunction

TARGETS: Final[dict[Architecture, str]] = {"npu1": "aie2-none-unknown-elf", "npu2": "aie2p-none-unknown-elf"}
FLAGS: Final = (
    "-c",
    "-std=c++20",
    "-Wno-parentheses",
    "-Wno-attributes",
    "-Wno-macro-redefined",
    "-Wno-empty-body",
    "-O2",
    "-DNDEBUG",
    "-D__AIE_API_AIE_ADF_HPP__",  # keeps aie_api from asking for a header that only Vitis has
)
_HEADERS: Final = (".h", ".hpp")


@dataclass(frozen=True, slots=True)
class KernelObject:
    """An object file that cores link.

    Attributes:
        name: of the file, as the design says it.
        source: the C++ file.
        flags: of this kernel, folders of headers among them.
        folders: of headers.

    """

    name: str
    source: Path
    flags: tuple[str, ...]
    folders: tuple[Path, ...]

    def command(self, toolchain: Toolchain, architecture: Architecture, target: Path) -> list[str]:
        """Return the command that compiles it."""
        folders = [f"-I{folder}" for folder in (toolchain.include, *self.folders)]
        made = [*FLAGS, f"--target={TARGETS[architecture]}", *folders, *self.flags]
        return [str(toolchain.clang), str(self.source), *made, "-o", str(target)]

    def key(self, toolchain: Toolchain, architecture: Architecture) -> str:
        """Return the hash of all that the object file depends on."""
        headers = (path for folder in self.folders for path in sorted(folder.glob("*")) if path.suffix in _HEADERS)
        tools = (toolchain.versions["peano"], toolchain.versions["mlir-aie"])  # aie_api comes with mlir-aie
        return digest(*tools, TARGETS[architecture], *FLAGS, *self.flags, sources_digest([self.source, *headers]))


def kernel_objects(kernels: Iterable[BaseKernel]) -> list[KernelObject]:
    """Return the object files of a design's kernels.

    Raises:
        CompileError: a kernel comes from an object file that no source of the design is compiled to.

    """
    every = list(kernels)
    found = {one.object_file_name: _object(one) for one in every if isinstance(one, ExternalFunction)}
    for kernel in every:
        if object_file(kernel) not in found:
            raise CompileError(f"kernel {kernel._name} comes from {object_file(kernel)!r}, which has no source")
    return [found[name] for name in sorted(found)]


def compile_object(made: KernelObject, toolchain: Toolchain, architecture: Architecture, cache: Cache) -> Path:
    """Return the object file, compiled unless the cache has it; CompileError with all that the compiler said."""
    what = f"compiling {made.source.name} to {made.name}"
    key = made.key(toolchain, architecture)
    return cache.file(key, ".o", lambda target: run_tool(made.command(toolchain, architecture, target), what))


def _object(kernel: ExternalFunction) -> KernelObject:
    if kernel._source_file is None:
        raise CompileError(f"kernel {kernel._name} has its source in the design; put it into a file")
    folders = tuple(Path(folder) for folder in kernel._include_dirs)
    return KernelObject(kernel.object_file_name, Path(kernel._source_file), tuple(kernel._compile_flags), folders)

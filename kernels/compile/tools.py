"""Files of launches by mlir-aie and Peano: an xclbin for each configuration, instructions at each setting."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from amanuensis.kernels.compile.build import Made
from amanuensis.kernels.compile.cache import Cache, digest
from amanuensis.kernels.compile.emit import emit, graph_of
from amanuensis.kernels.compile.errors import CompileError
from amanuensis.kernels.compile.manifest import Target
from amanuensis.kernels.compile.objects import KernelObject, compile_object, kernel_objects
from amanuensis.kernels.compile.patches import Words
from amanuensis.kernels.compile.toolchain import Toolchain, run_tool
from amanuensis.kernels.program import Architecture
from amanuensis.kernels.sim.check import check
from amanuensis.kernels.sim.errors import DesignError


@dataclass(frozen=True, slots=True)
class CompilingMaker:
    """The tools; see `build.Maker`.

    Attributes:
        architecture: of the device.
        toolchain: the tools.
        cache: of compiled files.
        modules: of the configurations, by name.
        buffer_bytes: sizes of the five buffers.

    """

    architecture: Architecture
    toolchain: Toolchain
    cache: Cache
    modules: Mapping[str, str]
    buffer_bytes: tuple[int, ...]

    @property
    def target(self) -> Target:
        return "npu"

    @property
    def tools(self) -> dict[str, str]:
        return self.toolchain.versions

    def make(self, made: Sequence[Made], next_step: Callable[[str], object]) -> tuple[bytes, list[list[Words]]]:
        """Compile a configuration.

        Raises:
            CompileError: a design is over a limit of the device, or a tool failed.

        """
        templates, name = [each.template for each in made], made[0].template.configuration
        next_step(f"{name}: kernels")
        objects = [(one, self._compiled(one)) for one in self._checked_objects(made)]
        with tempfile.TemporaryDirectory(prefix="amanuensis-") as temporary:
            folder = Path(temporary)
            for one, path in objects:
                shutil.copy2(path, folder / one.name)  # where aiecc looks for what a design links: beside the MLIR
            files = emit(templates, self.modules[name], self.architecture, self.buffer_bytes, folder)
            next_step(f"{name}: array")
            linked = [f"{one.name} {path.stem}" for one, path in objects]
            first = files[0][0]
            key = self._key(graph_of(first), *linked)
            array = self.cache.file(key, ".xclbin", lambda to: self._aiecc(first, name, "xclbin", to)).read_bytes()
            streams = []
            with ThreadPoolExecutor(os.cpu_count()) as pool:
                for template, mine in zip(templates, files, strict=True):
                    next_step(f"{name}: {template}")
                    streams.append(list(pool.map(lambda file: self._words(file, name, linked), mine)))
        return array, streams

    def _words(self, mlir: Path, name: str, linked: Sequence[str]) -> Words:
        key = self._key(mlir.read_text(encoding="utf-8"), *linked)
        data = self.cache.file(key, ".insts", lambda to: self._aiecc(mlir, name, "npu-insts", to)).read_bytes()
        if len(data) % 4:
            raise CompileError(f"{name}: aiecc wrote instructions of {len(data)} bytes, no multiple of 4")
        return np.frombuffer(data, "<u4").astype(np.uint32)

    def _checked_objects(self, made: Sequence[Made]) -> list[KernelObject]:
        """Return the object files of a configuration all of whose launches pass the simulator's check of limits."""
        for each in made:
            try:
                design = each.launch.program.resolve_program()
                check(design)
            except DesignError as error:
                name = each.template.configuration
                raise CompileError(f"{name} does not fit {self.architecture}: {each.template}", str(error)) from error
        return kernel_objects(design.kernels)  # the same of all: they are one graph

    def _compiled(self, made: KernelObject) -> Path:
        return compile_object(made, self.toolchain, self.architecture, self.cache)

    def _key(self, text: str, *linked: str) -> str:
        tools = (self.toolchain.versions[name] for name in sorted(self.toolchain.versions))
        return digest(self.architecture, *tools, *linked, text)

    def _aiecc(self, mlir: Path, name: str, output: str, target: Path) -> None:
        """Make one output of a design: `xclbin` or `npu-insts`; options after mlir-aie `tools/aiecc/README.md`."""
        work = mlir.with_suffix(".work")  # one for each file: several are compiled at once
        command = [
            str(self.toolchain.aiecc),
            f"--peano={self.toolchain.peano}",
            "--no-progress",
            f"--tmpdir={work}",
            f"--get-{output}",
            f"--{output}-name={target}",
            str(mlir),
        ]
        run_tool(command, f"compiling {name} for {self.architecture}", folder=mlir.parent)

"""Compiling all that a model dispatches: kernels to objects, designs to an xclbin each, launches to instructions."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from amanuensis.kernels.compile.cache import Cache, digest
from amanuensis.kernels.compile.emit import emit, graph_of
from amanuensis.kernels.compile.errors import CompileError
from amanuensis.kernels.compile.manifest import MANIFEST, BuiltLaunch, Manifest, Stored, launch_name
from amanuensis.kernels.compile.objects import KernelObject, compile_object, kernel_objects
from amanuensis.kernels.compile.toolchain import Toolchain, run_tool
from amanuensis.kernels.compile.work import Designs, Item, Places, Work, items, launched, load_designs
from amanuensis.kernels.designs.launch import Launch, LaunchError
from amanuensis.kernels.program import Architecture
from amanuensis.kernels.sim.check import check
from amanuensis.kernels.sim.device import NPU1, NPU2
from amanuensis.kernels.sim.errors import DesignError

Progress: TypeAlias = Callable[[str, int, int], object]  # what is done next, steps done, steps in all
_DEVICES: Final = {"npu1": NPU1, "npu2": NPU2}
_KEY_CHARACTERS: Final = 16  # of a hash in a file's name


@dataclass(frozen=True, slots=True)
class Order:
    """What is compiled, with what, and where to.

    Attributes:
        work: the dispatches.
        architecture: of the device.
        toolchain: the tools.
        folder: of the programs of this architecture; what is there and no longer named is removed at the end.
        cache: of compiled files.
        modules: of the configurations, by name.

    """

    work: Work
    architecture: Architecture
    toolchain: Toolchain
    folder: Path
    cache: Cache
    modules: Mapping[str, str]


def build(order: Order, progress: Progress = lambda *_: None) -> Manifest:
    """Compile everything and return what was compiled.

    The manifest is written last and replaces the one before at once, so a reader sees the old programs or the new.

    Raises:
        CompileError: this version has no designs, a design is over a limit of the device, or a tool failed.
        OSError: the folder cannot be written.

    """
    designs = load_designs(order.modules)
    if not designs:
        raise CompileError(f"this version has no designs: none of {', '.join(order.modules)} is there to be compiled")
    wanted, lacking = items(order.work, designs)
    made, refused = _launched(order, designs, wanted)
    steps = _Steps(progress, len(made) + 2 * len({item.configuration for item, _ in made}))
    configurations: dict[str, Path] = {}
    launches: dict[str, tuple[str, Path]] = {}
    for name in designs:
        mine = [(item, launch) for item, launch in made if item.configuration == name]
        if mine:
            configurations[name], files = _configuration(order, mine, steps)
            for (item, launch), path in zip(mine, files, strict=True):
                launches[launch_name(name, item.key)] = (launch.what, path)
    return _store(order, configurations, launches, [*lacking, *refused])


def _launched(
    order: Order, designs: Mapping[str, Designs], wanted: Sequence[Item]
) -> tuple[list[tuple[Item, Launch]], list[str]]:
    """Return the launches as the simulator records them, and in words the operators that their designs refuse."""
    places, device = Places(order.work.buffer_bytes), _DEVICES[order.architecture]()
    made: list[tuple[Item, Launch]] = []
    refused: dict[str, None] = {}
    waiting = list(reversed(wanted))
    while waiting:
        item = waiting.pop()
        try:
            memory = places.memory(item.parameters)
            made.append((item, launched(designs[item.configuration], item.operators, memory, device)))
        except LaunchError as error:
            if len(item.operators) > 1:
                waiting += reversed(item.apart())  # so that those that are not refused are there
            else:
                refused[f"{item} on {item.configuration} ({error})"] = None
    return list({(item.configuration, item.key): (item, launch) for item, launch in made}.values()), list(refused)


class _Steps:
    """Counts what is done."""

    def __init__(self, progress: Progress, total: int) -> None:
        self._progress, self._total, self._done = progress, total, 0

    def next(self, what: str) -> None:
        self._progress(what, self._done, self._total)
        self._done += 1


def _configuration(order: Order, made: Sequence[tuple[Item, Launch]], steps: _Steps) -> tuple[Path, list[Path]]:
    """Return the xclbin of a configuration, and the instructions of its launches in the same order."""
    wanted, name = [item for item, _ in made], made[0][0].configuration
    steps.next(f"{name}: kernels")
    objects = [(one, _compiled(order, one)) for one in _checked_objects(order, name, made[0][1])]
    with tempfile.TemporaryDirectory(prefix="amanuensis-") as temporary:
        folder = Path(temporary)
        for one, path in objects:
            shutil.copy2(path, folder / one.name)  # where aiecc looks for what a design links: beside the MLIR
        files = emit(wanted, order.modules[name], order.architecture, order.work.buffer_bytes, folder)
        steps.next(f"{name}: array")
        linked = [f"{one.name} {path.stem}" for one, path in objects]
        key = _key(order, graph_of(files[0]), *linked)
        xclbin = order.cache.file(key, ".xclbin", lambda to: _aiecc(order, files[0], name, "xclbin", to))
        launches = []
        for item, file in zip(wanted, files, strict=True):
            steps.next(f"{name}: {item}")
            key = _key(order, file.read_text(encoding="utf-8"), *linked)
            launches.append(order.cache.file(key, ".insts", _instructions(order, file, name)))
    return xclbin, launches


def _instructions(order: Order, file: Path, name: str) -> Callable[[Path], object]:
    return lambda target: _aiecc(order, file, name, "npu-insts", target)


def _checked_objects(order: Order, name: str, launch: Launch) -> list[KernelObject]:
    """Return the object files of a configuration that the simulator's check of the device's limits passes."""
    try:
        design = launch.program.resolve_program()
        check(design)
    except DesignError as error:
        raise CompileError(f"{name} does not fit {order.architecture}", str(error)) from error
    return kernel_objects(design.kernels)


def _compiled(order: Order, made: KernelObject) -> Path:
    return compile_object(made, order.toolchain, order.architecture, order.cache)


def _key(order: Order, text: str, *linked: str) -> str:
    tools = (order.toolchain.versions[name] for name in sorted(order.toolchain.versions))
    return digest(order.architecture, *tools, *linked, text)


def _aiecc(order: Order, mlir: Path, name: str, output: str, target: Path) -> None:
    """Make one output of a design: `xclbin` or `npu-insts`; options after mlir-aie `tools/aiecc/README.md`."""
    work = mlir.parent / "work"
    command = [
        str(order.toolchain.aiecc),
        f"--peano={order.toolchain.peano}",
        "--no-progress",
        f"--tmpdir={work}",
        f"--get-{output}",
        f"--{output}-name={target}",
        str(mlir),
    ]
    run_tool(command, f"compiling {name} for {order.architecture}", folder=mlir.parent)


def _store(
    order: Order,
    configurations: Mapping[str, Path],
    launches: Mapping[str, tuple[str, Path]],
    lacking: Sequence[str],
) -> Manifest:
    """Put the files into the folder, then the manifest in the place of the old one; remove what it does not name."""
    order.folder.mkdir(parents=True, exist_ok=True)
    stored = {path: _put(path, order.folder) for path in (*configurations.values(), *(p for _, p in launches.values()))}
    manifest = Manifest(
        architecture=order.architecture,
        model=order.work.model,
        tools=order.toolchain.versions,
        configurations={name: stored[path] for name, path in configurations.items()},
        launches={
            name: BuiltLaunch(name.partition("/")[0], what, stored[path]) for name, (what, path) in launches.items()
        },
        lacking=tuple(lacking),
    )
    _write(order.folder / MANIFEST, manifest.to_json().encode())
    kept = {MANIFEST, *(one.file for one in manifest.files())}
    for path in order.folder.iterdir():
        if path.name not in kept and path.suffix in (".xclbin", ".insts"):
            path.unlink()
    return manifest


def _put(path: Path, folder: Path) -> Stored:
    """Copy a compiled file into a folder, under a name that says what is in it."""
    target = folder / f"{path.stem[:_KEY_CHARACTERS]}{path.suffix}"
    _write(target, path.read_bytes())
    return Stored.of(target)


def _write(target: Path, data: bytes) -> None:
    """Write a file whole or not at all."""
    part = target.with_name(f".{target.name}.part")
    with part.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    part.replace(target)

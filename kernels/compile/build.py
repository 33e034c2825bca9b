"""Compiling all that a model dispatches: launches are laid out, made by the tools or their stand-in, and stored."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol, TypeAlias

from amanuensis.kernels.compile.cache import digest
from amanuensis.kernels.compile.errors import CompileError
from amanuensis.kernels.compile.lowering import Segment
from amanuensis.kernels.compile.manifest import MANIFEST, BuiltLaunch, Manifest, Stored, Target
from amanuensis.kernels.compile.patches import Patches, Words, derived, settings_of
from amanuensis.kernels.compile.template import Template
from amanuensis.kernels.compile.work import Designs, Places, Work, covers_of, launched, load_designs, wanted
from amanuensis.kernels.designs.launch import Launch, LaunchError
from amanuensis.kernels.program import Architecture
from amanuensis.kernels.sim.device import NPU1, NPU2

Progress: TypeAlias = Callable[[str, int, int], object]  # what is done next, steps done, steps in all
DEVICES: Final = {"npu1": NPU1, "npu2": NPU2}
_KEY_CHARACTERS: Final = 16  # of a hash in a file's name


@dataclass(frozen=True, slots=True)
class Made:
    """A launch that a design does not refuse: its template, and how the design lays it out at the first settings."""

    template: Template
    launch: Launch


class Maker(Protocol):
    """What makes files of launches: the tools, or a stand-in."""

    @property
    def target(self) -> Target:
        """For what the files are."""

    @property
    def tools(self) -> dict[str, str]:
        """Version of each tool."""

    def make(self, made: Sequence[Made], next_step: Callable[[str], object]) -> tuple[bytes, list[list[Words]]]:
        """Return the array of one configuration, and the instructions of each launch at each of its settings.

        Args:
            made: launches of one configuration, one at least.
            next_step: is told what is done next: once for the kernels, once for the array, once for each launch.

        """


@dataclass(frozen=True, slots=True)
class Order:
    """What is compiled, by what, and where to.

    Attributes:
        work: the dispatches.
        architecture: of the device.
        maker: of files.
        folder: of the programs of this architecture; what is there and no longer named is removed at the end.
        modules: of the configurations, by name.

    """

    work: Work
    architecture: Architecture
    maker: Maker
    folder: Path
    modules: Mapping[str, str]


def build(order: Order, progress: Progress = lambda *_: None) -> Manifest:
    """Compile everything and return what was compiled.

    The manifest is written last and replaces the one before at once, so a reader sees the old programs or the new.

    Raises:
        CompileError: this version has no designs, a design is over a limit of the device, a tool failed, or a word of
            instructions depends on a run-time value in another way than an affine one.
        OSError: the folder cannot be written.

    """
    designs = load_designs(order.modules)
    if not designs:
        raise CompileError(f"this version has no designs: none of {', '.join(order.modules)} is there to be compiled")
    parts, lacking = wanted(order.work, covers_of(designs))
    made, refused = laid_out(order.work, order.architecture, designs, parts)
    steps = _Steps(progress, len(made) + 2 * len({each.template.configuration for each in made}))
    arrays: dict[str, bytes] = {}
    found: list[tuple[Made, Words, Patches]] = []
    for name in designs:
        mine = [each for each in made if each.template.configuration == name]
        if mine:
            arrays[name], streams = order.maker.make(mine, steps.next)
            found += [(each, *derived(each.template, words)) for each, words in zip(mine, streams, strict=True)]
    order.folder.mkdir(parents=True, exist_ok=True)  # only now: nothing of a build that fails is left
    configurations = {name: _put(array, ".xclbin", order.folder) for name, array in arrays.items()}
    launches = {each.template.name: _built(each, words, patches, order.folder) for each, words, patches in found}
    manifest = Manifest(
        architecture=order.architecture,
        target=order.maker.target,
        model=order.work.model,
        tools=order.maker.tools,
        configurations=configurations,
        launches=launches,
        lacking=(*lacking, *refused),
    )
    _store(manifest, order.folder)
    return manifest


def laid_out(
    work: Work, architecture: Architecture, designs: Mapping[str, Designs], parts: Sequence[Segment]
) -> tuple[list[Made], list[str]]:
    """Return every launch of segments, each once, and in words the operators that their designs refuse."""
    places, device = Places(work.buffer_bytes), DEVICES[architecture]()
    made: dict[str, Made] = {}
    refused: dict[str, None] = {}
    waiting = list(reversed(parts))
    while waiting:
        segment = waiting.pop()
        for rooms in segment.variants(work.rooms):
            reasons = []
            for bound in segment.bound(rooms):
                template = bound.template
                if template.name in made:
                    break
                try:
                    operators, memory = places.operands(template, settings_of(template)[0])
                    launch = launched(designs[template.configuration], operators, memory, device)
                except LaunchError as error:
                    reasons.append(f"{template} on {template.configuration} ({error})")
                    continue
                made[template.name] = Made(template, launch)
                break
            else:
                if len(segment.operators) > 1:
                    waiting += reversed(segment.apart())  # so that those that are not refused are there
                    break
                refused |= dict.fromkeys(reasons)
    return list(made.values()), list(refused)


class _Steps:
    """Counts what is done."""

    def __init__(self, progress: Progress, total: int) -> None:
        self._progress, self._total, self._done = progress, total, 0

    def next(self, what: str) -> None:
        self._progress(what, self._done, self._total)
        self._done += 1


def _built(made: Made, constants: Words, patches: Patches, folder: Path) -> BuiltLaunch:
    """Store a launch."""
    return BuiltLaunch(
        made.template.configuration,
        made.launch.what,
        _put(constants.astype("<u4").tobytes(), ".insts", folder),
        _put(patches.to_bytes(), ".patch", folder),
        made.template.variables,
    )


def _store(manifest: Manifest, folder: Path) -> None:
    """Put the manifest in the place of the old one; remove what it does not name."""
    _write(folder / MANIFEST, manifest.to_json().encode())
    kept = {MANIFEST, *(one.file for one in manifest.files())}
    for path in folder.iterdir():
        if path.name not in kept and path.suffix in (".xclbin", ".insts", ".patch"):
            path.unlink()


def _put(data: bytes, suffix: str, folder: Path) -> Stored:
    """Write a file into a folder, under a name that says what is in it."""
    target = folder / f"{digest(data)[:_KEY_CHARACTERS]}{suffix}"
    _write(target, data)
    return Stored.of(target)


def _write(target: Path, data: bytes) -> None:
    """Write a file whole or not at all."""
    part = target.with_name(f".{target.name}.part")
    with part.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    part.replace(target)

"""A folder of compiled launches as the engine uses it: arrays by configuration, launches by template."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from amanuensis.kernels.compile.manifest import Manifest
from amanuensis.kernels.compile.patches import Patches, Words, chained
from amanuensis.kernels.compile.template import Template, Variable
from amanuensis.kernels.compile.work import DESIGNS
from amanuensis.npu.devices.xrt.errors import ProgramError


@dataclass(frozen=True, slots=True)
class Launch:
    """A compiled launch: words without what varies, and the patches that put it in."""

    words: Words
    patches: Patches


@dataclass(frozen=True, slots=True)
class Package:
    """Compiled programs that were checked: every file is there as it was compiled.

    Attributes:
        folder: of the files.
        manifest: what they are.

    """

    folder: Path
    manifest: Manifest
    _read: dict[str, Launch] = field(default_factory=dict, repr=False, compare=False)

    def array(self, configuration: str) -> Path:
        """Return the xclbin of a configuration; ProgramError where there is none."""
        stored = self.manifest.configurations.get(configuration)
        if stored is None:
            held = ", ".join(self.manifest.configurations) or "none"
            hint = self.again if configuration in DESIGNS else "operators one by one need a device without a package"
            raise ProgramError(f"{self.folder} has no configuration {configuration} (it has {held}); {hint}")
        return self.folder / stored.file

    def has(self, template: Template) -> bool:
        """Say whether a launch was compiled; ProgramError where it was, but for other variables."""
        built = self.manifest.launches.get(template.name)
        if built is not None and built.variables != template.variables:
            raise ProgramError(
                f"{self.folder}: the launch of {template} was made for {_told(built.variables)}; this version gives it "
                f"{_told(template.variables)}; {self.again}"
            )
        return built is not None

    def launch(self, template: Template) -> Launch:
        """Return the launch of a template that it has; ProgramError where it is damaged."""
        if template.name not in self._read:
            self._read[template.name] = self._launch(template)
        return self._read[template.name]

    def _launch(self, template: Template) -> Launch:
        built = self.manifest.launches[template.name]
        path = self.folder / built.instructions.file
        try:
            words = chained([np.frombuffer(path.read_bytes(), "<u4").astype(np.uint32)])
            patches = (self.folder / built.patches.file).read_bytes()
            return Launch(words, Patches.from_bytes(patches, words.size, len(built.variables)))
        except (OSError, ValueError) as error:
            raise ProgramError(f"{path}: {error}; {self.again}") from error

    @property
    def again(self) -> str:
        """What to do where something is missing."""
        flags = f"--device {self.manifest.architecture} --target {self.manifest.target}"
        return f"build it again for this model: `amanuensis kernels build {flags}`"


def _told(variables: Sequence[Variable]) -> str:
    return ", ".join(f"{each} from {each.least} to {each.most}" for each in variables) or "nothing that varies"

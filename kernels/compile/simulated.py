"""Files of launches for the emulated NPU: containers that name a configuration, and words of the simulator.

No compiler makes them and no NPU can load them; every file says so, and so does the manifest.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from amanuensis.kernels.compile.build import DEVICES, Made
from amanuensis.kernels.compile.errors import CompileError
from amanuensis.kernels.compile.manifest import Target
from amanuensis.kernels.compile.patches import Words, settings_of
from amanuensis.kernels.compile.template import Template
from amanuensis.kernels.compile.work import Places, launched, load_designs
from amanuensis.kernels.designs.launch import LaunchError
from amanuensis.kernels.program import KERNEL_NAME, Architecture, Program
from amanuensis.kernels.sim.stream import Graph, assembled

_NAMESPACE: Final = uuid.UUID("0f6f7f55-2f0e-5c0b-8a55-1f1de0a3b8d1")  # of the names of simulated configurations


@dataclass(frozen=True)
class SimulatedMaker:
    """The simulator's words in the place of the tools; see `build.Maker`.

    Attributes:
        architecture: of the device.
        modules: of the configurations, by name.
        buffer_bytes: sizes of the five buffers.

    """

    architecture: Architecture
    modules: Mapping[str, str]
    buffer_bytes: tuple[int, ...]
    _places: Places = field(init=False)
    _designs: Mapping[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_places", Places(self.buffer_bytes))
        object.__setattr__(self, "_designs", load_designs(self.modules))

    @property
    def target(self) -> Target:
        return "sim"

    @property
    def tools(self) -> dict[str, str]:
        return {"simulator": "simulated: no compiler made these programs, and no NPU can load them"}

    def make(self, made: Sequence[Made], next_step: Callable[[str], object]) -> tuple[bytes, list[list[Words]]]:
        """Record the launches of a configuration; CompileError where two of them have different graphs."""
        name = made[0].template.configuration
        next_step(f"{name}: kernels")
        first = Graph.of(made[0].launch.program).signature
        next_step(f"{name}: array")
        streams = []
        for each in made:
            next_step(f"{name}: {each.template}")
            if Graph.of(each.launch.program).signature != first:
                raise CompileError(f"{name}: the launch of {each.template} has another graph than {made[0].template}")
            streams.append([self._words(each.template, setting) for setting in settings_of(each.template)])
        return self._array(name), streams

    def _words(self, template: Template, setting: tuple[int, ...]) -> Words:
        operators, memory = self._places.operands(template, setting)
        device = DEVICES[self.architecture]()
        try:
            launch = launched(self._designs[template.configuration], operators, memory, device)
        except LaunchError as error:
            raise CompileError(f"{template} on {template.configuration}, at {setting}: {error}") from error
        return assembled(launch.program)

    def _array(self, name: str) -> bytes:
        covers = sorted(kind.__name__ for kind in self._designs[name].COVERS)
        identity = str(uuid.uuid5(_NAMESPACE, f"{self.architecture} {name} {' '.join(covers)}"))
        return Program(self.architecture, KERNEL_NAME, identity, tuple(covers), configuration=name).to_bytes()

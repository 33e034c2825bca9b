"""What the engine's operators become on the array: an instruction stream of an array configuration.

The five buffers of a dispatch (`amanuensis.kernels.operands.Buffer`) are the five arguments of every sequence, as words
of 32 bits, so one configuration serves all places and sizes, each with instructions of its own. Sizes and places that
the host knows only at run time are put into the instructions then, as it does with those of the real device.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from amanuensis.kernels.designs._iron import Program
from amanuensis.kernels.sim.engine import Speed
from amanuensis.kernels.sim.run import simulate
from amanuensis.kernels.sim.trace import Trace

Configuration: TypeAlias = Literal["products", "attention", "decoder", "choice"]
WORD: np.dtype[np.int32] = np.dtype(np.int32)


class LaunchError(ValueError):
    """An operator that a configuration cannot compute; names the operator, the value and the limit."""


@dataclass(frozen=True, slots=True)
class Launch:
    """One instruction stream.

    Attributes:
        configuration: of the array.
        program: the design with the sequence of this launch, over five tensors of words.
        what: the operator and its sizes, for people.

    """

    configuration: Configuration
    program: Program
    what: str


def run_launch(launch: Launch, buffers: Sequence[NDArray[np.uint8]], speed: Speed = "object") -> Trace:
    """Execute a launch in the simulator on the bytes of device memory, in place.

    Args:
        launch: of any configuration.
        buffers: the five buffers, uint8, contiguous, multiples of 4 bytes.
        speed: of the simulator.

    """
    return simulate(launch.program, *(buffer.view(WORD) for buffer in buffers), speed=speed)

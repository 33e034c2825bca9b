"""What the engine answers when it is asked for the vector of a voice."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from amanuensis.npu.window import DeviceWork


@dataclass(frozen=True, slots=True, eq=False)
class VoiceVector:
    """The network's part of a speaker embedding.

    Attributes:
        vector: float32 [dim], not of unit length.
        device: that computed it.
        work: what that took, at least one dispatch.
        ms: the same in wall time.

    """

    vector: NDArray[np.float32]
    device: str
    work: DeviceWork
    ms: float

"""The one place from which designs import IRON.

`AMANUENSIS_IRON=aie` takes the real `aie.iron` of mlir-aie 1.4 or newer, for a build; otherwise the simulator's.
"""

# ruff: noqa: F401, F403
from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING or os.environ.get("AMANUENSIS_IRON") != "aie":
    from amanuensis.kernels.sim.iron import *
else:
    from aie.helpers.dialects.scf import else_, if_
    from aie.helpers.taplib import TensorAccessPattern, TensorAccessSequence, TensorTiler2D
    from aie.iron import (
        Buffer,
        ExternalFunction,
        Kernel,
        ObjectFifo,
        Program,
        Runtime,
        RuntimeData,
        Task,
        TaskGroup,
        Worker,
        WorkerRuntimeBarrier,
    )
    from aie.iron.controlflow import range_
    from aie.iron.dataflow import ObjectFifoHandle
    from aie.iron.device import (
        NPU1,
        NPU2,
        AnyComputeTile,
        AnyMemTile,
        AnyShimTile,
        Device,
        NPU1Col1,
        NPU1Col2,
        NPU1Col3,
        NPU2Col1,
        NPU2Col2,
        NPU2Col3,
        NPU2Col4,
        NPU2Col5,
        NPU2Col6,
        NPU2Col7,
        Tile,
        from_name,
    )

"""The names of `aie.iron` (1.4.x) that designs use, recorded here instead of compiled.

From mlir-aie `python/iron`, `python/iron/{device,controlflow}.py` and `python/helpers/taplib`; repository, commit,
names, parameters and defaults stand in tests/data/iron/surface.json, and a test holds this module to them.
"""

from amanuensis.kernels.sim.controlflow import else_, if_, range_
from amanuensis.kernels.sim.core import Buffer, Worker, WorkerRuntimeBarrier
from amanuensis.kernels.sim.device import (
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
from amanuensis.kernels.sim.fifo import ObjectFifo, ObjectFifoHandle
from amanuensis.kernels.sim.kernel import ExternalFunction, Kernel
from amanuensis.kernels.sim.program import Program
from amanuensis.kernels.sim.runtime import Runtime, RuntimeData, Task, TaskGroup
from amanuensis.kernels.sim.tap import TensorAccessPattern, TensorAccessSequence
from amanuensis.kernels.sim.tiler import TensorTiler2D

__all__ = [
    "NPU1",
    "NPU2",
    "AnyComputeTile",
    "AnyMemTile",
    "AnyShimTile",
    "Buffer",
    "Device",
    "ExternalFunction",
    "Kernel",
    "NPU1Col1",
    "NPU1Col2",
    "NPU1Col3",
    "NPU2Col1",
    "NPU2Col2",
    "NPU2Col3",
    "NPU2Col4",
    "NPU2Col5",
    "NPU2Col6",
    "NPU2Col7",
    "ObjectFifo",
    "ObjectFifoHandle",
    "Program",
    "Runtime",
    "RuntimeData",
    "Task",
    "TaskGroup",
    "TensorAccessPattern",
    "TensorAccessSequence",
    "TensorTiler2D",
    "Tile",
    "Worker",
    "WorkerRuntimeBarrier",
    "else_",
    "from_name",
    "if_",
    "range_",
]

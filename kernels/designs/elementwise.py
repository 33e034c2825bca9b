"""A kernel applied to every tile of a tensor: shim, core, shim. The smallest whole design."""

from __future__ import annotations

from typing import Any

from amanuensis.kernels.designs._iron import (
    Device,
    ExternalFunction,
    Kernel,
    ObjectFifo,
    ObjectFifoHandle,
    Program,
    Runtime,
    RuntimeData,
    TaskGroup,
    Worker,
)
from amanuensis.kernels.designs._types import array_type


def elementwise(
    device: Device, kernel: ExternalFunction | Kernel, elements: int, tile: int, dtype: Any, *, stack_bytes: int = 1024
) -> Program:
    """Return the program of `out = kernel(in)` over [elements], a tile at a time on one core.

    Args:
        device: where it runs.
        kernel: a function of (in [tile], out [tile], int32 count).
        elements: size of both tensors, a multiple of tile.
        tile: elements of one object.
        dtype: element type of both.
        stack_bytes: stack of the core.

    Raises:
        ValueError: the tiles do not divide the tensor.

    """
    if elements % tile:
        raise ValueError(f"elementwise: {elements} elements are no multiple of the tile of {tile}")
    tensor, part = array_type((elements,), dtype), array_type((tile,), dtype)
    inputs, outputs = ObjectFifo(part, name="in"), ObjectFifo(part, name="out")

    def core(source: ObjectFifoHandle, target: ObjectFifoHandle, function: Kernel) -> None:
        taken, made = source.acquire(1), target.acquire(1)
        function(taken, made, tile)
        source.release(1)
        target.release(1)

    def sequence(a: RuntimeData, c: RuntimeData, fill: ObjectFifoHandle, drain: ObjectFifoHandle) -> None:
        group = TaskGroup()
        fill.fill(a, group=group)
        drain.drain(c, wait=True, group=group)
        group.finish()

    worker = Worker(core, [inputs.cons(), outputs.prod(), kernel], stack_size=stack_bytes)
    return Program(device, Runtime(sequence, [tensor, tensor, inputs.prod(), outputs.cons()]), workers=[worker])

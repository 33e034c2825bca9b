"""The buffers that all dispatches of a model share, on its device."""

from __future__ import annotations

from collections.abc import Container
from typing import Any

import numpy as np
from numpy.typing import NDArray

from amanuensis.kernels.operands import Buffer as Argument
from amanuensis.kernels.operands import Region
from amanuensis.kernels.operators import Nop
from amanuensis.npu.device_weights import WeightMap
from amanuensis.npu.devices.xrt.dispatcher import Dispatch, Dispatcher, Input, Stream
from amanuensis.npu.devices.xrt.errors import DeviceMemoryError
from amanuensis.npu.devices.xrt.launches import rooms_of
from amanuensis.npu.devices.xrt.memory import Memory, aligned
from amanuensis.npu.devices.xrt.runtime import Buffer, XrtRuntime
from amanuensis.npu.devices.xrt.stream_parts import operators_of
from amanuensis.npu.row_rules import N_MASKS, Selection


class Resident(Dispatcher):
    """A model's memory on the device."""

    def __init__(self, runtime: XrtRuntime, memory: Memory, weights: WeightMap, on_host: Container[str] = ()) -> None:
        """Allocate what all dispatches share; the weights are written when everything else is allocated too.

        Args:
            runtime: of the device.
            memory: where everything lies.
            weights: where the weights lie.
            on_host: names of the operators that the host computes.

        Raises:
            DeviceError: the device has not the memory, or fails.

        """
        self.memory = memory
        self.weights = weights
        self.masks_offset = aligned(weights.n_bytes)
        short = weights.short_vocabulary
        self.short_masks_offset = self.masks_offset + _masks_bytes(memory.dimensions.vocabulary)
        weights_bytes = self.short_masks_offset + (_masks_bytes(short.local_size) if short else 0)
        _check_room(runtime, weights_bytes + memory.resident_bytes())
        super().__init__(runtime, rooms_of(memory), on_host)
        self._weights = runtime.allocate(None, weights_bytes, "weights")
        self._scratch = runtime.allocate(None, memory.scratch().n_bytes, "scratch")
        self._cache = runtime.allocate(None, memory.cache().n_bytes, "cache")

    def write_weights(self, data: NDArray[np.uint8]) -> None:
        """Write the weights, once everything else is allocated too."""
        self._runtime.write(self._weights, data)

    def write_masks(self, selection: Selection) -> None:
        """Write the bitmaps of suppressed ids."""
        self._runtime.write(self._weights, np.packbits(selection.masks, axis=1, bitorder="little"), self.masks_offset)

    def write_part(self, array: NDArray[Any], offset: int) -> None:
        """Write part of WEIGHTS, once no dispatch is using them any more."""
        if self._newest is not None:
            self._runtime.wait(self._newest)
        self._runtime.write(self._weights, array, offset)

    def held(self, region: Region, shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
        """Return a tensor of WEIGHTS as it was written, from the mirror on the host."""
        stop = region.offset + int(np.prod(shape)) * np.dtype(dtype).itemsize
        tensor: NDArray[Any] = self._weights.host[region.offset : stop].view(dtype).reshape(shape)
        return tensor

    @property
    def masks_region(self) -> Region:
        """Where the bitmaps lie."""
        return Region(Argument.WEIGHTS, self.masks_offset)

    @property
    def short_masks_region(self) -> Region:
        """Where the bitmaps of the shortlist lie, where there is one."""
        return Region(Argument.WEIGHTS, self.short_masks_offset)

    def start(self, stream: Stream, given: Input, n_bytes: int, output: Buffer) -> Dispatch:
        """Start a stream on these buffers; see `dispatch`."""
        return self.dispatch(stream, (self._weights, self._scratch, self._cache), given, n_bytes, output)

    def awake_stream(self) -> Stream:
        """Return a dispatch of nothing but the receipt."""
        return self.stream(operators_of([("", [Nop()])]), "decoder")


def _masks_bytes(vocabulary: int) -> int:
    return aligned(N_MASKS * -(-vocabulary // 8))


def _check_room(runtime: XrtRuntime, n_bytes: int) -> None:
    """Raise DeviceMemoryError when the device is known to have less memory."""
    if runtime.memory_bytes is not None and n_bytes > runtime.memory_bytes:
        raise DeviceMemoryError(
            f"the model takes {n_bytes / 1e6:.0f} MB on the device, which has {runtime.memory_bytes / 1e6:.0f} MB; "
            "choose a smaller model, or use --device cpu"
        )

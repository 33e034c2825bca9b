"""A model's program on the device with the buffers that all its dispatches share, and how one dispatch is made."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from amanuensis.kernels.compile.lowering import Part
from amanuensis.kernels.operands import PARAMETERS_BYTES, Region
from amanuensis.kernels.operands import Buffer as Argument
from amanuensis.kernels.operators import Nop, Operator
from amanuensis.npu.device_weights import WeightMap
from amanuensis.npu.devices.xrt import parameters as par
from amanuensis.npu.devices.xrt.errors import AGAIN, DeviceMemoryError, WrongAnswerError
from amanuensis.npu.devices.xrt.host_operators import run_on_host
from amanuensis.npu.devices.xrt.launches import rooms_of
from amanuensis.npu.devices.xrt.memory import RECEIPT_BYTES, Area, Memory, aligned
from amanuensis.npu.devices.xrt.runner import Prepared, input_words, runner_of
from amanuensis.npu.devices.xrt.runtime import Buffer, Pending, XrtRuntime
from amanuensis.npu.devices.xrt.stream_parts import operators_of
from amanuensis.npu.row_rules import N_MASKS, Selection

RECEIPT_MARK: Final = 0x0A3A  # what the receipt's other words hold: no zeros, no poison


class Input:
    """An INPUT buffer and the array on the host in which its bytes are put together."""

    def __init__(self, buffer: Buffer, area: Area) -> None:
        self.buffer = buffer
        self.bytes = np.zeros(area.n_bytes, np.uint8)
        self.words = input_words(self.bytes)
        self.parameters = self.words[: PARAMETERS_BYTES // 4]
        self._area = area

    def view(self, name: str, dtype: Any) -> NDArray[Any]:
        """Return the bytes from a region on as an array, to be filled before a dispatch."""
        rest = self.bytes[self._area.offset(name) :]
        size = np.dtype(dtype).itemsize
        return rest[: len(rest) // size * size].view(dtype)


@dataclass(frozen=True, slots=True)
class HostPart:
    """Operators that the host computes."""

    operators: tuple[Operator, ...]


@dataclass(frozen=True, slots=True)
class Stream:
    """A sequence of operators, ready to be run.

    Attributes:
        parts: in order: what the device runs, and operators that the host computes in its place. The last one is on the
            device and brings the receipt.

    """

    parts: tuple[Prepared | HostPart, ...]


@dataclass(frozen=True, slots=True)
class Dispatch:
    """A stream that was started, and what its receipt must say."""

    pending: Pending
    output: Buffer
    number: int


class Resident:
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
        self._runtime = runtime
        self._on_host = on_host
        short = weights.short_vocabulary
        self.short_masks_offset = self.masks_offset + _masks_bytes(memory.dimensions.vocabulary)
        weights_bytes = self.short_masks_offset + (_masks_bytes(short.local_size) if short else 0)
        _check_room(runtime, weights_bytes + memory.resident_bytes())
        self._runner = runner_of(runtime, rooms_of(memory))
        self._number = 0
        self._newest: Pending | None = None
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

    def input(self, area: Area) -> Input:
        """Allocate an INPUT buffer."""
        given = Input(self._runtime.allocate(None, area.n_bytes, "input"), area)
        if self._runner.whole_inputs:
            self._runtime.write(given.buffer, given.bytes)
        return given

    def output(self, area: Area) -> Buffer:
        """Allocate an OUTPUT buffer."""
        return self._runtime.allocate(None, area.n_bytes, "output")

    def stream(self, operators: Sequence[Operator], part: Part) -> Stream:
        """Put a sequence on the device, without what the host computes.

        Raises:
            ProgramError: the compiled programs cannot do it.
            DeviceError: the device has not the memory, or fails.

        """
        parts: list[Prepared | HostPart] = []
        for on_host, run in groupby(operators, lambda operator: type(operator).__name__ in self._on_host):
            alike = tuple(run)
            parts.append(HostPart(alike) if on_host else self._runner.prepare(alike, part))
        return Stream(tuple(parts))

    def room(self, index: int, size: int, limit: int) -> int:
        """Return how many rows or keys the device computes where so many are asked for: answers lie accordingly."""
        return self._runner.room(index, size, limit)

    def awake_stream(self) -> Stream:
        """Return a dispatch of nothing but the receipt."""
        return self.stream(operators_of([("", [Nop()])]), "decoder")

    def start(self, stream: Stream, given: Input, n_bytes: int, output: Buffer) -> Dispatch:
        """Write the first bytes of an INPUT and start a stream; what the host computes of it is done at once."""
        self._number = (self._number + 1) % (1 << 31)
        given.parameters[par.RECEIPT :] = RECEIPT_MARK
        given.parameters[par.RECEIPT] = self._number
        self._runtime.write(given.buffer, given.bytes[:n_bytes])
        buffers = (self._weights, self._scratch, self._cache, given.buffer, output)
        pending: Pending | None = None
        for part in stream.parts:
            if isinstance(part, HostPart):
                if pending is not None:
                    self._runtime.wait(pending)
                run_on_host(self._runtime, buffers, part.operators)
            else:
                pending = self._runner.start(part, given.words, buffers) or pending
        assert pending is not None
        self._newest = pending
        return Dispatch(pending, output, self._number)

    def finish(self, dispatch: Dispatch, n_bytes: int = 0) -> NDArray[np.uint8]:
        """Wait for a dispatch and return the first bytes of its OUTPUT after the receipt.

        Raises:
            WrongAnswerError: the receipt is not that of the dispatch.
            DeviceError: it failed.

        """
        self._runtime.wait(dispatch.pending)
        answer: NDArray[np.uint8] = self._runtime.read(dispatch.output, (RECEIPT_BYTES + n_bytes,), np.uint8)
        receipt = answer[:RECEIPT_BYTES].view(np.int32)
        if receipt[0] != dispatch.number or (receipt[1:] != RECEIPT_MARK).any():
            raise WrongAnswerError(f"a dispatch ended without doing what it was told to; {AGAIN}")
        return answer[RECEIPT_BYTES:]

    def read(self, output: Buffer, shape: tuple[int, ...], dtype: Any, offset: int) -> NDArray[Any]:
        """Read part of an OUTPUT that is finished."""
        return self._runtime.read(output, shape, dtype, offset)


def _masks_bytes(vocabulary: int) -> int:
    return aligned(N_MASKS * -(-vocabulary // 8))


def _check_room(runtime: XrtRuntime, n_bytes: int) -> None:
    """Raise DeviceMemoryError when the device is known to have less memory."""
    if runtime.memory_bytes is not None and n_bytes > runtime.memory_bytes:
        raise DeviceMemoryError(
            f"the model takes {n_bytes / 1e6:.0f} MB on the device, which has {runtime.memory_bytes / 1e6:.0f} MB; "
            "choose a smaller model, or use --device cpu"
        )

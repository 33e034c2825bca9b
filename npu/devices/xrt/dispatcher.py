"""How one dispatch is made: a stream of operators on five buffers, and a receipt that says that this very one ran."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from amanuensis.kernels.compile.lowering import Part, RoomsOf
from amanuensis.kernels.operands import PARAMETERS_BYTES
from amanuensis.kernels.operators import Operator
from amanuensis.npu.devices.xrt import parameters as par
from amanuensis.npu.devices.xrt.errors import AGAIN, WrongAnswerError
from amanuensis.npu.devices.xrt.host_operators import run_on_host
from amanuensis.npu.devices.xrt.memory import RECEIPT_BYTES, Area
from amanuensis.npu.devices.xrt.runner import Prepared, input_words, runner_of
from amanuensis.npu.devices.xrt.runtime import Buffer, Pending, XrtRuntime

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


class Dispatcher:
    """Prepares streams and dispatches them, whatever buffers they work on.

    Args:
        runtime: of the device.
        rooms: for run-time sizes.
        on_host: names of the operators that the host computes.

    """

    def __init__(self, runtime: XrtRuntime, rooms: RoomsOf, on_host: Container[str] = ()) -> None:
        self._runtime = runtime
        self._on_host = on_host
        self._runner = runner_of(runtime, rooms)
        self._number = 0
        self._newest: Pending | None = None

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

    def dispatch(
        self, stream: Stream, resident: Sequence[Buffer], given: Input, n_bytes: int, output: Buffer
    ) -> Dispatch:
        """Write the first bytes of an INPUT and start a stream; what the host computes of it is done at once.

        Args:
            stream: what to run.
            resident: weights, scratch and cache.
            given: INPUT.
            n_bytes: of it, to be written.
            output: OUTPUT.

        """
        self._number = (self._number + 1) % (1 << 31)
        given.parameters[par.RECEIPT :] = RECEIPT_MARK
        given.parameters[par.RECEIPT] = self._number
        self._runtime.write(given.buffer, given.bytes[:n_bytes])
        buffers = (*resident, given.buffer, output)
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

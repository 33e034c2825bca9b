"""The sequence of the host, recorded: transfers, waits, frees, barriers and writes to buffers.

Names, parameters and rules follow mlir-aie `python/iron/runtime/*` and `shim_dma_single_bd_task` of
`python/dialects/aiex.py` (commit in tests/data/iron/surface.json).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from amanuensis.kernels.sim import context
from amanuensis.kernels.sim.core import Buffer, WorkerRuntimeBarrier, flattened
from amanuensis.kernels.sim.endpoint import RuntimeEndpoint
from amanuensis.kernels.sim.errors import DesignError
from amanuensis.kernels.sim.fifo import ObjectFifoHandle
from amanuensis.kernels.sim.tap import TensorAccessPattern, checked_pattern
from amanuensis.kernels.sim.tiler import TensorTiler2D
from amanuensis.kernels.sim.types import ArrayType, array_of, is_array_type, is_scalar_type

TAP_DIMS: Final = 4  # three of the descriptor and the repetition of the task


class RuntimeData:
    """A tensor of the host."""

    def __init__(self, arr_type: ArrayType) -> None:
        self._arr_type = arr_type
        self._array = array_of(arr_type)
        self._index = -1

    @property
    def shape(self) -> Sequence[int]:
        """Its shape."""
        return self._array.shape

    @property
    def dtype(self) -> Any:
        """Its element type."""
        return self._array.dtype.type

    @property
    def arr_type(self) -> ArrayType:
        """Its type."""
        return self._arr_type

    @property
    def is_scalar(self) -> bool:
        """False: a tensor."""
        return False

    def default_tap(self) -> TensorAccessPattern:
        """Return the pattern of the whole tensor, in order.

        Raises:
            DesignError: more than two dimensions, for which IRON has no default.

        """
        whole: TensorAccessPattern = TensorTiler2D.simple_tiler(self._array.shape)[0]
        return whole


@dataclass(frozen=True, slots=True, eq=False)
class Transfer:
    """A transfer of the sequence: handle, tensor, and where in it, as four sizes and strides in elements."""

    number: int
    handle: ObjectFifoHandle
    data: RuntimeData
    offset: int
    sizes: tuple[int, ...]
    strides: tuple[int, ...]
    wait: bool

    @property
    def bytes(self) -> int:
        """How many bytes it moves."""
        count = 1
        for size in self.sizes:
            count *= size
        return count * self.data._array.dtype.itemsize

    def __str__(self) -> str:
        return f"transfer {self.number} of fifo {self.handle.name}"


@dataclass(frozen=True, slots=True)
class Start:
    """Queue a transfer."""

    transfer: Transfer


@dataclass(frozen=True, slots=True)
class Await:
    """Wait for a transfer."""

    transfer: Transfer


@dataclass(frozen=True, slots=True)
class Free:
    """Give back the descriptor of a transfer."""

    transfer: Transfer


@dataclass(frozen=True, slots=True)
class SetBarrier:
    """Set the lock of a barrier in each of its workers."""

    barrier: WorkerRuntimeBarrier
    value: int


@dataclass(frozen=True, slots=True)
class WriteBuffer:
    """Write into a buffer of a core."""

    buffer: Buffer
    index: Any
    value: Any


Command = Start | Await | Free | SetBarrier | WriteBuffer


class Task:
    """A transfer that was queued."""

    def __init__(self, handle: Transfer) -> None:
        self._handle = handle

    @property
    def handle(self) -> Transfer:
        """The transfer."""
        return self._handle

    def free(self) -> None:
        """Give back its descriptor."""
        context.sequence("task.free").commands.append(Free(self._handle))

    def await_(self) -> None:
        """Wait for it.

        Raises:
            DesignError: it was queued without wait=True and so says nothing when it is done.

        """
        active = context.sequence("task.await_")
        if not self._handle.wait:
            raise DesignError(f"{self._handle} cannot be awaited: it was queued without wait=True")
        active.commands.append(Await(self._handle))


class TaskGroup:
    """Transfers that are waited for and freed together."""

    def __init__(self, id: int | None = None) -> None:  # noqa: A002
        active = context.sequence("TaskGroup()")
        self._group_id = next(active.group_numbers) if id is None else id
        self._transfers: list[Transfer] = []
        active.open_groups.append(self)

    @property
    def group_id(self) -> int:
        """The number of the group."""
        return self._group_id

    def finish(self) -> None:
        """Wait for the transfers that were queued with wait=True, then free all of them."""
        context.sequence("TaskGroup.finish").finish(self)

    def __str__(self) -> str:
        return f"TaskGroup({self.group_id})"


class ActiveSequence:
    """A sequence while its function is being run."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.commands: list[Command] = []
        self.group_numbers = itertools.count()
        self.open_groups: list[TaskGroup] = []
        self._ungrouped: list[Transfer] = []
        self._grouped = False
        self._numbers = itertools.count()

    def transfer(
        self,
        handle: ObjectFifoHandle,
        data: Any,
        tap: TensorAccessPattern | None,
        wait: bool,
        packet: Any,
        offset_parameter: Any,
        group: TaskGroup | None,
        explicit: tuple[Any, Any, Any, Any],
        managed: bool,
    ) -> Task:
        """Record a transfer.

        Raises:
            DesignError: see `ObjectFifoHandle.fill`.

        """
        if packet is not None or offset_parameter is not None:
            raise DesignError(f"fifo {handle.name}: packets and offset parameters are not simulated")
        if not isinstance(data, RuntimeData) or data not in self.runtime._rt_data:
            raise DesignError(f"fifo {handle.name}: {data!r} is no tensor of this sequence")
        if not managed and group is not None:
            raise DesignError(f"fifo {handle.name}: a transfer that is not managed belongs to no group")
        offset, sizes, strides = _pattern(handle, data, tap, explicit)
        transfer = Transfer(next(self._numbers), handle, data, offset, sizes, strides, wait)
        self.runtime._bind(handle)
        self.commands.append(Start(transfer))
        if managed and group is not None:
            self._join(group, transfer)
        elif managed:
            self._ungrouped.append(transfer)
        return Task(transfer)

    def _join(self, group: TaskGroup, transfer: Transfer) -> None:
        if group not in self.open_groups:
            raise DesignError(f"{transfer}: {group} is finished already")
        self._grouped = True
        group._transfers.append(transfer)

    def finish(self, group: TaskGroup) -> None:
        """Record the waits and frees of a group; a second time it has none."""
        if group in self.open_groups:
            self.open_groups.remove(group)
        self._close(group._transfers)
        group._transfers = []

    def _close(self, transfers: list[Transfer]) -> None:
        self.commands += [Await(transfer) for transfer in transfers if transfer.wait]
        self.commands += [Free(transfer) for transfer in transfers]

    def ends(self) -> list[Command]:
        """Return the commands; a transfer that is awaited and never freed is freed by its last wait."""
        freed = {command.transfer for command in self.commands if isinstance(command, Free)}
        awaited = {command.transfer: i for i, command in enumerate(self.commands) if isinstance(command, Await)}
        last = {i: transfer for transfer, i in awaited.items() if transfer not in freed}
        found: list[Command] = []
        for i, command in enumerate(self.commands):
            found.append(command)
            if i in last:
                found.append(Free(last[i]))
        return found

    def end(self) -> None:
        """Record the end.

        Raises:
            DesignError: a group is open, or some transfers have a group and others none.

        """
        if self.open_groups:
            raise DesignError(f"groups were not finished: {', '.join(map(str, self.open_groups))}")
        if self.runtime._strict_task_groups and self._grouped and self._ungrouped:
            raise DesignError(f"{self._ungrouped[0]} has no group, but others have; give every transfer one")
        self._close(self._ungrouped)

    def set_barrier(self, barrier: WorkerRuntimeBarrier, value: int) -> None:
        """Record that a barrier is set."""
        self.commands.append(SetBarrier(barrier, value))

    def write_buffer(self, buffer: Buffer, index: Any, value: Any) -> None:
        """Record a write into a buffer.

        Raises:
            DesignError: the buffer was made without use_write_rtp=True.

        """
        if not buffer._use_write_rtp:
            raise DesignError(f"buffer {buffer._name}: the sequence writes only buffers with use_write_rtp=True")
        self.commands.append(WriteBuffer(buffer, index, value))


def _pattern(
    handle: ObjectFifoHandle, data: RuntimeData, tap: TensorAccessPattern | None, explicit: tuple[Any, Any, Any, Any]
) -> tuple[int, tuple[int, ...], tuple[int, ...]]:
    """Return offset, four sizes and four strides."""
    sizes, strides, offset, length = explicit
    if tap is not None and any(value is not None for value in explicit):
        raise DesignError(f"fifo {handle.name}: give a tap, or sizes, strides, offset and transfer_len, not both")
    if tap is None and all(value is None for value in explicit):
        tap = data.default_tap()
    if tap is None and sizes is None:
        sizes = [data._array.elements - (offset or 0) if length is None else length]
    if tap is not None:
        sizes, strides, offset, length = tap.sizes, tap.strides, tap.offset, None
    if strides is None:
        strides = [int(np.prod(sizes[i + 1 :])) for i in range(len(sizes))]
    if len(sizes) > TAP_DIMS:
        raise DesignError(f"fifo {handle.name}: a transfer has at most {TAP_DIMS} dimensions, not {len(sizes)}")
    wide, step = checked_pattern(sizes, strides)
    if length not in {None, int(np.prod(wide[-3:]))}:
        raise DesignError(f"fifo {handle.name}: transfer_len is {length}, but the sizes make {int(np.prod(wide[-3:]))}")
    missing = TAP_DIMS - len(wide)
    return int(offset or 0), (1,) * missing + tuple(wide), (0,) * missing + tuple(step)


class Runtime:
    """The sequence of a design and its arguments."""

    def __init__(
        self, seq_fn: Callable[..., Any], fn_args: Sequence[Any] | None = None, *, strict_task_groups: bool = True
    ) -> None:
        """State a sequence.

        A type of arrays among the arguments becomes a tensor of the host; an integer stays one; handles are tied to
        shim tiles; everything else is passed on.

        Raises:
            DesignError: a scalar type, whose value would be known only at run time: that is not simulated.

        """
        self._seq_fn = seq_fn
        self._strict_task_groups = strict_task_groups
        self._fifos: list[ObjectFifoHandle] = []
        self._args: list[Any] = []
        self._rt_data: list[RuntimeData] = []
        for arg in fn_args or []:
            if is_scalar_type(arg):
                raise DesignError(f"a sequence argument of type {arg.__name__} is not simulated; give its value")
            if is_array_type(arg):
                arg = RuntimeData(arg)  # noqa: PLW2901
                arg._index = len(self._rt_data)
                self._rt_data.append(arg)
            self._args.append(arg)
        for arg in flattened(self._args):
            if isinstance(arg, ObjectFifoHandle):
                self._bind(arg)

    def _bind(self, handle: ObjectFifoHandle) -> None:
        """Tie a handle to a shim tile."""
        if handle.endpoint is None:
            handle.endpoint = RuntimeEndpoint(handle._shim_tile)
        if handle not in self._fifos:
            self._fifos.append(handle)

    @property
    def fifos(self) -> list[ObjectFifoHandle]:
        """The handles that the sequence fills or drains."""
        return list(self._fifos)

    def _record(self) -> list[Command]:
        """Run the function once and return what it does."""
        active = ActiveSequence(self)
        with context.in_sequence(active):
            self._seq_fn(*self._args)
            active.end()
        return active.ends()

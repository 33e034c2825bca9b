"""Workers, their buffers and barriers, after mlir-aie `python/iron/{worker,buffer}.py`."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from amanuensis.kernels.sim import context
from amanuensis.kernels.sim.device import AIETileType, AnyComputeTile, Tile
from amanuensis.kernels.sim.endpoint import Endpoint
from amanuensis.kernels.sim.errors import DesignError
from amanuensis.kernels.sim.fifo import ObjectFifo, ObjectFifoHandle
from amanuensis.kernels.sim.limits import LOCK_VALUE
from amanuensis.kernels.sim.types import Array, ArrayType, array_of, array_type

DEFAULT_STACK_BYTES: Final = 1024  # AIETargetModel.h, getDefaultCoreStackSize: 0x400


def flattened(args: Any) -> Iterator[Any]:
    """Yield the leaves of nested lists and tuples."""
    for arg in args:
        if isinstance(arg, list | tuple):
            yield from flattened(arg)
        else:
            yield arg


class Buffer:
    """Memory of a core (or written by the sequence) that keeps its values."""

    _gbuf_index = itertools.count()

    def __init__(
        self,
        type: ArrayType | None = None,  # noqa: A002
        initial_value: NDArray[Any] | None = None,
        name: str | None = None,
        tile: Tile | None = None,
        use_write_rtp: bool = False,
        address: int | None = None,
    ) -> None:
        """State a buffer.

        Raises:
            DesignError: neither a type nor a value, or a value of another type.

        """
        self._name = f"buf_{next(Buffer._gbuf_index)}" if name is None else name
        if type is None and initial_value is None:
            raise DesignError(f"buffer {self._name}: give a type, an initial value or both")
        if type is None and initial_value is not None:
            type = array_type(Array(initial_value.shape, initial_value.dtype))  # noqa: A001
        self._array = array_of(type)
        if initial_value is not None and (initial_value.shape, initial_value.dtype) != (
            self._array.shape,
            self._array.dtype,
        ):
            raise DesignError(
                f"buffer {self._name} of {self._array}: an initial value of {initial_value.shape} {initial_value.dtype}"
            )
        self._initial_value = initial_value
        self._use_write_rtp = use_write_rtp
        self._address = address
        self._explicit_tile = tile is not None
        self._owner_worker: Worker | None = None
        self._tile = tile

    @property
    def tile(self) -> Tile | None:
        """The tile it lies on."""
        return self._tile

    def tiles(self) -> list[Tile]:
        """Return the tile it lies on, if that is known."""
        return [] if self._tile is None else [self._tile]

    @property
    def shape(self) -> Sequence[int]:
        """Its shape."""
        return self._array.shape

    @property
    def dtype(self) -> Any:
        """Its element type."""
        return self._array.dtype.type

    def _owned_by(self, worker: Worker) -> None:
        """Note a worker that uses it; the first one gives it its tile.

        Raises:
            DesignError: a second worker, and the design states no tile.

        """
        if self._owner_worker is not None and self._owner_worker is not worker and not self._explicit_tile:
            raise DesignError(f"buffer {self._name} is shared by workers: pin it to a tile with Buffer(tile=...)")
        if self._owner_worker is None:
            self._owner_worker = worker
            self._tile = self._tile or worker.tile

    def __getitem__(self, idx: Any) -> Any:
        return context.core(f"{self._name}[...]").memory(self)[idx]

    def __setitem__(self, idx: Any, source: Any) -> None:
        core = context.core_or_none()
        if core is not None:
            core.memory(self)[idx] = source
        else:
            context.sequence(f"{self._name}[...] = value").write_buffer(self, idx, source)


class WorkerRuntimeBarrier:
    """A lock in each of its workers that the sequence sets."""

    def __init__(self, initial_value: int = 0) -> None:
        """State a barrier.

        Raises:
            DesignError: an initial value other than 0, which the real API takes and then ignores.

        """
        if initial_value != 0:
            raise DesignError(
                f"a barrier begins at 0 whatever is asked for, here {initial_value}: set it in the sequence"
            )
        self.initial_value = initial_value
        self._workers: list[Worker] = []

    def wait_for_value(self, value: int) -> None:
        """Wait, in a core function, until the lock has the value, and take it."""
        context.core("wait_for_value").wait_for(self, value)

    def set(self, value: int) -> None:
        """Set the locks of all its workers, in a sequence."""
        if not 0 <= value <= LOCK_VALUE:
            raise DesignError(f"a barrier's value is 0 to {LOCK_VALUE}, not {value}")
        context.sequence("barrier.set").set_barrier(self, value)

    def release_with_value(self, value: int) -> None:
        """Add the value to the lock, in a core function."""
        context.core("release_with_value").release_barrier(self, value)


class Worker(Endpoint):
    """A core and the function that it runs, for ever or once."""

    def __init__(
        self,
        core_fn: Callable[..., Any] | None,
        fn_args: list[Any] | None = None,
        tile: Tile | None = AnyComputeTile,
        while_true: bool = True,
        stack_size: int | None = None,
        allocation_scheme: str | None = None,
        trace: int | None = None,
        trace_events: list[Any] | None = None,
        dynamic_objfifo_lowering: bool | None = None,
    ) -> None:
        """State a worker; handles, buffers and barriers among its arguments are tied to it.

        Raises:
            DesignError: a tile of another kind, an ObjectFifo in place of a handle, a handle or buffer held elsewhere.

        """
        asked = AnyComputeTile if tile is None else tile
        if asked.tile_type not in {None, AIETileType.CoreTile}:
            raise DesignError(f"a worker needs a compute tile, not {asked}")
        fresh = asked is AnyComputeTile or asked.tile_type is None or allocation_scheme is not None
        place = asked.with_type(AIETileType.CoreTile, allocation_scheme=allocation_scheme) if fresh else asked
        super().__init__(place)
        self.core_fn = core_fn
        self.fn_args = [] if fn_args is None else fn_args
        self._while_true = while_true
        self.stack_size = stack_size
        self.allocation_scheme = allocation_scheme
        self.trace = trace
        self.trace_events = trace_events
        self._dynamic_objfifo_lowering = dynamic_objfifo_lowering
        self._fifos: list[ObjectFifoHandle] = []
        self._buffers: list[Buffer] = []
        self._barriers: list[WorkerRuntimeBarrier] = []
        for arg in self.flat_fn_args:
            self._register(arg)

    def _register(self, arg: Any) -> None:
        if isinstance(arg, ObjectFifo):
            raise DesignError(f"a worker takes handles: give it {arg.name}.prod() or {arg.name}.cons(), not the fifo")
        if isinstance(arg, ObjectFifoHandle):
            arg.endpoint = self
            self._fifos.append(arg)
        elif isinstance(arg, Buffer):
            arg._owned_by(self)
            self._buffers.append(arg)
        elif isinstance(arg, WorkerRuntimeBarrier):
            arg._workers.append(self)
            self._barriers.append(arg)

    @staticmethod
    def grid(rows: int, cols: int, factory: Callable[[int, int], Worker]) -> list[list[Worker]]:
        """Return rows x cols workers, each made by `factory(row, column)`."""
        return [[factory(r, c) for c in range(cols)] for r in range(rows)]

    @property
    def tile(self) -> Tile:
        """The tile that the design asks for."""
        assert self._tile is not None
        return self._tile

    @property
    def flat_fn_args(self) -> list[Any]:
        """The arguments without nesting."""
        return list(flattened(self.fn_args))

    @property
    def fifos(self) -> list[ObjectFifoHandle]:
        """The handles among the arguments."""
        return list(self._fifos)

    @property
    def buffers(self) -> list[Buffer]:
        """The buffers among the arguments."""
        return list(self._buffers)


def initial(buffer: Buffer, memory: NDArray[Any]) -> None:
    """Write the initial value of a buffer, if it has one, into its memory."""
    if buffer._initial_value is not None:
        np.copyto(memory, buffer._initial_value)

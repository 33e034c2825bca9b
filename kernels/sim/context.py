"""Where the code of a design is run: on which core, in which sequence. The verbs of the design find it here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final, Protocol

from numpy.typing import NDArray

from amanuensis.kernels.sim.errors import DesignError

if TYPE_CHECKING:
    from amanuensis.kernels.sim.core import Buffer, WorkerRuntimeBarrier
    from amanuensis.kernels.sim.fifo import ObjectFifoHandle
    from amanuensis.kernels.sim.kernel import BaseKernel
    from amanuensis.kernels.sim.runtime import ActiveSequence


class CoreContext(Protocol):
    """What the verbs of a core function do: either the compiler's single pass over it, or a run."""

    def acquire(self, handle: ObjectFifoHandle, count: int) -> Any:
        """Give one object, or a list of several, the oldest first."""

    def release(self, handle: ObjectFifoHandle, count: int) -> None:
        """Give back the oldest objects."""

    def call(self, kernel: BaseKernel, args: Sequence[Any]) -> None:
        """Call a kernel with arrays and numbers, already checked."""

    def memory(self, buffer: Buffer) -> NDArray[Any]:
        """Return the memory of a buffer."""

    def wait_for(self, barrier: WorkerRuntimeBarrier, value: int) -> None:
        """Wait until the barrier has the value, and take it."""

    def release_barrier(self, barrier: WorkerRuntimeBarrier, value: int) -> None:
        """Add the value to the barrier."""

    def loop(self, indices: range) -> Iterator[int]:
        """Run the body of a hardware loop."""

    def condition(self, value: bool) -> tuple[bool, bool]:
        """Say whether to run the body of a branch and that of its other side."""


_core: Final[ContextVar[CoreContext | None]] = ContextVar("core", default=None)
_sequence: Final[ContextVar[ActiveSequence | None]] = ContextVar("sequence", default=None)


def core(verb: str) -> CoreContext:
    """Return the core whose function is being run.

    Raises:
        DesignError: none is; the verb is named.

    """
    found = _core.get()
    if found is None:
        raise DesignError(f"{verb} belongs in the core function of a Worker")
    return found


def core_or_none() -> CoreContext | None:
    """Return the core whose function is being run, if one is."""
    return _core.get()


def sequence(verb: str) -> ActiveSequence:
    """Return the sequence that is being recorded.

    Raises:
        DesignError: none is; the verb is named.

    """
    found = _sequence.get()
    if found is None:
        raise DesignError(f"{verb} belongs in the function given to Runtime(seq_fn, fn_args)")
    return found


@contextmanager
def on_core(context: CoreContext) -> Iterator[None]:
    """Run core functions in a context."""
    token = _core.set(context)
    try:
        yield
    finally:
        _core.reset(token)


@contextmanager
def in_sequence(active: ActiveSequence) -> Iterator[None]:
    """Record a sequence."""
    token = _sequence.set(active)
    try:
        yield
    finally:
        _sequence.reset(token)

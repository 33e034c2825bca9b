"""The emulated NPU itself: its memory, contexts and line of time, under whatever handles the host holds of it."""

from __future__ import annotations

import errno
import random
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeAlias

from amanuensis.kernels.machine import Work, execute
from amanuensis.kernels.program import Program
from amanuensis.npu.pyxrt_emulator.clocks import NS_PER_S, NS_PER_US, Clock, RealClock, VirtualClock
from amanuensis.npu.pyxrt_emulator.commands import Command, Timeline
from amanuensis.npu.pyxrt_emulator.errors import ShimError, StrictError
from amanuensis.npu.pyxrt_emulator.faults import FaultPlan
from amanuensis.npu.pyxrt_emulator.memory import LINE_BYTES, Memory, MemoryPool, Span
from amanuensis.npu.pyxrt_emulator.settings import COLD_CONTEXT_NS, MAX_CONTEXTS, Settings
from amanuensis.npu.pyxrt_emulator.tally import Counters, Tally

if TYPE_CHECKING:
    from amanuensis.kernels.designs.array import SimulatedArray

CREATE_CONTEXT: Final = "DRM_IOCTL_AMDXDNA_CREATE_HWCTX IOCTL failed"
MAP_LOCKED_SHARED: Final = 0x2001  # flags of mmap

Execute: TypeAlias = Callable[..., Work]  # as `amanuensis.kernels.machine.execute`


@dataclass(eq=False, slots=True)
class Context:
    """What the driver knows of a hardware context.

    Attributes:
        slot: its number, from 1, never used twice.
        program: that runs in it.
        execute: executes a stream of it on device memory.
        lies: answers zeros, because the program is for another architecture.
        gone: nothing can be started in it any more.
        restart_ns: until when a hung command holds it; the driver restarts it then.
        commands: that were started in it and are not over.

    """

    slot: int
    program: Program
    execute: Execute
    lies: bool = False
    gone: bool = False
    restart_ns: int | None = None
    commands: list[Command] = field(default_factory=list)

    def outstanding(self, now_ns: int) -> list[Command]:
        """Return the commands that are not over."""
        self.commands = [command for command in self.commands if not command.is_over(now_ns)]
        return self.commands


class ContextHandle:
    """What the host holds of a context; the driver closes it with the last one."""

    def __init__(self, npu: EmulatedNpu, context: Context) -> None:
        self.npu = npu
        self.context = context
        weakref.finalize(self, npu.close_context, context).atexit = False


class EmulatedNpu:
    """One device.

    Args:
        settings: how it is.

    Attributes:
        execute: executes a stream of operators on device memory.
        array: that of the designs, where they execute.

    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.strict = not settings.faithful
        self.clock: Clock = VirtualClock() if settings.time == "virtual" else RealClock()
        self.tally = Tally()
        self.faults = FaultPlan(settings.faults)
        self.timeline = Timeline()
        self.contexts: dict[int, Context] = {}
        self.registered: dict[str, Program] = {}  # by uuid
        self.lost_openings = 0  # how many more openings fail because the device is away
        self.execute: Execute = execute
        self.newest_slot = 0  # of the context that was given the newest command
        self.array: SimulatedArray | None = None
        self._pool = MemoryPool(settings.device_memory_bytes)
        self._draw = random.Random(settings.seed)
        if settings.execution == "designs":
            from amanuensis.kernels.designs.array import SimulatedArray  # with the compiler that it needs

            self.array = SimulatedArray(settings.architecture)
            self.execute = self.array.execute

    def counters(self) -> Counters:
        """Return what was counted so far."""
        struck = {str(kind): count for kind, count in self.faults.struck.items()}
        return self.tally.snapshot(self.clock.now_ns, struck)

    def open(self, index: int) -> None:
        """Open the device; RuntimeError where it is away or closed to this process."""
        self._come_back(f"Could not open device with index '{index}'")
        if self.faults.next("opening"):
            raise ShimError(-errno.EACCES, "Open /dev/accel/accel0 failed")

    def lose(self, openings: int) -> None:
        """Let the device go away for so many openings, and with it all that runs."""
        self.lost_openings = openings
        for context in self.contexts.values():
            self._end(context)

    def evict(self) -> None:
        """Let nothing be started in any context that is open now."""
        for context in self.contexts.values():
            context.gone = True

    def _come_back(self, text: str) -> None:
        if self.lost_openings:
            self.lost_openings -= 1
            raise RuntimeError(text)

    # -- contexts

    def open_context(self, program: Program) -> ContextHandle:
        """Open a hardware context; RuntimeError where there is none left or the program does not fit."""
        architecture = self.settings.architecture
        self._come_back(f"{CREATE_CONTEXT} (err={-errno.ENODEV}): No such device")
        fits = program.architecture == architecture
        if not fits and (self.strict or architecture == "npu1"):
            raise RuntimeError(f"xclbin {program.uuid} is for {program.architecture}, the device is {architecture}")
        if len(self.contexts) >= MAX_CONTEXTS[architecture]:
            raise ShimError(-errno.ENOENT, CREATE_CONTEXT)
        self.clock.spend(COLD_CONTEXT_NS)
        self.tally.contexts += 1
        context = Context(self.tally.contexts, program, self._execution(program), lies=not fits)
        self.contexts[context.slot] = context
        self.timeline.last_ns = max(self.timeline.last_ns, self.clock.now_ns)
        return ContextHandle(self, context)

    def _execution(self, program: Program) -> Execute:
        """Return what executes streams of a program; RuntimeError where its configuration cannot be simulated."""
        if not program.configuration:
            return self.execute
        from amanuensis.kernels.designs.loaded import LoadedConfiguration  # with the compiler that it needs
        from amanuensis.kernels.host.build import BuildError
        from amanuensis.kernels.sim.errors import DesignError

        try:
            return LoadedConfiguration(program.architecture, program.configuration).execute
        except (BuildError, DesignError) as error:
            raise RuntimeError(f"the array cannot be simulated: {error}") from error

    def close_context(self, context: Context) -> None:
        """Abort what still runs in a context and forget it."""
        self._end(context)
        self.contexts.pop(context.slot, None)

    def _end(self, context: Context) -> None:
        context.gone = True
        for command in context.outstanding(self.clock.now_ns):
            command.abort(self.clock.now_ns)

    # -- buffers

    def allocate(self, n_bytes: int, bank: int, slot: int, cacheable: bool) -> Span:
        """Allocate a root buffer; RuntimeError where there is no memory."""
        if self.faults.next("allocation"):
            call = f"mmap(addr=(nil), len={n_bytes}, prot=3, flags={MAP_LOCKED_SHARED}, offset=0) failed"
            raise ShimError(-errno.EAGAIN, call)
        self._forget_finished()
        memory = Memory(self._pool, n_bytes, heap=cacheable)
        self.tally.allocations += 1
        return Span(memory, 0, 0, n_bytes, bank, slot, cacheable)

    def _forget_finished(self) -> None:
        """Let go of the buffers of commands that are over."""
        self.timeline.under_way(self.clock.now_ns)
        for context in self.contexts.values():
            context.outstanding(self.clock.now_ns)

    def clone(self, span: Span, bank: int, slot: int) -> Span:
        """Copy a buffer, as it is on the device now, to the bank and slot of an argument."""
        copy = self.allocate(span.size, bank, slot, span.cacheable)
        copy.device[:] = span.device
        self.tally.clone_copies += 1
        return copy

    def check_idle(self, span: Span, offset: int, size: int, what: str) -> None:
        """Refuse to touch what a command under way reads or writes; in truth it is a race. StrictError."""
        start = span.offset + offset
        if self.strict and self.timeline.uses(span.memory, start, start + size, self.clock.now_ns):
            raise StrictError(f"{what} of {size} bytes at {offset} while a run that uses them is under way")

    def sync(self, span: Span, offset: int, size: int, to_device: bool) -> None:
        """Move a range between the two memories, whole lines at a time."""
        start, stop = span.offset + offset, span.offset + offset + size
        whole = start % LINE_BYTES == 0 and (stop % LINE_BYTES == 0 or stop == span.memory.host.size)
        if self.strict and not whole:
            raise StrictError(f"sync of {size} bytes at {start} cuts a line of {LINE_BYTES} bytes; sync whole lines")
        self.check_idle(span, offset, size, "sync")
        moved = span.memory.move(start, stop, to_device)
        self.clock.model(round(moved / self.settings.sync_bytes_per_s * NS_PER_S))
        self.tally.syncs += 1
        if to_device:
            self.tally.bytes_to_device += moved
        else:
            self.tally.bytes_from_device += moved

    # -- time

    def draw_dispatch_ns(self) -> int:
        """Return how long it takes until the device sees a start."""
        return round(self._draw.uniform(*self.settings.dispatch_us) * NS_PER_US)

    def block_until(self, ns: int) -> None:
        """Hold the interpreter's lock until a time."""
        self.tally.blocked_ns += max(0, ns - self.clock.now_ns)
        self.clock.block_until(ns)

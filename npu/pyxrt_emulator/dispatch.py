"""Starting a command: what refuses it, what it computes on device memory, and when it will be over."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from amanuensis.kernels.machine import OperatorWork
from amanuensis.npu.pyxrt_emulator.clocks import NS_PER_US
from amanuensis.npu.pyxrt_emulator.commands import Command
from amanuensis.npu.pyxrt_emulator.emulated import Context, EmulatedNpu
from amanuensis.npu.pyxrt_emulator.enums import CommandState
from amanuensis.npu.pyxrt_emulator.errors import ShimError, StrictError
from amanuensis.npu.pyxrt_emulator.faults import Fault
from amanuensis.npu.pyxrt_emulator.memory import LINE_BYTES, Span
from amanuensis.npu.pyxrt_emulator.settings import (
    AUTOSUSPEND_NS,
    COLD_CONTEXT_NS,
    IDLE_WAKE_NS,
    MAX_OUTSTANDING,
    WATCHDOG_NS,
)

EXECUTE: Final = "DRM_IOCTL_AMDXDNA_EXEC_CMD IOCTL failed"
NEVER_NS: Final = 1 << 62
NO_FAULT: Final = Fault("slow", factor=1.0)
FAILURES: Final = {
    "timeout": CommandState.ERT_CMD_STATE_TIMEOUT,
    "no_response": CommandState.ERT_CMD_STATE_NORESPONSE,
    "error": CommandState.ERT_CMD_STATE_ERROR,
    "context_lost": CommandState.ERT_CMD_STATE_ABORT,
}


@dataclass(frozen=True, slots=True)
class Call:
    """What a run asks of the device.

    Attributes:
        instructions: where the stream lies.
        n_bytes: of the stream.
        buffers: of the sequence, in its order.
        broken: the state in which a command ends that only the faithful emulator lets through, or None.

    """

    instructions: Span | None
    n_bytes: int
    buffers: tuple[Span, ...]
    broken: CommandState | None = None

    @property
    def spans(self) -> tuple[Span, ...]:
        """Everything that the device reads or writes."""
        return self.buffers if self.instructions is None else (self.instructions, *self.buffers)


def submit(npu: EmulatedNpu, context: Context, call: Call) -> Command:
    """Start a command; RuntimeError where the driver refuses it."""
    if context.gone:
        raise ShimError(-errno.ENOENT, EXECUTE)
    _find_room(npu, context)
    fault = npu.faults.next("dispatch") or NO_FAULT
    _strike_before(npu, fault)
    command = _schedule(npu, context, call, fault)
    npu.tally.dispatches += 1
    npu.tally.switches += _changes(npu, context)
    npu.newest_slot = context.slot
    npu.tally.failed += command.outcome is not CommandState.ERT_CMD_STATE_COMPLETED
    context.gone |= fault.kind == "context_lost"
    context.commands.append(command)
    npu.timeline.add(command)
    return command


def _changes(npu: EmulatedNpu, context: Context) -> bool:
    """Say whether a command for a context follows one that was given to another."""
    return npu.newest_slot not in (0, context.slot)


def _find_room(npu: EmulatedNpu, context: Context) -> None:
    outstanding = context.outstanding(npu.clock.now_ns)
    if len(outstanding) < MAX_OUTSTANDING:
        return
    if npu.strict:
        raise StrictError(f"{len(outstanding)} commands are outstanding; start would block until one is over")
    npu.block_until(min(NEVER_NS if command.end_ns is None else command.end_ns for command in outstanding))


def _strike_before(npu: EmulatedNpu, fault: Fault) -> None:
    """Raise what a start raises when the device or the context is not there."""
    if fault.kind == "device_lost":
        npu.lose(fault.lasts)
        raise ShimError(-errno.ENODEV, EXECUTE)
    if fault.kind == "evicted":
        npu.evict()
        raise ShimError(-errno.ENOENT, EXECUTE)


def _schedule(npu: EmulatedNpu, context: Context, call: Call, fault: Fault) -> Command:
    now_ns = npu.clock.now_ns
    free_ns = npu.timeline.free_ns(now_ns)
    if free_ns is None:  # something hangs in front of it
        return Command(NEVER_NS, None, CommandState.ERT_CMD_STATE_ABORT, call.spans)
    if context.restart_ns is not None and now_ns < context.restart_ns:
        return Command(context.restart_ns, context.restart_ns, CommandState.ERT_CMD_STATE_ABORT, call.spans)
    overhead_ns = _overhead_ns(npu, context, fault)
    begin_ns = max(now_ns + overhead_ns, free_ns)
    npu.tally.overhead_ns += overhead_ns
    outcome = call.broken or FAILURES.get(fault.kind, CommandState.ERT_CMD_STATE_COMPLETED)
    if fault.kind == "hang":
        return Command(begin_ns, None, CommandState.ERT_CMD_STATE_ABORT, call.spans)
    if outcome is CommandState.ERT_CMD_STATE_COMPLETED:
        work_ns, outcome = _execute(npu, context, call, fault)
    else:
        work_ns = 0
    if outcome in {CommandState.ERT_CMD_STATE_TIMEOUT, CommandState.ERT_CMD_STATE_NORESPONSE}:
        context.restart_ns = begin_ns + WATCHDOG_NS
        return Command(begin_ns, context.restart_ns, outcome, call.spans)
    npu.tally.device_ns += work_ns
    end_ns = max(begin_ns + work_ns, npu.clock.now_ns)  # in real time the emulator may be the slower one
    return Command(begin_ns, end_ns, outcome, call.spans)


def _overhead_ns(npu: EmulatedNpu, context: Context, fault: Fault) -> int:
    """Return the time from the start to the device's beginning, were it free."""
    overhead_ns = npu.draw_dispatch_ns()
    if _changes(npu, context):
        overhead_ns += round(npu.settings.switch_us * NS_PER_US)
    if fault.kind == "idle_wake" or npu.clock.now_ns - npu.timeline.last_ns > AUTOSUSPEND_NS:
        overhead_ns += IDLE_WAKE_NS
    if context.restart_ns is not None:
        context.restart_ns = None
        overhead_ns += COLD_CONTEXT_NS
    return overhead_ns


def _execute(npu: EmulatedNpu, context: Context, call: Call, fault: Fault) -> tuple[int, CommandState]:
    """Compute on the device's bytes; return how long the device takes, in nanoseconds, and how it ends."""
    assert call.instructions is not None  # or the call is broken
    words = np.frombuffer(call.instructions.device[: call.n_bytes].tobytes(), "<u4")
    buffers = [span.device for span in call.buffers]
    lies = context.lies or fault.kind == "zeros"
    before = [buffer.copy() for buffer in buffers] if lies else []

    def spoil(operator: OperatorWork) -> None:
        if operator.name in npu.settings.spoiled_operators:
            for span in operator.written:
                buffers[span.buffer][span.start : span.stop] = 0

    try:
        work = context.execute(context.program, words, buffers, spoil)
    except ValueError as error:
        if npu.strict:
            raise StrictError(f"the device cannot execute the stream: {error}") from error
        return 0, CommandState.ERT_CMD_STATE_TIMEOUT
    if lies:
        _blank_written(buffers, before)
    npu.tally.operators.update(operator.name for operator in work.operators)
    us = sum(operator.us for operator in work.operators)
    factor = fault.factor if fault.kind == "slow" else 1.0
    return round(us * factor * NS_PER_US), CommandState.ERT_CMD_STATE_COMPLETED


def _blank_written(buffers: Sequence[NDArray[np.uint8]], before: Sequence[NDArray[np.uint8]]) -> None:
    """Overwrite every line that was changed with zeros."""
    for now, was in zip(buffers, before, strict=True):
        places = np.unique(np.flatnonzero(now != was) // LINE_BYTES)[:, None] * LINE_BYTES + np.arange(LINE_BYTES)
        now[places[places < now.size]] = 0

"""`kernel` and `run`: what can be started on the device, and one execution of it at a time."""

from __future__ import annotations

import contextlib

from amanuensis.npu.pyxrt_emulator.arguments import FIRST_DATA, Arguments, bank_of, group_id
from amanuensis.npu.pyxrt_emulator.binding import (
    CALLBACK,
    INT32,
    MILLISECONDS,
    POINTER,
    TEXT,
    UINT32,
    Overloads,
    Parameter,
    bound_as,
    instance_of,
)
from amanuensis.npu.pyxrt_emulator.buffers import BO, BufferObject, span_of
from amanuensis.npu.pyxrt_emulator.clocks import NS_PER_US
from amanuensis.npu.pyxrt_emulator.commands import Command
from amanuensis.npu.pyxrt_emulator.contexts import CONTEXT, HwContext, handle_of
from amanuensis.npu.pyxrt_emulator.dispatch import submit
from amanuensis.npu.pyxrt_emulator.emulated import ContextHandle
from amanuensis.npu.pyxrt_emulator.enums import CommandState, CuAccessMode
from amanuensis.npu.pyxrt_emulator.errors import StrictError

_GROUP_ID = Overloads()
NS_PER_MS = 1000 * NS_PER_US
FAILED = "Command failed to complete successfully"


@bound_as("kernel")
class Kernel:
    """A kernel of the program that runs in a context."""

    cu_access_mode = CuAccessMode
    exclusive = CuAccessMode.exclusive
    shared = CuAccessMode.shared
    none = CuAccessMode.none
    _handle: ContextHandle
    __init__ = Overloads()
    group_id = _GROUP_ID

    @__init__.add(Parameter(CONTEXT, "hw_context"), Parameter(TEXT, "name"))
    def _in_context(self, context: HwContext, name: str) -> None:
        self._handle = handle_of(context)
        if name != self._handle.context.program.name:
            raise RuntimeError(f"No such kernel '{name}'")

    def __call__(self, *args: object) -> Run:
        run: Run = Run(self)
        for index, value in enumerate(args):
            swallowing = contextlib.nullcontext() if self._handle.npu.strict else contextlib.suppress(Exception)
            with swallowing:
                run.set_arg(index, value)
        run.start()
        return run

    @_GROUP_ID.add(Parameter(INT32))
    def _group_id(self, argno: int) -> int:
        context = self._handle.context
        return group_id(bank_of(argno, FIRST_DATA + context.program.n_buffers), context.slot)


@bound_as("run")
class Run:
    """One execution of a kernel, which may be started again once it is over."""

    _handle: ContextHandle | None
    _arguments: Arguments
    _command: Command | None
    __init__ = Overloads()
    set_arg = Overloads()
    wait = Overloads()
    wait2 = Overloads()
    add_callback = Overloads()

    @__init__.add()
    def _empty(self) -> None:
        self._handle = self._command = None

    @__init__.add(Parameter(instance_of("kernel", Kernel)))
    def _of_kernel(self, kernel: Kernel) -> None:
        self._handle, self._command = kernel._handle, None
        self._arguments = Arguments(kernel._handle)

    @property
    def _bound(self) -> ContextHandle:
        if self._handle is None:
            raise RuntimeError("the run has no kernel")
        return self._handle

    @property
    def _under_way(self) -> bool:
        return self._command is not None and not self._command.is_over(self._bound.npu.clock.now_ns)

    @set_arg.add(Parameter(INT32), Parameter(BO))
    def _set_buffer(self, index: int, item: BufferObject) -> None:
        self._check_idle()
        self._arguments.set_buffer(index, span_of(item))

    @set_arg.add(Parameter(INT32), Parameter(INT32))
    def _set_number(self, index: int, item: int) -> None:
        self._check_idle()
        self._arguments.set_number(index, item)

    def _check_idle(self) -> None:
        if self._bound.npu.strict and self._under_way:  # XRT looks only where the kernel comes from an ELF
            raise StrictError("xrt::run::set_arg called while command is still in progress")

    def start(self) -> None:
        if self._under_way:
            raise RuntimeError("bad command state, can't launch")
        handle = self._bound
        self._command = submit(handle.npu, handle.context, self._arguments.call())

    def state(self) -> CommandState:
        """Return the state now; in virtual time a look at a command under way lets time pass."""
        if self._command is None:
            return CommandState.ERT_CMD_STATE_NEW
        clock = self._bound.npu.clock
        state = self._command.state(clock.now_ns)
        if not self._command.is_over(clock.now_ns):
            clock.poll(self._command.poll_ns, self._command.end_ns)
            self._command.poll_ns *= 2
        return state

    @wait.add()
    def _wait(self) -> CommandState:
        return self._block(None)

    @wait.add(Parameter(UINT32))
    def _wait_ms(self, timeout_ms: int) -> CommandState:
        return self._block(timeout_ms or None)  # to XRT, 0 means without end

    @wait2.add()
    def _wait2(self) -> None:
        state = self._block(None)
        if state is not CommandState.ERT_CMD_STATE_COMPLETED:
            raise RuntimeError(f"{FAILED} ({state.name})")

    @wait2.add(Parameter(MILLISECONDS))
    def _wait2_until(self, timeout: object) -> None:
        """Take no argument, since nothing converts to this parameter."""

    @add_callback.add(Parameter(instance_of("ert_cmd_state", CommandState)), Parameter(CALLBACK), Parameter(POINTER))
    def _add_callback(self, state: object, callback: object, data: object) -> None:
        """Take no arguments, since nothing converts to these parameters."""

    def get_ctrl_scratchpad_bo(self) -> BufferObject:
        raise RuntimeError("No module associated with run object")

    def _block(self, timeout_ms: int | None) -> CommandState:
        """Wait with the interpreter's lock held; a hung run is waited for only so long as a time is named."""
        npu, command = self._bound.npu, self._command
        if command is None:
            if npu.strict:
                raise StrictError("wait for a run that was never started")
            return CommandState.ERT_CMD_STATE_NEW
        limit_ns = None if timeout_ms is None else npu.clock.now_ns + timeout_ms * NS_PER_MS
        ends = [ns for ns in (limit_ns, command.end_ns) if ns is not None]
        if not ends:
            raise RuntimeError("the run hangs: this wait would never return; poll state() with a deadline instead")
        npu.block_until(min(ends))
        over = command.is_over(npu.clock.now_ns)
        return command.state(npu.clock.now_ns) if over else CommandState.ERT_CMD_STATE_TIMEOUT

"""The host side of an NPU in six verbs: allocate, write, read, load, run, wait; over pyxrt or what looks like it.

What bites in pyxrt (XRT, `src/python/pybind11/src/pyxrt.cpp`), and what is done about it here:

- `kernel(...)` swallows wrong arguments, so runs are built with `set_arg`, which raises, from arguments checked here;
- `run.wait` holds the interpreter's lock, so `state()` is polled between short sleeps;
- `wait` and `state` tell of failure by a value only, so every other state than COMPLETED becomes an error here;
- contexts, buffers and run objects cost milliseconds, so each is built once and used again;
- sub-buffers of sub-buffers have wrong device addresses, so there are none: pieces are named by their offsets.

Whatever fails leaves the context in an unknown state: the runtime then refuses all further work with the first reason,
and the caller opens another one. One thread owns a runtime.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import DTypeLike, NDArray

from amanuensis.npu.devices.xrt.clock import Clock
from amanuensis.npu.devices.xrt.errors import (
    AGAIN,
    ContextLostError,
    DeviceError,
    DeviceMemoryError,
    DispatchFailedError,
    DispatchTimeoutError,
    NoResponseError,
    ProgramError,
)
from amanuensis.npu.devices.xrt.package import Package
from amanuensis.npu.devices.xrt.probe import Architecture
from amanuensis.npu.window import DeviceWork

DataKind: TypeAlias = Literal["weights", "scratch", "cache", "input", "output"]
BufferKind: TypeAlias = Literal["instructions", "weights", "scratch", "cache", "input", "output"]
DATA_KINDS: Final[tuple[DataKind, ...]] = get_args(DataKind)  # in the order of the sequence's arguments

OPCODE: Final = 3  # of a kernel made by mlir-aie: execute a transaction stream
FIRST_DATA_ARGUMENT: Final = 3  # after opcode, instructions and their count
KERNEL_PREFIX: Final = "MLIR_AIE"
SHARED_GROUP: Final = 0  # bank 0, of no context: XRT compares banks alone, and mlir-aie's own tensors are allocated so
LINE_BYTES: Final = 64  # what `sync` flushes at least: a cache line of the host
MAX_OUTSTANDING: Final = 4  # commands in a context (HWCTX_MAX_CMDS of the driver)
MAX_RUNS: Final = 512  # run objects kept of a program; each holds a page of the driver's memory
DEADLINE_S: Final = 10.0  # beyond the driver's own watchdog, which ends a hung command after 4 to 6 s
FIRST_POLL_S: Final = 20e-6  # half of the fastest dispatch that was measured anywhere
LONGEST_POLL_S: Final = 1e-3
MORE_MEMORY: Final = "choose a smaller model, or raise the limit of locked memory (ulimit -l unlimited)"
OTHER_PROGRAM: Final = "was it made for this device? `amanuensis doctor` says what was found"


@dataclass(frozen=True, slots=True)
class Target:
    """An open device, and what is known of it.

    Attributes:
        device: `xrt.device`.
        device_name: what the results say: "npu", or "sim" for the emulator.
        hardware: the name that the device gives itself.
        architecture: which programs it runs.
        programs: folder of the compiled programs for it.
        package: what they are, where they run launches; None where one runs sequences of operators.
        memory_bytes: what all buffers together may take; None where nobody can tell.

    """

    device: Any = field(repr=False)
    device_name: Literal["npu", "sim"]
    hardware: str
    architecture: Architecture
    programs: Path
    package: Package | None = None
    memory_bytes: int | None = None


@dataclass(eq=False, slots=True)
class Buffer:
    """Device memory with its mirror on the host; make it with `XrtRuntime.allocate`.

    Attributes:
        kind: which argument of a program it can be.
        n_bytes: asked for; what is allocated is a whole number of lines.
        host: the mirror, uint8 [allocated]; written and read by the runtime's verbs only.

    """

    kind: BufferKind
    n_bytes: int
    bo: Any = field(repr=False)
    host: NDArray[np.uint8] = field(repr=False)


@dataclass(eq=False, slots=True)
class Pending:
    """A dispatch that was started."""

    run: Any = field(repr=False)
    loaded: Loaded = field(repr=False)
    started_s: float
    done: bool = False


@dataclass(eq=False, slots=True)
class Loaded:
    """A program in a context of its own."""

    name: str
    context: Any = field(repr=False)
    kernel: Any = field(repr=False)
    runs: OrderedDict[tuple[int, ...], Any] = field(default_factory=OrderedDict, repr=False)
    outstanding: deque[Pending] = field(default_factory=deque, repr=False)
    finished_s: float = 0.0  # when the newest dispatch was seen to be done


class XrtRuntime:
    """The six verbs on one device.

    Args:
        xrt: `pyxrt`, or a module that looks like it.
        target: the device.
        clock: where time comes from.
        deadline_s: longest wait for one dispatch.

    Attributes:
        device_name, hardware, architecture, memory_bytes, package: as in Target.
        clock: where time comes from.
        lost: why nothing more can be done; None while the device works.

    """

    def __init__(self, xrt: Any, target: Target, clock: Clock | None = None, deadline_s: float = DEADLINE_S) -> None:
        self.device_name = target.device_name
        self.hardware = target.hardware
        self.architecture = target.architecture
        self.memory_bytes = target.memory_bytes
        self.package = target.package
        self.lost: DeviceError | None = None
        self._xrt = xrt
        self._device = target.device
        self._programs = target.programs
        self.clock = clock or Clock()
        self._deadline_s = deadline_s
        self._loaded: dict[str, Loaded] = {}
        self._current: Loaded | None = None  # to which the newest dispatch was given
        self._dispatches = self._switches = 0
        self._bytes = {"to": 0, "from": 0}
        self._measured_us = 0.0
        self._modelled_before_us = self.clock.modelled_us() if self.clock.modelled_us else 0.0
        states = xrt.ert_cmd_state
        self._completed = states.ERT_CMD_STATE_COMPLETED
        self._under_way = (states.ERT_CMD_STATE_NEW, states.ERT_CMD_STATE_QUEUED, states.ERT_CMD_STATE_SUBMITTED)

    @property
    def work(self) -> DeviceWork:
        """What was done since the runtime was opened."""
        modelled = self.clock.modelled_us
        us = modelled() - self._modelled_before_us if modelled else self._measured_us
        timing: Literal["none", "modelled", "measured"] = "modelled" if modelled else "measured"
        done = (self._dispatches, self._bytes["to"], self._bytes["from"], us)
        return DeviceWork(*done, timing if self._dispatches else "none", self._switches)

    def load(self, name: str) -> Loaded:
        """Load the program of a name in a context of its own; the same one again when it is loaded already.

        Raises:
            ProgramError: there is no such file, or no kernel of ours in it.
            DeviceError: the device refuses it.

        """
        if name not in self._loaded:
            path = self.package.array(name) if self.package else self._programs / f"{name}.xclbin"
            with self._guarded(f"loading {path}", ProgramError, OTHER_PROGRAM):
                self._loaded[name] = self._load(name, path)
        return self._loaded[name]

    def _load(self, name: str, path: Path) -> Loaded:
        if not path.is_file():
            raise ProgramError(f"{path}: no such compiled program; `amanuensis doctor` says what this version has")
        binary = self._xrt.xclbin(str(path))
        names = [kernel.get_name() for kernel in binary.get_kernels()]
        found = next((name for name in names if name.startswith(KERNEL_PREFIX)), None)
        if found is None:
            raise ProgramError(f"{path}: no kernel {KERNEL_PREFIX} in it (it has {names}); build the programs again")
        context = self._xrt.hw_context(self._device, self._device.register_xclbin(binary))
        return Loaded(name, context, self._xrt.kernel(context, found))

    def allocate(self, loaded: Loaded | None, n_bytes: int, kind: BufferKind) -> Buffer:
        """Allocate device memory for one argument of a program, or of all; what it holds is undefined.

        Args:
            loaded: the program; None for data that all programs share.
            n_bytes: how much.
            kind: of the argument.

        Raises:
            DeviceMemoryError: there is not so much.

        """
        if n_bytes < 1:
            raise ValueError(f"{n_bytes} bytes for {kind}: at least 1")
        flags, argument = self._xrt.bo.flags.cacheable, 1
        if kind != "instructions":
            flags, argument = self._xrt.bo.flags.host_only, FIRST_DATA_ARGUMENT + DATA_KINDS.index(kind)
        group = loaded.kernel.group_id(argument) if loaded else SHARED_GROUP
        with self._guarded(f"allocating {n_bytes} bytes for {kind}", DeviceMemoryError, MORE_MEMORY):
            bo = self._xrt.bo(self._device, _whole_lines(n_bytes), flags, group)
            return Buffer(kind, n_bytes, bo, np.frombuffer(bo.map(), np.uint8))

    def write(self, buffer: Buffer, array: NDArray[Any], offset: int = 0) -> None:
        """Copy an array into a buffer and synchronise its lines to the device.

        Args:
            buffer: not in use by a dispatch.
            array: of any type and shape; its bytes in C order are written.
            offset: in bytes, a multiple of 64.

        """
        data = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
        start, stop = _span(buffer, offset, data.size)
        buffer.host[start : start + data.size] = data
        with self._guarded(f"writing {stop - start} bytes to {buffer.kind}"):
            buffer.bo.sync(self._xrt.xclBOSyncDirection.XCL_BO_SYNC_BO_TO_DEVICE, stop - start, start)
        self._bytes["to"] += stop - start

    def read(self, buffer: Buffer, shape: tuple[int, ...], dtype: DTypeLike, offset: int = 0) -> NDArray[Any]:
        """Synchronise part of a buffer from the device and return a copy of it as an array.

        Args:
            buffer: not in use by a dispatch.
            shape: of the array.
            dtype: of the array.
            offset: in bytes, a multiple of 64.

        """
        kind = np.dtype(dtype)
        n_bytes = int(np.prod(shape)) * kind.itemsize
        start, stop = _span(buffer, offset, n_bytes)
        with self._guarded(f"reading {stop - start} bytes of {buffer.kind}"):
            buffer.bo.sync(self._xrt.xclBOSyncDirection.XCL_BO_SYNC_BO_FROM_DEVICE, stop - start, start)
        self._bytes["from"] += stop - start
        return buffer.host[start : start + n_bytes].copy().view(kind).reshape(shape)

    def run(self, loaded: Loaded, instructions: Buffer, buffers: Sequence[Buffer]) -> Pending:
        """Start a dispatch and return at once; the context does its dispatches in the order of their start.

        Nothing orders the dispatches of two contexts, so those of another one are waited for first.

        Args:
            loaded: the program.
            instructions: the stream to run.
            buffers: weights, scratch, cache, input and output.

        Raises:
            DeviceError: the device does not take it, or an older dispatch, which had to be waited for, failed.

        """
        _check_arguments(instructions, buffers)
        self._switch(loaded)
        with self._guarded("preparing a dispatch"):
            run = self._run_object(loaded, instructions, buffers)
        while len(loaded.outstanding) >= MAX_OUTSTANDING or any(p.run is run for p in loaded.outstanding):
            self.wait(loaded.outstanding[0])
        with self._guarded("starting a dispatch"):
            pending = Pending(run, loaded, self.clock.monotonic())
            run.start()
        self._dispatches += 1
        loaded.outstanding.append(pending)
        return pending

    def wait(self, pending: Pending) -> None:
        """Wait until a dispatch is done, and with it all older ones of its context.

        Raises:
            DispatchTimeoutError: it took too long, by our clock or by the driver's.
            NoResponseError, DispatchFailedError, ContextLostError: what the device said of it.

        """
        queue = pending.loaded.outstanding
        while not pending.done:
            self._finish(queue[0])
            queue.popleft()

    def forget(self, loaded: Loaded, instructions: Buffer) -> None:
        """Let go of the runs of a stream that no dispatch is using, so that its memory can be given back."""
        for key in [key for key in loaded.runs if key[0] == id(instructions)]:
            del loaded.runs[key]

    def close(self) -> None:
        """Let go of everything, in the order that the driver wants: runs before contexts before the device."""
        for loaded in self._loaded.values():
            loaded.outstanding.clear()
            loaded.runs.clear()
            loaded.kernel = loaded.context = None
        self._current = None
        self._loaded.clear()
        self.lost = self.lost or ContextLostError("the device was closed")
        self._device = None

    # -- dispatches

    def _switch(self, loaded: Loaded) -> None:
        """Wait for what another context does, and count the change."""
        if self._current is not None and self._current is not loaded:
            for pending in [*self._current.outstanding]:
                self.wait(pending)
            self._switches += 1
        self._current = loaded

    def _run_object(self, loaded: Loaded, instructions: Buffer, buffers: Sequence[Buffer]) -> Any:
        key = (id(instructions), *map(id, buffers))
        if key in loaded.runs:
            loaded.runs.move_to_end(key)
            return loaded.runs[key][0]
        run = self._xrt.run(loaded.kernel)
        run.set_arg(0, OPCODE)
        run.set_arg(1, instructions.bo)
        run.set_arg(2, instructions.n_bytes // 4)
        for index, buffer in enumerate(buffers):
            run.set_arg(FIRST_DATA_ARGUMENT + index, buffer.bo)
        loaded.runs[key] = (run, instructions, tuple(buffers))  # holding them keeps their ids from being used again
        if len(loaded.runs) > MAX_RUNS:
            loaded.runs.popitem(last=False)
        return run

    def _finish(self, pending: Pending) -> None:
        poll_s = FIRST_POLL_S
        while True:
            with self._guarded("asking for the state of a dispatch"):
                state = pending.run.state()
            if state not in self._under_way:
                break
            waited_s = self.clock.monotonic() - pending.started_s
            if waited_s > self._deadline_s:
                raise self._lose(DispatchTimeoutError(f"a dispatch was not done after {waited_s:.1f} s; {AGAIN}"))
            self.clock.sleep(poll_s)
            poll_s = min(1.5 * poll_s, LONGEST_POLL_S)
        if state != self._completed:
            raise self._lose(_state_error(self._xrt, state))
        pending.done = True
        now_s = self.clock.monotonic()
        self._measured_us += 1e6 * (now_s - max(pending.started_s, pending.loaded.finished_s))
        pending.loaded.finished_s = now_s

    # -- failures

    def _lose(self, error: DeviceError) -> DeviceError:
        self.lost = self.lost or type(error)(str(error))  # a copy: a traceback would keep the lost context open
        return error

    @contextmanager
    def _guarded(self, what: str, kind: type[DeviceError] = ContextLostError, hint: str = AGAIN) -> Iterator[None]:
        """Turn what pyxrt raises into an error of ours; refuse everything once the context is lost."""
        if self.lost is not None:
            raise type(self.lost)(str(self.lost))
        try:
            yield
        except (RuntimeError, OSError, MemoryError) as error:  # pybind11 turns std::exception and its kin into these
            failure = kind(f"{what} failed ({' '.join(str(error).split())}); {hint}")
            raise (self._lose(failure) if kind is ContextLostError else failure) from error


def _state_error(xrt: Any, state: Any) -> DeviceError:
    states, name = xrt.ert_cmd_state, getattr(state, "name", str(state))
    if state == states.ERT_CMD_STATE_TIMEOUT:
        return DispatchTimeoutError(f"the driver's watchdog ended a dispatch ({name}); {AGAIN}")
    if state == states.ERT_CMD_STATE_NORESPONSE:
        return NoResponseError(f"the device does not answer ({name}); {AGAIN}")
    if state == states.ERT_CMD_STATE_ABORT:
        return ContextLostError(f"the driver took the context away ({name}); {AGAIN}")
    return DispatchFailedError(f"a dispatch failed on the device ({name}); {AGAIN}")


def _whole_lines(n_bytes: int) -> int:
    return -(-n_bytes // LINE_BYTES) * LINE_BYTES


def _span(buffer: Buffer, offset: int, n_bytes: int) -> tuple[int, int]:
    """Return the bytes of the lines that a range covers; ValueError when it does not lie in the buffer."""
    if offset % LINE_BYTES or offset < 0:
        raise ValueError(f"offset {offset} in {buffer.kind}: it must be a multiple of {LINE_BYTES}")
    if n_bytes < 1 or offset + n_bytes > buffer.n_bytes:
        raise ValueError(f"{n_bytes} bytes at {offset} of {buffer.kind}: it has {buffer.n_bytes}")
    return offset, offset + _whole_lines(n_bytes)


def _check_arguments(instructions: Buffer, buffers: Sequence[Buffer]) -> None:
    """Refuse what pyxrt would take in silence; ValueError."""
    if instructions.kind != "instructions" or instructions.n_bytes % 4:
        raise ValueError(f"{instructions.kind} of {instructions.n_bytes} bytes given as instructions")
    kinds = tuple(buffer.kind for buffer in buffers)
    if kinds != DATA_KINDS:
        raise ValueError(f"buffers are {', '.join(kinds)}; a program takes {', '.join(DATA_KINDS)}")

"""The six verbs on the emulated NPU, and what they make of its failures."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from amanuensis.kernels.ops import CopyRows, Nop, Operator, Region, encode
from amanuensis.npu import pyxrt_emulator
from amanuensis.npu.devices.xrt import runtime as module
from amanuensis.npu.devices.xrt.errors import (
    ContextLostError,
    DeviceError,
    DeviceMemoryError,
    DispatchFailedError,
    DispatchTimeoutError,
    NoResponseError,
    ProgramError,
)
from amanuensis.npu.devices.xrt.opening import open_runtime
from amanuensis.npu.devices.xrt.runtime import DATA_KINDS, MAX_OUTSTANDING, Buffer, Pending, XrtRuntime
from amanuensis.npu.pyxrt_emulator import Fault, Settings

PROGRAM = "whisper"
WEIGHTS, INPUT, OUTPUT = 0, 3, 4


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    """Put a device without settings in place, and leave none behind."""
    pyxrt_emulator.reset()
    yield
    pyxrt_emulator.reset()


def copy(n_bytes: int, source: int = INPUT, target: int = OUTPUT) -> Operator:
    """Return the operator that copies the first bytes of a buffer."""
    return CopyRows(Region(source, 0), Region(target, 0), 1, n_bytes, n_bytes, n_bytes)


class Rig:
    """A runtime with its five buffers."""

    def __init__(self, n_bytes: int = 4096, **settings: object) -> None:
        pyxrt_emulator.configure(Settings(**settings))  # type: ignore[arg-type]
        self.runtime = open_runtime("sim")
        self.loaded = self.runtime.load(PROGRAM)
        self.buffers = tuple(self.runtime.allocate(self.loaded, n_bytes, kind) for kind in DATA_KINDS)
        for buffer in self.buffers:
            self.runtime.write(buffer, np.zeros(n_bytes, np.uint8))

    def stream(self, *operators: Operator) -> Buffer:
        words = encode(operators)
        buffer = self.runtime.allocate(self.loaded, words.nbytes, "instructions")
        self.runtime.write(buffer, words)
        return buffer

    def start(self, stream: Buffer) -> Pending:
        return self.runtime.run(self.loaded, stream, self.buffers)

    def do(self, stream: Buffer) -> None:
        self.runtime.wait(self.start(stream))


def test_a_dispatch_computes_on_the_device() -> None:
    """What is written, run and read comes back changed by the program, bytes for bytes."""
    rig = Rig()
    data = np.arange(300, dtype=np.float32)
    rig.runtime.write(rig.buffers[INPUT], data)
    rig.do(rig.stream(copy(1200)))
    np.testing.assert_array_equal(rig.runtime.read(rig.buffers[OUTPUT], (3, 100), np.float32), data.reshape(3, 100))


def test_counters_equal_those_of_the_device() -> None:
    """Dispatches, bytes each way and the modelled time are those that the emulator counts for itself."""
    rig = Rig()
    stream = rig.stream(copy(1000), Nop())
    for size in (1, 64, 65, 1000):
        rig.runtime.write(rig.buffers[INPUT], np.ones(size, np.uint8), 128)
        rig.do(stream)
        rig.runtime.read(rig.buffers[OUTPUT], (size,), np.uint8, 64)
    work, counted = rig.runtime.work, pyxrt_emulator.counters()
    assert work.dispatches == counted.dispatches == 4
    assert work.bytes_to_device == counted.bytes_to_device
    assert work.bytes_from_device == counted.bytes_from_device == 64 + 64 + 128 + 1024
    assert work.device_us == counted.device_us > 0
    assert work.timing == "modelled"
    assert counted.clone_copies == 0


def test_time_without_a_model_is_measured() -> None:
    """Where nobody models the time of a dispatch, it is taken from its start, or the end of the one before."""
    rig = Rig()
    clock = module.Clock(rig.runtime.clock.monotonic, lambda _: None)
    target = module.Target(pyxrt_emulator.device(0), "npu", "NPU", "npu1", rig.runtime._programs)
    rig.runtime = XrtRuntime(pyxrt_emulator, target, clock)
    rig.loaded = rig.runtime.load(PROGRAM)
    rig.buffers = tuple(rig.runtime.allocate(rig.loaded, 4096, kind) for kind in DATA_KINDS)
    assert rig.runtime.work.timing == "none"
    before_s = clock.monotonic()
    stream = rig.stream(Nop())
    first, second = rig.start(stream), rig.start(rig.stream(Nop(), Nop()))
    rig.runtime.wait(second)
    assert first.done
    assert rig.runtime.work.timing == "measured"
    assert 0 < rig.runtime.work.device_us <= 1e6 * (clock.monotonic() - before_s)


def test_nothing_is_built_twice() -> None:
    """A dispatch that was done before allocates nothing and makes no run: a hundred cost as many objects as one."""
    rig = Rig()
    stream = rig.stream(Nop())
    rig.do(stream)
    allocations, runs = pyxrt_emulator.counters().allocations, len(rig.loaded.runs)
    for _ in range(100):
        rig.do(stream)
    assert pyxrt_emulator.counters().allocations == allocations
    assert len(rig.loaded.runs) == runs == 1
    assert rig.runtime.load(PROGRAM) is rig.loaded
    assert pyxrt_emulator.counters().contexts == 1


def test_runs_that_are_kept_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of many streams only the newest keep their run objects, and the others still work."""
    monkeypatch.setattr(module, "MAX_RUNS", 3)
    rig = Rig()
    streams = [rig.stream(*[Nop()] * k) for k in range(1, 6)]
    for stream in (*streams, *streams):
        rig.do(stream)
    assert len(rig.loaded.runs) == 3
    assert rig.runtime.work.dispatches == 10


def test_more_dispatches_than_a_context_takes() -> None:
    """Starting more than the driver lets wait is no error: the oldest is waited for, and all are done in order."""
    rig = Rig()
    streams = [rig.stream(copy(64 * (k + 1))) for k in range(3 * MAX_OUTSTANDING)]
    rig.runtime.write(rig.buffers[INPUT], np.arange(4096, dtype=np.uint8))
    pending = [rig.start(stream) for stream in streams]
    assert sum(not each.done for each in pending) <= MAX_OUTSTANDING
    rig.runtime.wait(pending[-1])
    assert all(each.done for each in pending)
    got = rig.runtime.read(rig.buffers[OUTPUT], (len(streams) * 64,), np.uint8)
    np.testing.assert_array_equal(got, np.arange(len(streams) * 64, dtype=np.uint8))


def test_the_same_dispatch_again_waits_for_itself() -> None:
    """A run object cannot run twice at once; starting it again is right all the same."""
    rig = Rig()
    stream = rig.stream(Nop())
    first, second = rig.start(stream), rig.start(stream)
    assert first.done
    rig.runtime.wait(second)
    assert rig.runtime.work.dispatches == 2


@given(st.integers(0, 63), st.integers(1, 256))
def test_written_bytes_lie_where_they_should(line: int, size: int) -> None:
    """Any bytes at any line come back, and their neighbours are left alone."""
    rig = Rig(8192)
    expected = np.zeros(8192, np.uint8)
    data = np.random.default_rng([line, size]).integers(1, 256, size, np.uint8)
    expected[64 * line : 64 * line + size] = data
    rig.runtime.write(rig.buffers[INPUT], data, 64 * line)
    rig.do(rig.stream(copy(8192)))
    np.testing.assert_array_equal(rig.runtime.read(rig.buffers[OUTPUT], (8192,), np.uint8), expected)


FAILURES: list[tuple[str, type[DeviceError], str]] = [
    ("timeout", DispatchTimeoutError, "watchdog"),
    ("hang", DispatchTimeoutError, "not done after"),
    ("no_response", NoResponseError, "does not answer"),
    ("error", DispatchFailedError, "failed on the device"),
    ("context_lost", ContextLostError, "took the context away"),
    ("evicted", ContextLostError, "starting a dispatch failed"),
    ("device_lost", ContextLostError, "starting a dispatch failed"),
]


@pytest.mark.parametrize(("kind", "error", "words"), FAILURES)
def test_failures_of_a_dispatch(kind: str, error: type[DeviceError], words: str) -> None:
    """Each way to fail is an error of its own; afterwards everything is refused for the same reason."""
    rig = Rig(faults=(Fault(kind, at=2),))  # type: ignore[arg-type]
    stream = rig.stream(Nop())
    rig.do(stream)
    with pytest.raises(error, match=words):
        rig.do(stream)
    for verb in (
        lambda: rig.do(stream),
        lambda: rig.runtime.write(rig.buffers[INPUT], np.zeros(64, np.uint8)),
        lambda: rig.runtime.read(rig.buffers[OUTPUT], (64,), np.uint8),
        lambda: rig.runtime.allocate(rig.loaded, 64, "input"),
        lambda: rig.runtime.load("other"),
    ):
        with pytest.raises(error, match=words):
            verb()


@pytest.mark.parametrize("kind", [kind for kind, _, _ in FAILURES])
def test_a_new_runtime_works_after_any_failure(kind: str) -> None:
    """The device can be opened again in the same process once the failed runtime was closed."""
    rig = Rig(faults=(Fault(kind, at=1),))  # type: ignore[arg-type]
    with pytest.raises(DeviceError):
        rig.do(rig.stream(Nop()))
    rig.runtime.close()
    del rig
    gc.collect()
    again = open_runtime("sim")
    loaded = again.load(PROGRAM)
    buffers = tuple(again.allocate(loaded, 1024, each) for each in DATA_KINDS)
    words = encode([Nop()])
    stream = again.allocate(loaded, words.nbytes, "instructions")
    again.write(stream, words)
    again.wait(again.run(loaded, stream, buffers))
    assert again.work.dispatches == 1


def test_failure_of_an_older_dispatch_is_not_passed_over() -> None:
    """Waiting for the newest tells of the one before it that failed."""
    rig = Rig(faults=(Fault("error", at=1),))
    first, second = rig.stream(Nop()), rig.stream(Nop(), Nop())
    rig.start(first)
    pending = rig.start(second)
    with pytest.raises(DispatchFailedError):
        rig.runtime.wait(pending)
    assert not pending.done


def test_too_little_memory_is_told_and_harms_nothing() -> None:
    """What does not fit is refused with what to do; what was allocated goes on working."""
    rig = Rig(device_memory_bytes=1 << 20)
    assert rig.runtime.memory_bytes == 1 << 20
    with pytest.raises(DeviceMemoryError, match=r"2097152 bytes for weights.*smaller model"):
        rig.runtime.allocate(rig.loaded, 2 << 20, "weights")
    rig.do(rig.stream(Nop()))


def test_limit_of_locked_memory_is_named() -> None:
    """An allocation that the limit of locked memory forbids says how to raise it."""
    rig = Rig()
    pyxrt_emulator.inject(Fault("memlock"))
    with pytest.raises(DeviceMemoryError, match="ulimit -l"):
        rig.runtime.allocate(rig.loaded, 64, "input")


def test_missing_and_broken_programs(tmp_path: Path) -> None:
    """A program that is not there, and one that is none, are told by their path."""
    target = module.Target(pyxrt_emulator.device(0), "sim", "NPU", "npu1", tmp_path)
    runtime = XrtRuntime(pyxrt_emulator, target)
    with pytest.raises(ProgramError, match=r"whisper\.xclbin: no such compiled program"):
        runtime.load(PROGRAM)
    (tmp_path / "whisper.xclbin").write_bytes(b"nonsense")
    with pytest.raises(ProgramError, match=r"whisper\.xclbin failed"):
        runtime.load(PROGRAM)
    assert runtime.lost is None


def test_program_of_another_architecture() -> None:
    """A program for the other generation is refused before anything runs."""
    other = open_runtime("sim")._programs
    pyxrt_emulator.configure(Settings(architecture="npu2"))
    target = module.Target(pyxrt_emulator.device(0), "sim", "NPU", "npu2", other)
    with pytest.raises(ProgramError, match="npu1"):
        XrtRuntime(pyxrt_emulator, target).load(PROGRAM)


def test_wrong_arguments_are_refused_before_pyxrt_sees_them() -> None:
    """What real pyxrt would take in silence is a ValueError here."""
    rig = Rig()
    stream, buffers = rig.stream(Nop()), rig.buffers
    swapped = (*buffers[:INPUT], buffers[OUTPUT], buffers[INPUT])
    for instructions, given_buffers in ((stream, swapped), (stream, buffers[:4]), (buffers[INPUT], buffers)):
        with pytest.raises(ValueError, match=r"buffers are|given as instructions"):
            rig.runtime.run(rig.loaded, instructions, given_buffers)
    for offset, size in ((1, 1), (-64, 1), (0, 0), (4096, 1), (64, 4096)):
        with pytest.raises(ValueError, match=r"multiple of 64|it has 4096"):
            rig.runtime.write(buffers[INPUT], np.zeros(size, np.uint8), offset)
        with pytest.raises(ValueError, match=r"multiple of 64|it has 4096"):
            rig.runtime.read(buffers[OUTPUT], (size,), np.uint8, offset)
    with pytest.raises(ValueError, match="at least 1"):
        rig.runtime.allocate(rig.loaded, 0, "input")
    assert rig.runtime.lost is None
    rig.do(stream)


def test_a_closed_runtime_does_nothing() -> None:
    """After closing every verb says so, and the context is free."""
    rig = Rig()
    stream = rig.stream(Nop())
    rig.do(stream)
    rig.runtime.close()
    with pytest.raises(ContextLostError, match="closed"):
        rig.do(stream)

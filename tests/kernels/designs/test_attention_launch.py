"""Attention on the array gives what the machine gives, and nothing else is written."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pytest
from numpy.typing import NDArray

from amanuensis.kernels.designs._iron import NPU1, NPU2, Device, NPU1Col1
from amanuensis.kernels.designs.attention_launch import COVERS, launch
from amanuensis.kernels.designs.launch import LaunchError, run_launch
from amanuensis.kernels.dtypes import BFLOAT16, Float32, to_bf16, to_f32
from amanuensis.kernels.machine import run_operator
from amanuensis.kernels.memory import Memory
from amanuensis.kernels.operands import Buffer, Parameter, Region
from amanuensis.kernels.operators import Attention, Nop
from amanuensis.kernels.reference.attention import seen_keys
from amanuensis.kernels.sim.run import Simulation
from amanuensis.kernels.sim.trace import Trace
from tests.kernels.device import Device as DeviceMemory
from tests.kernels.figures import BF16_NRMSE, bf16_noise, nrmse

NOT_A_NUMBER = np.float32(np.nan)
ROUNDING = BF16_NRMSE / 10  # between two orders of the same sums, before they are rounded to bf16
SPEEDS = ["exact", "object"]
DEVICES = [NPU1(), NPU2()]


@dataclass
class Case:
    """An attention over memory in which all but its operands is not a number.

    q, k and v are the columns of one matrix where `interleaved`, as the encoder's, else matrices of their own.
    """

    rows: int
    keys: int
    heads: int
    size: int = 64
    first: int | None = None
    interleaved: bool = False
    memory: DeviceMemory = field(init=False)
    operator: Attention = field(init=False)
    operands: tuple[Float32, Float32, Float32] = field(init=False)

    def __post_init__(self) -> None:
        width, longest = self.heads * self.size, max(self.rows, self.keys)
        self.operands = (
            bf16_noise((self.rows, width), 1, 2),
            bf16_noise((self.keys, width), 2, 2),
            bf16_noise((self.keys, width), 3),
        )
        self.memory = DeviceMemory(-(-(longest + 64) * width * 8 // 64) * 64)
        for buffer in self.memory.buffers:
            buffer.view(np.uint16)[:] = to_bf16(np.full(1, NOT_A_NUMBER)).view(np.uint16)[0]
        self.memory.set_parameters({2: self.keys, 3: self.first or 0, 4: self.rows})
        matrices = [np.full((longest, width), NOT_A_NUMBER) for _ in range(3)]
        for matrix, operand in zip(matrices, self.operands, strict=True):
            matrix[: len(operand)] = operand
        pitch = 0
        if self.interleaved:
            pitch = 3 * width * 2
            start = self.memory.put(to_bf16(np.concatenate(matrices, 1)), Buffer.SCRATCH).offset
            places = [Region(Buffer.SCRATCH, start + i * width * 2) for i in range(3)]
        else:
            places = [self.memory.put(to_bf16(matrix), Buffer.CACHE) for matrix in matrices]
        self.operator = Attention(
            *places,
            dst=self.memory.room(Buffer.OUTPUT, self.rows * width * 2),
            rows=Parameter(4, self.rows),
            keys=Parameter(2, self.keys),
            heads=self.heads,
            size=self.size,
            causal=self.first is not None,
            first=Parameter(3),
            scale=self.size**-0.5,
            q_pitch=pitch,
            kv_pitch=pitch,
        )

    def result(self, buffers: list[np.ndarray]) -> NDArray[Any]:
        """Return the bits of the result, uint16 [rows, width], a view."""
        n_bytes, start = self.rows * self.heads * self.size * 2, self.operator.dst.offset
        return buffers[Buffer.OUTPUT][start : start + n_bytes].view(np.uint16).reshape(self.rows, -1)

    def exact(self) -> NDArray[np.float64]:
        """Return the result in float64."""
        q, k, v = (m.reshape(len(m), self.heads, self.size).astype(np.float64) for m in self.operands)
        scores = np.einsum("rhd,khd->hrk", q, k) * self.size**-0.5
        seen = seen_keys(self.rows, self.keys, self.first)
        scores = np.where(np.arange(self.keys) < seen[:, None], scores, -np.inf)
        powers = np.exp(scores - scores.max(2, keepdims=True))
        weights = powers / powers.sum(2, keepdims=True)
        return np.einsum("hrk,khd->rhd", weights, v).reshape(self.rows, -1)


def compare(case: Case, device: Device, speed: Literal["exact", "object"]) -> Trace:
    """Attend on the machine and on the array, hold one to the other and both to float64, and return the trace."""
    wanted, buffers = ([buffer.copy() for buffer in case.memory.buffers] for _ in range(2))
    run_operator(case.operator, Memory(wanted))
    trace = run_launch(launch(case.operator, Memory(buffers), device), buffers, speed)
    expected, given = (to_f32(case.result(all_).view(BFLOAT16)) for all_ in (wanted, buffers))
    assert nrmse(given, expected) < ROUNDING
    assert nrmse(given, case.exact()) < BF16_NRMSE
    for all_ in (wanted, buffers):
        case.result(all_)[:] = 0
    assert all(np.array_equal(one, other) for one, other in zip(wanted, buffers, strict=True))
    return trace


@pytest.mark.parametrize("speed", SPEEDS)
@pytest.mark.parametrize("device", DEVICES, ids=str)
@pytest.mark.parametrize(
    "case",
    [
        (1, 1, 1),
        (9, 33, 3),
        (31, 31, 1, 16),
        (33, 64, 2, 16),
        (33, 65, 5, 64, None, True),
        (9, 40, 2, 64, 31),
        (33, 33, 3, 16, 0),
    ],
    ids=str,
)
def test_ragged_rows_and_keys(case: tuple[Any, ...], device: Device, speed: Literal["exact", "object"]) -> None:
    """Few rows and keys of any number, whole and causal, apart and interleaved; what lies beyond is never read."""
    compare(Case(*case), device, speed)


@pytest.mark.parametrize("device", DEVICES, ids=str)
@pytest.mark.parametrize(("rows", "first"), [(257, 43), (300, 0), (512, 100), (600, None)])
def test_blocks_of_rows_are_spread_over_columns(rows: int, first: int | None, device: Device) -> None:
    """Three heads of several blocks of rows: columns begin in the middle of a head and pass on to the next."""
    compare(Case(rows, rows + (first or 0), 3, 16, first), device, "object")


@pytest.mark.parametrize("device", DEVICES, ids=str)
@pytest.mark.parametrize(("bucket", "frames"), [(256, 250), pytest.param(1536, 1500, marks=pytest.mark.long)])
def test_the_encoder_of_whisper_base(bucket: int, frames: int, device: Device) -> None:
    """Eight heads of 64 over the shortest and the longest audio context, of which only the frames are seen."""
    trace = compare(Case(bucket, frames, 8, interleaved=True), device, "object")
    row_bytes = 8 * 64 * 2
    shown = -(-frames // 32) * 32
    assert trace.bytes_read == bucket * row_bytes + bucket // 256 * 2 * shown * row_bytes
    assert trace.bytes_written == bucket * row_bytes
    assert min(task.burst_bytes for task in trace.tasks) == 128


def test_the_encoder_of_whisper_base_at_exact_speed() -> None:
    """A window of five seconds, beat by beat, moves what the same launch moves object by object."""
    assert compare(Case(256, 250, 8, interleaved=True), NPU1(), "exact") == compare(
        Case(256, 250, 8, interleaved=True), NPU1(), "object"
    )


@pytest.mark.parametrize("device", DEVICES, ids=str)
@pytest.mark.parametrize(("bucket", "frames"), [(256, 256), (512, 301)])
def test_the_encoder_of_the_built_in_model(bucket: int, frames: int, device: Device) -> None:
    """Four heads of 64, fewer than an array may have columns."""
    compare(Case(bucket, frames, 4, interleaved=True), device, "object")


def test_many_rows_over_the_keys_of_an_encoding() -> None:
    """Cross-attention of 32 rows over 1500 keys."""
    compare(Case(32, 1500, 8), NPU1(), "object")


def test_causal_attention_reads_no_key_that_nobody_sees() -> None:
    """Nine rows after 20 positions see 29 keys of 500: one block."""
    trace = compare(Case(9, 500, 1, 16, 20), NPU1Col1(), "object")
    assert trace.bytes_read == (256 + 2 * 32) * 16 * 2


def test_no_rows_are_no_work() -> None:
    """Nothing is transferred when a parameter says that there are no rows."""
    case = Case(9, 33, 1, 16)
    case.memory.set_parameters({})
    before = [buffer.copy() for buffer in case.memory.buffers]
    trace = run_launch(launch(case.operator, Memory(case.memory.buffers), NPU1()), case.memory.buffers)
    assert not trace.tasks
    assert all(np.array_equal(one, other) for one, other in zip(before, case.memory.buffers, strict=True))


def test_a_launch_may_be_dispatched_again() -> None:
    """The second dispatch on the same array gives the same bits."""
    case = Case(300, 100, 3, 16)
    buffers = case.memory.buffers
    made = launch(case.operator, Memory(buffers), NPU1())
    results = []
    with Simulation(made.program) as array:
        for _ in range(2):
            case.result(buffers)[:] = 0
            array.run(*(buffer.view(np.int32) for buffer in buffers))
            results.append(case.result(buffers).copy())
    assert np.array_equal(*results)


def test_it_says_what_it_is() -> None:
    """Configuration and sizes stand in the launch, and the operators in a set."""
    case = Case(9, 33, 2, 16)
    made = launch(case.operator, Memory(case.memory.buffers), NPU1())
    assert (made.configuration, made.what) == ("attention", "Attention of 9 rows, 33 keys, 2 heads of 16")
    assert frozenset({Attention}) == COVERS


BASE: dict[str, Any] = {
    "rows": 4,
    "keys": 40,
    "heads": 2,
    "size": 16,
    "causal": False,
    "first": 0,
    "scale": 0.25,
}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"size": 24}, "Attention.size is 24; allowed are multiples of 16 up to 64"),
        ({"size": 128}, "Attention.size is 128; allowed are multiples of 16 up to 64"),
        ({"scale": 0.3}, "Attention.scale is 0.3; the cores scale heads of 16 by 0.25"),
        ({"q_pitch": 66}, "Attention.q_pitch is 66; a DMA takes multiples of 4 bytes"),
        ({"kv_pitch": 70}, "Attention.kv_pitch is 70; a DMA takes multiples of 4 bytes"),
        ({"keys": 0}, "Attention: there are no keys to attend to"),
        ({"keys": 100000}, "Attention: k takes bytes 0 to 6400000 of CACHE, which has 65536"),
        ({"rows": 5000}, "Attention: q takes bytes 0 to 320000 of SCRATCH, which has 65536"),
        ({"dst": Region(Buffer.CACHE, 1024)}, "Attention: dst, words 256 to 320, overlaps k, 0 to 640"),
        ({"q": Region(Buffer.SCRATCH, 4)}, "Attention: q starts at byte 4; tensors start at multiples of 64"),
        ({"rows": Parameter(7, 4)}, "Attention: rows is parameter 7 = 9; allowed are 0 to 4"),
        (
            {"probabilities": Region(Buffer.OUTPUT, 0), "kept_heads": (0,), "pitch": 64},
            "Attention.probabilities: the configuration attention keeps none",
        ),
    ],
)
def test_what_cannot_be_launched_is_named(change: dict[str, Any], message: str) -> None:
    """Operator, value and limit are named."""
    memory = DeviceMemory(1 << 16)
    memory.set_parameters({7: 9})
    places = {
        "q": Region(Buffer.SCRATCH, 0),
        "k": Region(Buffer.CACHE, 0),
        "v": Region(Buffer.CACHE, 4096),
        "dst": Region(Buffer.OUTPUT, 0),
    }
    with pytest.raises(LaunchError, match=message):
        launch(Attention(**{**BASE, **places, **change}), Memory(memory.buffers), NPU1())


def test_other_operators_are_refused() -> None:
    """The operator and the configuration are named."""
    memory = Memory(DeviceMemory(1 << 16).buffers)
    with pytest.raises(LaunchError, match="Nop is not in the configuration attention, which has Attention"):
        launch(Nop(), memory, NPU1())

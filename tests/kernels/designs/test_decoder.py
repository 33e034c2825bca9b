"""Every operator of a decoder layer on the array gives what the machine gives, and nothing else is written."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from amanuensis.kernels.designs._iron import NPU1, NPU2, Device
from amanuensis.kernels.designs.decoder import COVERS, launch, launch_sequence
from amanuensis.kernels.designs.decoder_array import FLAGS, SOURCE, STACK_BYTES
from amanuensis.kernels.designs.launch import LaunchError, run_launch
from amanuensis.kernels.dtypes import BFLOAT16
from amanuensis.kernels.host.build import ARCHITECTURE_FLAGS, build, sanitizer_runtime, stack_usage
from amanuensis.kernels.machine import run_operator
from amanuensis.kernels.memory import Memory
from amanuensis.kernels.operands import Buffer, Parameter, Region
from amanuensis.kernels.operators import CopyRows, Nop, Operator
from amanuensis.kernels.sim.check import check
from amanuensis.kernels.sim.engine import Speed
from amanuensis.kernels.sim.footprint import FRAME_BYTES
from amanuensis.kernels.sim.plan import Design
from amanuensis.kernels.sim.runtime import Await, Start
from tests.kernels.cores import needs_compiler
from tests.kernels.designs import decoder_cases as cases
from tests.kernels.device import Device as DeviceMemory
from tests.kernels.figures import BF16_NRMSE, nrmse

pytestmark = needs_compiler
DEVICES = [NPU1(), NPU2()]
SPEEDS: list[Speed] = ["exact", "object"]
HOST_ONLY = {"abort", "fprintf", "stderr", "__fprintf_chk", "memcpy", "memset", "memmove", "__tls_get_addr"}
SANITIZED = """
import functools
from amanuensis.kernels.host.build import load
from amanuensis.kernels.sim import functions
functions.load = functools.partial(load, sanitize=True)
from amanuensis.kernels.sim.iron import NPU1, NPU2
from tests.kernels.designs.decoder_cases import both
from tests.kernels.designs.test_decoder import samples
for device in (NPU1(), NPU2()):
    for operator, memory in samples():
        both(operator, memory, device)
"""
FLOAT_NRMSE = 1e-5  # of float32 results: another order of the same sums


def equal(made: cases.Bytes, expected: cases.Bytes) -> None:
    """See that two states of memory are the same to the last byte."""
    differ = [int((a != b).sum()) for a, b in zip(made, expected, strict=True)]
    assert differ == [0] * len(Buffer)


def close(made: cases.Bytes, expected: cases.Bytes, region: Region, dtype: Any, elements: int) -> None:
    """See that a tensor agrees as well as its type allows, and the rest of memory to the last byte."""
    n_bytes = elements * np.dtype(dtype).itemsize
    error = nrmse(*(cases.tensor(buffers, region, dtype, n_bytes) for buffers in (made, expected)))
    assert error <= (BF16_NRMSE if dtype == BFLOAT16 else FLOAT_NRMSE)
    for buffers in (made, expected):
        cases.clear(buffers, region, n_bytes)
    equal(made, expected)


@pytest.mark.parametrize("speed", SPEEDS)
@pytest.mark.parametrize("device", DEVICES, ids=str)
@pytest.mark.parametrize("rows", [1, 9, 31, 32])
def test_int8_products_are_those_of_the_machine(rows: int, device: Device, speed: Speed) -> None:
    """Sums are exact; what ends them is computed in the same steps, so that not a bit differs."""
    operator, memory = cases.product_int8(rows, 128, 320, gelu=rows == 9, bias=rows != 31, scales_last=rows == 1)
    equal(*cases.both(operator, memory, device, speed)[:2])


@pytest.mark.parametrize("apart", [0, 5 << 20])
def test_scales_and_bias_may_lie_anywhere(apart: int) -> None:
    """In one place, and so far apart that no transfer reaches from one to the other."""
    operator, memory = cases.product_int8(9, 128, 320)
    weights = memory.buffers[Buffer.WEIGHTS]
    memory.buffers[Buffer.WEIGHTS] = np.concatenate([weights, *[weights[:64]] * (apart // 64)])
    start = operator.b_scales.offset
    bias = memory.buffers[Buffer.WEIGHTS][start + apart :][: 4 * operator.n]
    bias[:] = weights[start : start + 4 * operator.n]
    operator = replace(operator, bias=Region(Buffer.WEIGHTS, start + apart))
    equal(*cases.both(operator, memory, NPU1())[:2])


@pytest.mark.parametrize("n", [256, 384, 576])
@pytest.mark.parametrize("rows", [1, 9])
def test_a_residual_that_is_its_own_destination_is_added_once(rows: int, n: int) -> None:
    """Also to columns that the last tile, cut short, makes a second time."""
    operator, memory = cases.product_int8(rows, 256, n, residual=True, f32=True)
    equal(*cases.both(operator, memory, NPU1())[:2])


@pytest.mark.parametrize("speed", SPEEDS)
@pytest.mark.parametrize("device", DEVICES, ids=str)
@pytest.mark.parametrize("rows", [1, 3, 9, 32])
def test_bf16_products_agree(rows: int, device: Device, speed: Speed) -> None:
    """Float32 sums over k in another order; ragged rows right before what is written are filled up."""
    operator, memory = cases.product_bf16(rows, 128, 320, residual=rows < 9, f32=rows < 9, gelu=rows == 9)
    made, expected, _ = cases.both(operator, memory, device, speed)
    close(made, expected, operator.dst, np.float32 if rows < 9 else BFLOAT16, rows * 320)


@pytest.mark.parametrize("device", DEVICES, ids=str)
@pytest.mark.parametrize("rows", [1, 9, 31])
def test_narrow_products_agree(rows: int, device: Device) -> None:
    """A float32 result of few columns is made in tiles half as wide and twice as deep."""
    narrow, memory = cases.product_int8(rows, 256, 512, residual=True, f32=True, gelu=rows == 9)
    equal(*cases.both(narrow, memory, device)[:2])
    operator, memory = cases.product_bf16(rows, 128, 384, residual=rows == 9, f32=True)
    made, expected, _ = cases.both(operator, memory, device)
    close(made, expected, operator.dst, np.float32, rows * 384)


@pytest.mark.parametrize("speed", SPEEDS)
@pytest.mark.parametrize("device", DEVICES, ids=str)
@pytest.mark.parametrize(("rows", "width"), [(1, 256), (9, 384), (33, 512)])
def test_layer_norm_agrees(rows: int, width: int, device: Device, speed: Speed) -> None:
    """Rows go round the columns; 384 is no multiple of what a column gives at a time."""
    operator, memory = cases.norm(rows, width)
    made, expected, _ = cases.both(operator, memory, device, speed)
    close(made, expected, operator.dst, BFLOAT16, rows * width)


@pytest.mark.parametrize("speed", SPEEDS)
@pytest.mark.parametrize("device", DEVICES, ids=str)
@pytest.mark.parametrize(("rows", "width"), [(1, 256), (9, 384), (31, 128), (32, 512)])
def test_quantisation_is_that_of_the_machine(rows: int, width: int, device: Device, speed: Speed) -> None:
    """Integers and scales alike, a row of zeros, zero rows at the end of the last block, no scale too many."""
    operator, memory = cases.quantise(rows, width, smooth=rows != 9)
    made, expected, _ = cases.both(operator, memory, device, speed)
    scales = [cases.tensor(buffers, operator.scales, np.float32, 4 * rows) for buffers in (made, expected)]
    np.testing.assert_array_equal(*scales)  # -0 equals 0: the machine's scale of zeros has either sign
    for buffers in (made, expected):
        cases.clear(buffers, operator.scales, 4 * rows)
    equal(made, expected)


@pytest.mark.parametrize("speed", SPEEDS)
@pytest.mark.parametrize("device", DEVICES, ids=str)
@pytest.mark.parametrize(
    "sizes", [(1, 64, 64, 64), (1, 1024, 3072, 6144), (31, 1536, 4608, 6144), (7, 12288, 12288, 12288), (3, 28, 36, 44)]
)
def test_copies_are_exact(sizes: tuple[int, int, int, int], device: Device, speed: Speed) -> None:
    """A receipt, keys and values into the cache, whole rows of a cache, and sizes that no object fits."""
    operator, memory = cases.copy(*sizes)
    equal(*cases.both(operator, memory, device, speed)[:2])


@pytest.mark.parametrize("speed", SPEEDS)
@pytest.mark.parametrize("device", DEVICES, ids=str)
@pytest.mark.parametrize(("rows", "width", "step"), [(1, 256, 1), (9, 384, 1), (5, 128, 0)])
def test_embeddings_are_exact(rows: int, width: int, step: int, device: Device, speed: Speed) -> None:
    """By the ids that lie in memory, at following positions or all at one."""
    operator, memory = cases.embed(rows, width, step)
    equal(*cases.both(operator, memory, device, speed)[:2])


@pytest.mark.parametrize("speed", SPEEDS)
@pytest.mark.parametrize("device", DEVICES, ids=str)
@pytest.mark.parametrize(
    ("rows", "keys", "heads", "first"), [(1, 1, 4, 0), (9, 100, 6, 91), (31, 65, 5, None), (3, 40, 4, 30)]
)
def test_attention_agrees(rows: int, keys: int, heads: int, first: int | None, device: Device, speed: Speed) -> None:
    """Causal and not, heads that no column divides; memory behind the last key is not a number and has no effect."""
    operator, memory = cases.attention(rows, keys, heads, first=first)
    made, expected, _ = cases.both(operator, memory, device, speed)
    close(made, expected, operator.dst, BFLOAT16, rows * heads * 64)


def test_values_may_lie_far_from_their_keys() -> None:
    """So far that no transfer reaches from one to the other."""
    operator, memory = cases.attention(9, 100, 4, first=91)
    cache, far = memory.buffers[Buffer.CACHE], 5 << 20
    memory.buffers[Buffer.CACHE] = np.zeros(far + cache.size, np.uint8)
    memory.buffers[Buffer.CACHE][: cache.size] = cache
    memory.buffers[Buffer.CACHE][far : far + cache.size - operator.v.offset] = cache[operator.v.offset :]
    operator = replace(operator, v=Region(Buffer.CACHE, far))
    made, expected, _ = cases.both(operator, memory, NPU1())
    close(made, expected, operator.dst, BFLOAT16, 9 * 256)


@pytest.mark.parametrize("tight", [False, True])
@pytest.mark.parametrize(("rows", "keys", "kept"), [(1, 130, (2,)), (9, 200, (0, 1, 2, 3, 1))])
def test_kept_probabilities_agree(rows: int, keys: int, kept: tuple[int, ...], tight: bool) -> None:
    """Of any heads, more than there are columns; zero from the last key on; also where the cache ends with it."""
    operator, memory = cases.attention(rows, keys, 4, kept=kept, tight=tight)
    made, expected, _ = cases.both(operator, memory, NPU1())
    assert operator.probabilities is not None
    elements = len(kept) * rows * operator.pitch
    found = [cases.tensor(buffers, operator.probabilities, np.float32, 4 * elements) for buffers in (made, expected)]
    assert nrmse(*found) <= BF16_NRMSE
    np.testing.assert_array_equal(found[0] == 0, found[1] == 0)
    for buffers in (made, expected):
        cases.clear(buffers, operator.probabilities, 4 * elements)
    close(made, expected, operator.dst, BFLOAT16, rows * 256)


def samples() -> list[tuple[Operator, DeviceMemory]]:
    """Return an operator of each kind and several sizes."""
    return [
        cases.product_int8(1, 128, 256),
        cases.product_int8(32, 384, 1152, gelu=True),
        cases.product_bf16(5, 64, 512),
        cases.product_bf16(2, 128, 256, f32=True),
        cases.norm(3, 384),
        cases.quantise(9, 512, smooth=True),
        cases.copy(2, 512, 512, 512),
        cases.embed(4, 256),
        cases.attention(7, 70, 6, first=60, kept=(1,)),
    ]


def graph_of(design: Design) -> list[Any]:
    """Return all of a design but its sequence."""
    pools = [(p.name, p.place, str(p.array), p.depth, p.parts) for p in design.pools]
    channels = [(name, str(c), c.descriptors, c.dims, c.parts, c.repeat) for name, c in design.channels]
    workers = [
        (
            design.worker_name(worker),
            worker.stack_size,
            [(b._name, b._array.bytes) for b in worker._buffers],
            [handle.name for handle in worker._fifos],
            len(worker._barriers),
            sorted((k._name, n) for k, n in design.passes[worker].call_sites.items()),
        )
        for worker in design.workers
    ]
    return [pools, channels, workers]


@pytest.mark.parametrize("device", DEVICES, ids=str)
def test_all_launches_have_one_graph(device: Device) -> None:
    """Operator, shape and place change the sequence and nothing else."""
    graphs = [graph_of(launch(op, Memory(m.buffers), device).program.resolve_program()) for op, m in samples()]
    assert {type(op) for op, _ in samples()} == COVERS
    assert all(graph == graphs[0] for graph in graphs)


@pytest.mark.parametrize("device", DEVICES, ids=str)
def test_budgets_are_within_the_limits(device: Device, capsys: pytest.CaptureFixture[str]) -> None:
    """High-water marks of every kind of tile; `check` refuses what passes one."""
    designs = [launch(op, Memory(m.buffers), device).program.resolve_program() for op, m in samples()]
    reports = [check(design) for design in designs]
    with capsys.disabled():
        print()
        for kind in ("core", "mem", "shim"):
            uses = [report.most(kind) for report in reports]
            print(f"decoder on {device}, {kind}: most descriptors {max(u.descriptors for u in uses)}; {uses[0]}")
    core, memory = reports[0].most("core"), reports[0].most("mem")
    assert (core.s2mm, core.mm2s) == (2, 2)
    assert (memory.s2mm, memory.mm2s) == (5, 5)


@pytest.mark.parametrize("architecture", ["npu1", "npu2"])
def test_kernels_need_no_library(architecture: str) -> None:
    """What is built calls nothing that a core lacks, but for the checks of the shim."""
    made = build(SOURCE, (*ARCHITECTURE_FLAGS[architecture], *FLAGS))
    listing = subprocess.run(["nm", "-D", "--undefined-only", str(made)], check=True, capture_output=True, text=True)
    names = {line.split()[-1].split("@")[0] for line in listing.stdout.splitlines() if line.split()[-2] == "U"}
    assert names <= HOST_ONLY


def test_sanitizers_find_nothing() -> None:
    """Every operator runs clean with kernels built for the address and undefined-behaviour sanitizers."""
    run = [sys.executable, "-c", SANITIZED]
    variables = {"LD_PRELOAD": str(sanitizer_runtime()), "ASAN_OPTIONS": "detect_leaks=0"}
    root = Path(__file__).resolve().parents[3]
    done = subprocess.run(run, cwd=root, env={**os.environ, **variables}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("architecture", ["npu1", "npu2"])
def test_kernels_stay_within_the_stack(architecture: str) -> None:
    """No entry point takes more than the design grants, as g++ lays it out, beside the core's own function."""
    used = stack_usage(SOURCE, (*ARCHITECTURE_FLAGS[architecture], *FLAGS))
    assert used.keys() == {f"decoder_{name}" for name in ("begin", "load", "block", "step", "end", "scale")}
    assert max(used.values()) + FRAME_BYTES <= STACK_BYTES


@pytest.mark.parametrize("narrow", [False, True])
def test_weights_stream_once_in_long_bursts(narrow: bool) -> None:
    """Every weight crosses the memory once, in runs of 256 bytes or more, and all columns carry as much."""
    n = 2048 if not narrow else 512
    operator, memory = cases.product_int8(4, 256, n, f32=narrow)
    trace = cases.both(operator, memory, NPU1())[2]
    blocks = [task for task in trace.tasks if task.fifo.startswith("blocks")]
    assert sum(task.bytes for task in blocks) == 256 * n
    assert min(task.burst_bytes for task in blocks) == (256 if narrow else 512)
    assert len({task.shim for task in blocks}) == 4


def test_cache_rows_are_copied_in_long_bursts() -> None:
    """Keys and values go into the cache in runs of at least 256 bytes."""
    operator, memory = cases.copy(5, 2048, 3072, 12288)
    trace = cases.both(operator, memory, NPU1())[2]
    assert min(task.burst_bytes for task in trace.tasks) >= 256


@pytest.mark.parametrize("speed", SPEEDS)
def test_a_sequence_runs_operators_one_after_the_other(speed: Speed) -> None:
    """Norm, quantisation and product as one launch: each finds what the one before has written.

    Only weights, which nobody writes, are on their way before the norm has ended.
    """
    product, memory = cases.product_int8(5, 256, 512, f32=True)
    width = product.k
    residual, normed = memory.put(cases.noise(9, 5, width), Buffer.SCRATCH), memory.room(Buffer.SCRATCH, 16 * width)
    gain, bias = memory.put(cases.noise(10, width)), memory.put(cases.noise(11, width))
    first, _ = cases.norm(5, width)
    second, _ = cases.quantise(5, width)
    operators: list[Operator] = [
        replace(first, src=residual, dst=normed, gain=gain, bias=bias),
        replace(second, src=normed, dst=product.a, scales=product.a_scales),
        product,
    ]
    made, expected = ([buffer.copy() for buffer in memory.buffers] for _ in range(2))
    for operator in operators:
        run_operator(operator, Memory(expected))
    made_launch = launch_sequence(operators, Memory(made), NPU1())
    assert made_launch.what == "LayerNorm, QuantiseRows, GemmInt8"
    run_launch(made_launch, made, speed)
    equal(made, expected)
    commands = made_launch.program.resolve_program().commands
    first_wait = next(i for i, command in enumerate(commands) if isinstance(command, Await))
    before = [command.transfer.handle.name for command in commands[:first_wait] if isinstance(command, Start)]
    assert {"blocks_0", "blocks_1", "loads_0", "given_0"} <= set(before)


def test_weights_that_a_sequence_writes_do_not_come_ahead() -> None:
    """A copy into WEIGHTS, then a product with what was copied."""
    product, memory = cases.product_int8(3, 256, 512)
    n_bytes = product.k * product.n
    there = memory.room(Buffer.WEIGHTS, n_bytes)
    operators: list[Operator] = [
        CopyRows(product.b, there, product.k, product.n, product.n, product.n),
        replace(product, b=there),
    ]
    made, expected = ([buffer.copy() for buffer in memory.buffers] for _ in range(2))
    for operator in operators:
        run_operator(operator, Memory(expected))
    run_launch(launch_sequence(operators, Memory(made), NPU1()), made)
    equal(made, expected)


def test_no_rows_are_no_work() -> None:
    """With a count of 0 in the parameters nothing is written."""
    operator, memory = cases.quantise(4, 256)
    none = replace(operator, rows=Parameter(3, 4))
    made = [buffer.copy() for buffer in memory.buffers]
    run_launch(launch(none, Memory(made), NPU1()), made)
    equal(made, memory.buffers)


@pytest.mark.parametrize(
    ("case", "message"),
    [
        (cases.product_int8(33, 128, 256), "GemmInt8.rows is 33; the decoder takes 1 to 32"),
        (cases.product_int8(1, 64, 256), "GemmInt8.k is 64; the decoder takes multiples of 128"),
        (cases.product_int8(1, 128, 288), "GemmInt8.n is 288; the decoder takes multiples of 64"),
        (cases.product_int8(1, 128, 192), "GemmInt8.n is 192; the decoder takes 256 to"),
        (cases.product_bf16(1, 96, 256), "GemmBf16.k is 96; the decoder takes multiples of 64"),
        (cases.norm(1, 1408), "LayerNorm.width is 1408; the decoder takes 256 to 1280"),
        (cases.quantise(1, 64), "QuantiseRows.width is 64; the decoder takes multiples of 128"),
        (cases.embed(1, 192), "Embed.width is 192; the decoder takes multiples of 128"),
        (cases.attention(1, 8, 3), "Attention.heads is 3; the decoder takes 4 to"),
        (cases.attention(33, 8, 4), "Attention.rows is 33; the decoder takes 1 to 32"),
    ],
)
def test_sizes_that_the_array_cannot_compute_are_refused(case: tuple[Operator, DeviceMemory], message: str) -> None:
    """The message names the operator, the value and the limit."""
    operator, memory = case
    with pytest.raises(LaunchError, match=message):
        launch(operator, Memory(memory.buffers), NPU1())


def test_other_operators_and_missing_operands_are_refused() -> None:
    """An operator of another configuration, an operand outside its buffer, a copy onto itself."""
    operator, memory = cases.copy(2, 512, 512, 512)
    with pytest.raises(LaunchError, match="Nop is no operator of the configuration decoder, which has Attention"):
        launch(Nop(), Memory(memory.buffers), NPU1())
    with pytest.raises(LaunchError, match=r"CopyRows\.dst overlaps src"):
        launch(replace(operator, dst=operator.src), Memory(memory.buffers), NPU1())
    end = memory.size_bytes
    with pytest.raises(LaunchError, match=f"CopyRows: src takes bytes {end} to"):
        launch(replace(operator, src=Region(Buffer.SCRATCH, end)), Memory(memory.buffers), NPU1())
    product, memory = cases.product_int8(1, 128, 256)
    with pytest.raises(LaunchError, match="GemmInt8: whole objects of blocks take words"):
        launch(replace(product, b=Region(Buffer.WEIGHTS, memory.size_bytes - 64)), Memory(memory.buffers), NPU1())

"""The machine: every operator on device memory equals its reference, and nothing else in memory changes."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from amanuensis.kernels.dtypes import BFLOAT16, to_bf16
from amanuensis.kernels.layout import INT8_A, pack, pack_bf16_b, pack_int8_b, pad, unpack
from amanuensis.kernels.machine import execute
from amanuensis.kernels.memory import OperandError
from amanuensis.kernels.operands import Buffer
from amanuensis.kernels.ops import (
    AddRows,
    Attention,
    CopyRows,
    Embed,
    EnergyGate,
    Epilogue,
    GemmBf16,
    GemmInt8,
    GemmRequantise,
    Im2col,
    LayerNorm,
    Nop,
    OpError,
    Parameter,
    QuantiseRows,
    Region,
    Select,
    encode,
)
from amanuensis.kernels.records import RULES, SCORES, empty_rules
from amanuensis.kernels.reference import attention as attention_reference
from amanuensis.kernels.reference.conv1d import conv1d, weight_matrix
from amanuensis.kernels.reference.energy import energy_gate
from amanuensis.kernels.reference.gelu import gelu_device
from amanuensis.kernels.reference.gemm import Ending, gemm_bf16, gemm_int8, gemm_int8_sums
from amanuensis.kernels.reference.layer_norm import layer_norm
from amanuensis.kernels.reference.requantise import quantise_rows, requantise
from amanuensis.kernels.reference.select import Vocabulary, select
from tests.kernels.device import POISON, PROGRAM, Device
from tests.kernels.figures import BF16_NRMSE, bf16_noise, nrmse

RANDOM = np.random.default_rng(1)
ROWS = Parameter(0, limit=64)


def int8_noise(*shape: int) -> np.ndarray:
    """Return random int8."""
    return np.random.default_rng(sum(shape)).integers(-127, 128, shape, np.int8)


@pytest.mark.parametrize("rows", [1, 4, 7])
@pytest.mark.parametrize(("k", "n"), [(64, 72), (2048, 256), (1024, 512)])
@pytest.mark.parametrize("out", ["bf16", "f32"])
def test_int8_product_equals_its_reference(rows: int, k: int, n: int, out: str) -> None:
    """Bit for bit, with every epilogue, however b is cut into pieces."""
    device = Device(1 << 23)
    a, b = int8_noise(rows, k), int8_noise(k, n)
    a_scales, b_scales, bias = (np.linspace(1e-4, 1e-3, size, dtype=np.float32) for size in (rows, n, n))
    residual = bf16_noise((rows, n), 1)
    at = device.put(residual, Buffer.SCRATCH)
    dst = at if out == "f32" else device.room(Buffer.SCRATCH, 2 * rows * n)
    op = GemmInt8(
        a=device.put(pack(pad(a, 4, 8), INT8_A), Buffer.SCRATCH),
        a_scales=device.put(a_scales),
        b=device.put(pack_int8_b(b)),
        b_scales=device.put(b_scales),
        bias=device.put(bias),
        dst=dst,
        rows=ROWS,
        k=k,
        n=n,
        epilogue=Epilogue(gelu=True, residual=at, out=out),
    )
    device.set_parameters({0: rows})
    (work,) = device.run(op).operators
    expected = gemm_int8(a, a_scales, b, b_scales, Ending(bias, True, residual))
    if out == "f32":
        assert np.array_equal(device.get(dst, np.float32, (rows, n)), expected)
    else:
        assert np.array_equal(device.get(dst, BFLOAT16, (rows, n)), to_bf16(expected))
    assert work.name == "GemmInt8"
    assert work.macs == -(-rows // 4) * 4 * k * n
    assert work.bytes_written == rows * n * (4 if out == "f32" else 2)
    assert work.us > 0


def test_bf16_product_equals_its_reference() -> None:
    """With and without bias, at any number of rows."""
    device = Device()
    a, b, bias = bf16_noise((5, 256), 1), bf16_noise((256, 64), 2), bf16_noise((64,), 3)
    places = {"a": device.put(to_bf16(a), Buffer.SCRATCH), "b": device.put(pack_bf16_b(to_bf16(b)))}
    for at in (None, device.put(bias)):
        dst = device.room(Buffer.OUTPUT, 5 * 64 * 4)
        device.run(GemmBf16(**places, bias=at, dst=dst, rows=5, k=256, n=64, epilogue=Epilogue(out="f32")))
        expected = gemm_bf16(to_bf16(a), to_bf16(b), Ending(None if at is None else bias))
        assert np.allclose(device.get(dst, np.float32, (5, 64)), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("rows", [3, 8])
def test_requantising_product_is_exact(rows: int) -> None:
    """Bit for bit, in the blocks that the next product reads."""
    device = Device()
    a, b, bias = int8_noise(rows, 64), int8_noise(64, 32), np.arange(32, dtype=np.int32) * 1000
    multipliers = np.arange(32, dtype=np.int32) * 3001 + 1
    dst = device.room(Buffer.SCRATCH, 8 * 32)
    device.run(
        GemmRequantise(
            a=device.put(pack(pad(a, 4, 8), INT8_A), Buffer.SCRATCH),
            b=device.put(pack_int8_b(b)),
            bias=device.put(bias),
            multipliers=device.put(multipliers),
            dst=dst,
            rows=rows,
            k=64,
            n=32,
            shift=24,
        )
    )
    whole = -(-rows // 4) * 4
    found = unpack(device.get(dst, np.int8, (whole * 32,)), whole, 32, INT8_A)
    expected = requantise(gemm_int8_sums(a, b), bias, multipliers, 24)
    assert np.array_equal(found[:rows], expected)
    assert not found[rows:].any()
    assert len(np.unique(expected)) > 50


@pytest.mark.parametrize("smooth", [None, np.linspace(0.5, 2, 64, dtype=np.float32)])
def test_rows_are_quantised_into_blocks(smooth: np.ndarray | None) -> None:
    """Values and scales equal the reference; the rest of the last block is zero, what follows is untouched."""
    device = Device()
    values = bf16_noise((6, 64), 1)
    dst, scales = device.room(Buffer.SCRATCH, 12 * 64), device.room(Buffer.SCRATCH, 4 * 6)
    src = device.put(to_bf16(values), Buffer.SCRATCH)
    at = None if smooth is None else device.put(smooth)
    device.run(QuantiseRows(src, dst, scales, 6, 64, at))
    expected, expected_scales = quantise_rows(values, smooth)
    found = unpack(device.get(dst, np.int8, (8 * 64,)), 8, 64, INT8_A)
    assert np.array_equal(found[:6], expected)
    assert not found[6:].any()
    assert np.array_equal(device.get(scales, np.float32, (6,)), expected_scales)
    assert (device.get(Region(dst.buffer, dst.offset + 8 * 64), np.uint8, (4 * 64,)) == POISON).all()


@pytest.mark.parametrize(("stride", "dtype"), [(1, "f32"), (2, "bf16")])
def test_convolution_is_a_product(stride: int, dtype: str) -> None:
    """Im2col and a bf16 product make the convolution; rows beyond the sound are zero."""
    device = Device()
    x, weight, bias = bf16_noise((9, 10), 1), bf16_noise((16, 10, 3), 2), np.zeros(16, np.float32)
    matrix = weight_matrix(weight)
    columns, dst = device.room(Buffer.SCRATCH, 12 * 32 * 2), device.room(Buffer.SCRATCH, 12 * 16 * 4)
    src = device.put(x if dtype == "f32" else to_bf16(x), Buffer.INPUT)
    device.set_parameters({0: 9})
    device.run(
        Im2col(src, columns, ROWS, 12, 10, stride, 32, dtype),
        GemmBf16(columns, device.put(pack_bf16_b(to_bf16(matrix))), None, dst, 12, 32, 16, Epilogue(out="f32")),
    )
    found = device.get(dst, np.float32, (12, 16))
    filled = -(-9 // stride)
    assert np.allclose(found[:filled], conv1d(x, weight, bias, stride), atol=1e-4)
    assert not found[filled:].any()


def test_layer_norm_and_positions_equal_their_references() -> None:
    """Positions are added in place, then rows are normalised."""
    device = Device()
    x, table, gain, bias = (bf16_noise(shape, 1) for shape in ((5, 64), (5, 64), (64,), (64,)))
    at, dst = device.put(x, Buffer.SCRATCH), device.room(Buffer.SCRATCH, 5 * 64 * 2)
    gain_at, bias_at = device.put(gain), device.put(bias)
    device.run(AddRows(at, device.put(table), at, 5, 64), LayerNorm(at, dst, gain_at, bias_at, 5, 64))
    assert np.array_equal(device.get(at, np.float32, (5, 64)), x + table)
    assert np.array_equal(device.get(dst, BFLOAT16, (5, 64)), to_bf16(layer_norm(x + table, gain, bias)))


@pytest.mark.parametrize("step", [0, 1])
def test_tokens_are_embedded_where_parameters_say(step: int) -> None:
    """Rows and first position come at run time."""
    device = Device()
    table, positions = bf16_noise((30, 16), 1), bf16_noise((20, 16), 2)
    ids = device.put(np.array([29, 3, 3], np.int32), Buffer.INPUT)
    dst = device.room(Buffer.SCRATCH, 3 * 16 * 4)
    op = Embed(ids, device.put(to_bf16(table)), device.put(positions), dst, ROWS, Parameter(1), 16, 30, 20, step)
    device.set_parameters({0: 3, 1: 17})
    device.run(op)
    expected = table[[29, 3, 3]] + positions[17 + step * np.arange(3)]
    assert np.array_equal(device.get(dst, np.float32, (3, 16)), expected)
    device.set_parameters({0: 3, 1: 20})
    with pytest.raises(OperandError, match=r"operator 0, Embed: row 2[02] or 20 of positions, which has 20"):
        device.run(op)


@pytest.mark.parametrize(("rows", "keys", "first"), [(6, 70, None), (3, 20, 17), (1, 1, 0)])
def test_attention_reads_rows_with_gaps(rows: int, keys: int, first: int | None) -> None:
    """Queries inside a wide row, keys and values interleaved in a cache, weights of two heads kept."""
    device = Device()
    q, k, v = (bf16_noise((n, 3 * 16), n + seed) for seed, n in enumerate((rows, keys, keys)))
    wide_q = device.put(to_bf16(np.concatenate([q, 9 * q], axis=1)), Buffer.SCRATCH)
    cache = device.put(to_bf16(np.concatenate([k, np.full((keys, 16), 7), v], axis=1)), Buffer.CACHE)
    pitch = 2 * (48 + 16 + 48)
    dst, kept = device.room(Buffer.SCRATCH, rows * 96), device.room(Buffer.OUTPUT, 2 * rows * 80 * 4)
    values = Region(cache.buffer, cache.offset + 128)
    device.set_parameters({0: rows, 1: keys, 2: first or 0})
    op = Attention(
        q=wide_q,
        k=cache,
        v=values,
        dst=dst,
        rows=ROWS,
        keys=Parameter(1),
        heads=3,
        size=16,
        causal=first is not None,
        first=Parameter(2),
        scale=0.25,
        probabilities=kept,
        kept_heads=(2, 0),
        pitch=80,
        q_pitch=192,
        kv_pitch=pitch,
    )
    device.run(op)
    split = [attention_reference.split_heads(rows_of, 3) for rows_of in (q, k, v)]
    truth = attention_reference.attention(*split, 0.25, first)
    found = device.get(dst, BFLOAT16, (rows, 48)).astype(np.float32)
    assert nrmse(found, attention_reference.join_heads(truth)) < BF16_NRMSE
    weights = device.get(kept, np.float32, (2, rows, 80))
    assert np.allclose(weights.sum(axis=2), 1, atol=0.01)
    assert not weights[..., keys:].any()
    again = np.einsum("rk,kd->rd", weights[0, :, :keys], split[2][2])
    assert nrmse(again, truth[2]) < 0.01


def test_rows_are_copied_between_pitches() -> None:
    """An append to a cache at a run-time position writes these rows and nothing else."""
    device = Device()
    new = np.arange(1, 3 * 16 + 1, dtype=np.int32).reshape(3, 16)
    cache = device.put(np.zeros((10, 32), np.int32), Buffer.CACHE)
    device.set_parameters({0: 3, 1: 4})
    place = Region(cache.buffer, cache.offset, Parameter(1), 128)
    (work,) = device.run(CopyRows(device.put(new, Buffer.SCRATCH), place, ROWS, 64, 64, 128)).operators
    found = device.get(cache, np.int32, (10, 32))
    assert np.array_equal(found[4:7, :16], new)
    assert found.sum() == new.sum()
    assert (work.bytes_read, work.bytes_written, work.macs) == (192, 192, 0)
    assert [span.start for span in work.written] == [cache.offset + 128 * row for row in (4, 5, 6)]


def test_overlapping_copies_are_refused() -> None:
    """A core would read what it has just written."""
    device = Device()
    with pytest.raises(OperandError, match="operator 0, CopyRows: src and dst overlap"):
        device.run(CopyRows(Region(2, 0), Region(2, 64), 2, 64, 64, 64))


def test_tokens_are_chosen_by_rules_in_memory() -> None:
    """Rules are read from INPUT, bitmaps from WEIGHTS, answers land in OUTPUT."""
    device = Device()
    logits = RANDOM.standard_normal((4, 128)).astype(np.float32)
    masks = np.packbits(RANDOM.random((3, 100)) < 0.3, axis=1, bitorder="little")
    rules = empty_rules(2)
    rules["mask"], rules["temperature"] = [1, 2], [0, 0.7]
    answers = device.room(Buffer.OUTPUT, 2 * SCORES.itemsize)
    logits_at, masks_at = device.put(logits, Buffer.SCRATCH), device.put(masks)
    at = device.put(rules, Buffer.INPUT)
    op = Select(logits_at, masks_at, at, answers, 2, 100, 128, 3, 90, 80, 81)
    device.run(op)
    expected = select(logits[:2], masks, rules, Vocabulary(100, 90, 80, 81))
    assert np.array_equal(device.get(answers, SCORES, (2,)), expected)
    device.buffers[at.buffer][at.offset : at.offset + RULES.itemsize].view(RULES)["mask"] = 3
    with pytest.raises(OperandError, match="operator 0, Select: the rules name suppress bitmap 3"):
        device.run(op)


@pytest.mark.parametrize("kind", ["log_mel", "power"])
def test_the_energy_gate_equals_its_reference(kind: str) -> None:
    """Both kinds of input give the same answer for the same sound."""
    device = Device()
    logs = RANDOM.uniform(-8, 1, (5, 80)).astype(np.float32)
    src = device.put((logs + 4) / 4 if kind == "log_mel" else np.float32(10) ** logs, Buffer.INPUT)
    dst = device.room(Buffer.OUTPUT, 5 * 8)
    device.run(EnergyGate(src, dst, 5, 80, kind))
    assert np.allclose(device.get(dst, np.float32, (5, 2)), energy_gate(logs), rtol=1e-3, atol=1e-5)


def test_nothing_happens_without_rows() -> None:
    """Zero rows and a Nop leave memory alone."""
    device = Device()
    before = [buffer.copy() for buffer in device.buffers]
    work = device.run(Nop(), AddRows(Region(0, 0), Region(0, 64), Region(1, 0), ROWS, 64))
    assert all(np.array_equal(one, other) for one, other in zip(before, device.buffers, strict=True))
    assert [operator.bytes_written for operator in work.operators] == [0, 0]
    assert work.us == sum(operator.time.middle for operator in work.operators) > 0


def test_one_changed_weight_changes_the_result() -> None:
    """Nothing is remembered from run to run: each weight is read from device memory every time."""
    device = Device()
    a, b = int8_noise(1, 64), int8_noise(64, 64)
    b_at, dst = device.put(pack_int8_b(b)), device.room(Buffer.OUTPUT, 256)
    ones = device.put(np.ones(64, np.float32))
    a_at = device.put(pack(pad(a, 4, 8), INT8_A), Buffer.SCRATCH)
    op = GemmInt8(a_at, ones, b_at, ones, None, dst, 1, 64, 64, Epilogue(out="f32"))
    device.run(op)
    before = device.get(dst, np.float32, (64,))
    device.buffers[b_at.buffer][b_at.offset + 64 + 3] ^= 1  # block (0, 1), its first row, column 3
    device.run(op)
    changed = np.flatnonzero(device.get(dst, np.float32, (64,)) != before)
    assert changed.tolist() == [8 + 3]


def test_errors_name_operator_and_place() -> None:
    """Operands out of bounds, operators outside the program, words that are no stream."""
    device = Device(4096)
    bad = AddRows(Region(1, 0), Region(0, 0), Region(4, 0), 64, 64)
    with pytest.raises(OperandError, match="operator 1, AddRows: src takes bytes 0 to 16384 of SCRATCH"):
        device.run(Nop(), bad)
    small = dataclasses.replace(PROGRAM, operators=("Nop",))
    with pytest.raises(OperandError, match="operator 1, AddRows, is not in the program MLIR_AIE"):
        execute(small, encode([Nop(), bad]), device.buffers)
    with pytest.raises(OpError, match="no stream of operators"):
        execute(PROGRAM, np.zeros(8, np.uint32), device.buffers)
    device.set_parameters({0: 65})
    with pytest.raises(OperandError, match="rows is parameter 0 = 65; allowed are 0 to 64"):
        device.run(dataclasses.replace(bad, rows=ROWS))
    with pytest.raises(OperandError, match="there are no keys"):
        device.run(Attention(*[Region(1, 0)] * 4, 1, 0, 1, 8, False, 0, 1.0))


def test_gelu_of_the_epilogue_is_the_device_form() -> None:
    """The sums of a product with the identity come back as the device's GELU."""
    device = Device()
    x = bf16_noise((8, 16), 4, 3.0)
    dst = device.room(Buffer.OUTPUT, 8 * 16 * 4)
    identity = device.put(pack_bf16_b(to_bf16(np.eye(16, dtype=np.float32))))
    src = device.put(to_bf16(x), Buffer.SCRATCH)
    device.run(GemmBf16(src, identity, None, dst, 8, 16, 16, Epilogue(gelu=True, out="f32")))
    assert np.array_equal(device.get(dst, np.float32, (8, 16)), gelu_device(x))

"""Work on rows gives the bytes of the machine: quantised, added and copied bit for bit, norms but for a rounding."""

from __future__ import annotations

import pytest

from amanuensis.kernels.designs._iron import NPU1, NPU2, Device
from amanuensis.kernels.dtypes import BFLOAT16
from amanuensis.kernels.sim.engine import Speed
from tests.kernels.cores import exact_too, needs_compiler
from tests.kernels.designs.products_cases import copied, held, memory_for, norm, quantised, summed

pytestmark = needs_compiler

DEVICES = pytest.mark.parametrize("device", [NPU1(), NPU2()], ids=str)
SPEEDS = pytest.mark.parametrize("speed", ["exact", "object"])
ROWS = pytest.mark.parametrize("rows", [1, 9, 31, 33])
WIDTHS = pytest.mark.parametrize("width", [32, 64, 96, 384, 1280])


@DEVICES
@SPEEDS
@ROWS
@WIDTHS
def test_layer_norm(device: Device, rows: int, width: int, speed: Speed) -> None:
    """Norms of every width of Whisper and of narrow rows are the machine's but for a step of bf16."""
    memory = memory_for(6 * rows * width)
    held(norm(memory, rows, width), memory, device, speed, floating=BFLOAT16)


@DEVICES
@SPEEDS
@ROWS
@WIDTHS
@pytest.mark.parametrize("smooth", [False, True])
def test_quantisation(device: Device, rows: int, width: int, speed: Speed, smooth: bool) -> None:
    """Integers, scales and the zero rows that fill the last block up are the machine's, and nothing is beyond them."""
    memory = memory_for(4 * (rows + 4) * width)
    held(quantised(memory, rows, width, smooth=smooth), memory, device, speed)


@DEVICES
def test_the_widest_rows_of_whisper(device: Device) -> None:
    """Quantisation before the second feed-forward product of turbo fills a core; with factors 3072 columns do."""
    memory = memory_for(6 * 33 * 5120)
    held(quantised(memory, 33, 5120), memory, device)
    held(quantised(memory, 33, 3072, smooth=True), memory, device)


@DEVICES
@SPEEDS
@ROWS
@pytest.mark.parametrize("width", [32, 384, 1280])
def test_sums_in_place(device: Device, rows: int, width: int, speed: Speed) -> None:
    """A table is added once to each row, although surplus rows repeat the last one."""
    memory = memory_for(4 * rows * width)
    held(summed(memory, rows, width), memory, device, speed)


@DEVICES
@SPEEDS
@ROWS
@pytest.mark.parametrize(("row_bytes", "gap"), [(1024, 0), (768, 24), (96, 8)])
def test_copies(device: Device, rows: int, row_bytes: int, gap: int, speed: Speed) -> None:
    """Rows with and without gaps are copied, and the gaps are left."""
    memory = memory_for(rows * (row_bytes + gap))
    held(copied(memory, rows, row_bytes, gap=gap), memory, device, speed)


@DEVICES
@pytest.mark.parametrize("rows", [1500, 1536, 5001])
def test_many_rows(device: Device, rows: int) -> None:
    """Windows of 30 s, and more rows than a part has."""
    memory = memory_for(16 * rows * 64)
    held(quantised(memory, rows, 64), memory, device)
    held(norm(memory, rows, 64), memory, device, floating=BFLOAT16)


@exact_too
@DEVICES
def test_rows_of_whisper_base(device: Device, speed: Speed) -> None:
    """Norms, both quantisations, sums and the copy of the states of an encoder of Whisper base, 256 positions."""
    memory = memory_for(8 * 256 * 2048)
    held(norm(memory, 256, 512), memory, device, speed, floating=BFLOAT16)
    held(quantised(memory, 256, 512, smooth=True), memory, device, speed)
    held(quantised(memory, 256, 2048), memory, device, speed)
    held(summed(memory, 256, 512), memory, device, speed)
    held(copied(memory, 250, 1024), memory, device, speed)

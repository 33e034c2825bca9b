"""The matrix of a convolution is the machine's bit for bit, with zeros wherever the source has nothing."""

from __future__ import annotations

from typing import Literal

import pytest

from amanuensis.kernels.designs._iron import NPU1, NPU2, Device
from amanuensis.kernels.sim.engine import Speed
from tests.kernels.cores import exact_too, needs_compiler
from tests.kernels.designs.products_cases import columns, held, memory_for

pytestmark = needs_compiler

DEVICES = pytest.mark.parametrize("device", [NPU1(), NPU2()], ids=str)


@DEVICES
@pytest.mark.parametrize("speed", ["exact", "object"])
@pytest.mark.parametrize("dtype", ["bf16", "f32"])
@pytest.mark.parametrize(
    ("rows", "dst_rows", "width", "stride", "k_padded"),
    [
        (1, 1, 16, 1, 48),
        (1, 3, 32, 2, 104),
        (2, 2, 32, 1, 96),
        (2, 1, 16, 2, 48),
        (9, 8, 16, 2, 56),
        (31, 17, 64, 3, 200),
        (33, 40, 80, 1, 240),
    ],
)
def test_matrices(
    device: Device,
    rows: int,
    dst_rows: int,
    width: int,
    stride: int,
    k_padded: int,
    dtype: Literal["bf16", "f32"],
    speed: Speed,
) -> None:
    """One row, an even and an odd number, strides of 1 to 3, with and without columns and rows to fill up."""
    memory = memory_for(2 * dst_rows * k_padded)
    held(columns(memory, rows, dst_rows, width, stride, k_padded, dtype), memory, device, speed)


@exact_too
@DEVICES
def test_both_convolutions_of_whisper_base(device: Device, speed: Speed) -> None:
    """The windows of 5 s of both convolutions, 12 rows short of their bucket."""
    memory = memory_for(2 * 512 * 512 + 2 * 256 * 1536 + 2 * 512 * 240)
    held(columns(memory, 500, 512, 80, 1, 240, "bf16"), memory, device, speed)
    held(columns(memory, 500, 256, 512, 2, 1536, "bf16"), memory, device, speed)

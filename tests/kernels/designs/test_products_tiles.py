"""Products on the array are those of the machine: integers bit for bit, floats but for rounding, and nothing else."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from amanuensis.kernels.designs._iron import NPU1, NPU2, Device
from amanuensis.kernels.dtypes import BFLOAT16
from amanuensis.kernels.sim.engine import Speed
from tests.kernels.cores import exact_too, needs_compiler
from tests.kernels.designs.products_cases import Kind, held, memory_for, product

pytestmark = needs_compiler

DEVICES = pytest.mark.parametrize("device", [NPU1(), NPU2()], ids=str)
ENDINGS: list[dict[str, Any]] = [
    {"residual": "in_place", "out": "f32"},
    {"gelu": True, "biased": False},
    {"gelu": True, "residual": "apart", "out": "bf16"},
    {"residual": "apart", "out": "f32", "biased": False},
]


def compare(device: Device, kind: Kind, sizes: tuple[int, int, int], speed: Speed = "object", **ending: Any) -> None:
    """Hold one product to the machine; only sums of bf16 may differ, in their last bits."""
    rows, k, n = sizes
    memory = memory_for(8 * rows * n + 2 * (rows + 3) * k + 2 * k * n)
    out = np.float32 if ending.get("out") == "f32" else BFLOAT16
    operator = product(memory, kind, *sizes, **ending)
    held(operator, memory, device, speed, floating=out if kind == "bf16" else None)


@DEVICES
@pytest.mark.parametrize("speed", ["exact", "object"])
@pytest.mark.parametrize("rows", [1, 9, 31, 33])
@pytest.mark.parametrize("kind", ["int8", "bf16", "requantise"])
def test_ragged_rows(device: Device, kind: Kind, rows: int, speed: Speed) -> None:
    """Rows that fill no tile, k that fills no object and columns that not all cores have give the machine's result."""
    ending = {} if kind == "requantise" else ENDINGS[0]
    compare(device, kind, (rows, 72, 320), speed, **ending)


@DEVICES
@pytest.mark.parametrize("ending", ENDINGS, ids=str)
@pytest.mark.parametrize("kind", ["int8", "bf16"])
@pytest.mark.parametrize("rows", [9, 33, 256, 300])
def test_every_ending(device: Device, kind: Kind, rows: int, ending: dict[str, Any]) -> None:
    """Bias or none, GELU, residual apart and in place, both dtypes, with and without whole groups."""
    compare(device, kind, (rows, 64, 64), **ending)


@DEVICES
@pytest.mark.parametrize("biased", [True, False])
def test_requantisation_with_and_without_bias(device: Device, biased: bool) -> None:
    """Integers throughout, also where all rounds of a group go in one transfer."""
    compare(device, "requantise", (513, 128, 576), biased=biased)


@DEVICES
@pytest.mark.parametrize("k", [8, 16, 56, 64, 4160])
@pytest.mark.parametrize("kind", ["int8", "bf16"])
def test_every_depth(device: Device, kind: Kind, k: int) -> None:
    """From one block of k to more objects than one transfer iterates over."""
    compare(device, kind, (256, k, 64), out="f32")


@pytest.mark.parametrize("kind", ["int8", "requantise"])
def test_more_columns_and_rows_than_a_part_holds(kind: Kind) -> None:
    """More than 8 tiles a column, and more than 15 groups of rows, are parts of a launch, each with its own words."""
    compare(NPU1(), kind, (40, 64, 64 * 4 * 9 + 64))
    compare(NPU1(), kind, (15 * 256 + 5, 8, 128))


@pytest.mark.parametrize(
    ("sizes", "kind", "ending"),
    [
        ((256, 512, 1536), "int8", {}),
        ((256, 512, 512), "int8", {"residual": "in_place", "out": "f32"}),
        ((256, 512, 2048), "int8", {"gelu": True}),
        ((256, 2048, 512), "int8", {"residual": "in_place", "out": "f32"}),
        ((512, 240, 512), "bf16", {"gelu": True}),
        ((256, 1536, 512), "bf16", {"gelu": True, "residual": "apart", "out": "f32"}),
        ((250, 512, 2048), "int8", {}),
    ],
    ids=str,
)
@exact_too
@DEVICES
def test_products_of_whisper_base(
    device: Device, sizes: tuple[int, int, int], kind: Kind, ending: dict[str, Any], speed: Speed
) -> None:
    """Every product of an encoder layer of Whisper base and its convolutions over a window of 256 positions."""
    compare(device, kind, sizes, speed, **ending)

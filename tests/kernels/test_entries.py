"""The table of entry points: types as IRON names them, flags, and errors at illegal sizes."""

from __future__ import annotations

import re

import numpy as np
import pytest

from amanuensis.kernels.designs.decoder_array import SOURCE as DECODER_SOURCE
from amanuensis.kernels.dtypes import BFLOAT16
from amanuensis.kernels.entries import (
    NAMES,
    SOURCES,
    EntryError,
    dtype_of,
    entry,
    is_array,
    size_of,
    sizes_of,
)
from amanuensis.kernels.entries_products import PRODUCT_ENTRIES
from tests.kernels.cores import SCALARS, USUAL, every_point


def test_arguments_are_named_as_iron_names_them() -> None:
    """Arrays are np.ndarray of a flat shape and a dtype, scalars np.int32."""
    point = entry("gemm_int8_finish_bf16", m=16, k=64, n=32)
    assert point.arguments[0] == np.ndarray[(16 * 32,), np.dtype[np.int32]]  # type: ignore[misc]
    assert point.arguments[4] == np.ndarray[(16 * 32,), np.dtype[BFLOAT16.type]]  # type: ignore[misc,name-defined]
    assert point.arguments[5] is np.int32
    assert [size_of(argument) for argument in point.arguments[:5]] == [512, 16, 64, 512, 512]
    assert dtype_of(point.arguments[4]) == BFLOAT16
    assert point.argument_bytes == 512 * 4 + 16 * 4 + 64 * 4 + 512 * 4 + 512 * 2


def test_flags_name_every_size() -> None:
    """A kernel is compiled for its sizes by macros."""
    assert entry("gemm_bf16_mac", m=4, k=64, n=32).flags == ("-DDIM_M=4", "-DDIM_K=64", "-DDIM_N=32")
    assert entry("attention_block", m=4, d=64).flags == ("-DDIM_M=4", "-DDIM_D=64")


@pytest.mark.parametrize("name", NAMES)
def test_sources_define_what_the_table_says(name: str) -> None:
    """The C++ function has as many parameters as the table has arguments, int32_t by value where it has scalars."""
    point = next(point for point in every_point(USUAL) if point.name == name)
    found = re.search(rf"^(?:extern \"C\" )?void {name}\(([^)]*)\)", point.source.read_text(), re.MULTILINE)
    assert found is not None
    declared = [" ".join(parameter.split()) for parameter in found[1].split(",")]
    assert len(declared) == len(point.arguments)
    assert ["*" in parameter for parameter in declared] == [is_array(argument) for argument in point.arguments]
    kinds = {"int8_t": np.int8, "int32_t": np.int32, "float": np.float32, "bfloat16": BFLOAT16}
    for parameter, argument in zip(declared, point.arguments, strict=True):
        kind = np.dtype(kinds[parameter.removeprefix("const ").split()[0]])
        assert kind == (dtype_of(argument) if is_array(argument) else np.dtype(np.int32)), parameter


def test_every_source_is_in_the_table() -> None:
    """No kernel lies about that nobody can reach."""
    elsewhere = {point.source for point in PRODUCT_ENTRIES.values()} | {DECODER_SOURCE}
    assert {point.source for point in every_point(USUAL)} | elsewhere == {*SOURCES.glob("*.cc")}
    assert SCALARS.keys() == {point.name for point in every_point(USUAL) if np.int32 in point.arguments}


def test_small_tiles_of_the_decoder_exist() -> None:
    """Products for 4, 8, 16 and 32 rows come from the same sources."""
    for rows in (4, 8, 16, 32):
        assert entry("gemm_int8_mac", m=rows, k=64, n=64).source == entry("gemm_int8_mac", m=64, k=64, n=64).source


@pytest.mark.parametrize(
    ("name", "sizes", "message"),
    [
        ("gemm", {}, "there is no entry point gemm; there are gemm_int8_zero, "),
        ("gelu", {"m": 4}, "gelu takes the sizes n; given are m"),
        ("layer_norm", {}, "layer_norm takes the sizes m, n; given are none"),
        ("gemm_int8_mac", {"m": 6, "k": 8, "n": 16}, "gemm_int8_mac: m is 6; allowed are multiples of 4 up to 4096"),
        ("gemm_int8_mac", {"m": 4, "k": 12, "n": 16}, "gemm_int8_mac: k is 12; allowed are multiples of 8 up to 4096"),
        ("attention_block", {"m": 4, "d": 0}, "attention_block: d is 0; allowed are multiples of 16 up to 4096"),
        ("gelu", {"n": 65536}, "gelu: n is 65536; allowed are multiples of 16 up to 32768"),
        ("gemm_bf16_mac", {"m": 128, "k": 128, "n": 128}, "gemm_bf16_mac at .* needs 133120 bytes .* which has 65536"),
    ],
)
def test_illegal_sizes_are_refused(name: str, sizes: dict[str, int], message: str) -> None:
    """The error names the entry point, the value and the limit."""
    with pytest.raises(EntryError, match=message):
        entry(name, **sizes)


def test_sizes_are_told() -> None:
    """The names of the sizes of an entry point can be asked for."""
    assert sizes_of("softmax") == ("m", "n")
    with pytest.raises(EntryError, match="there is no entry point hardmax"):
        sizes_of("hardmax")

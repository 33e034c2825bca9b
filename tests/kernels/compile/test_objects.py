"""Kernels of designs as object files, and the command that compiles each."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from amanuensis.kernels.compile.errors import CompileError
from amanuensis.kernels.compile.objects import kernel_objects
from amanuensis.kernels.compile.toolchain import Toolchain
from amanuensis.kernels.designs._kernels import functions
from amanuensis.kernels.entries import entry
from amanuensis.kernels.sim.kernel import ExternalFunction, Kernel

TOOLS = Toolchain(Path("aiecc"), Path("peano"), Path("include"), {"aiecc": "1", "peano": "1", "mlir-aie": "1"})


def test_entry_points_of_one_source_share_an_object() -> None:
    """At the same sizes, that is; the command has the sizes, the sections and the folder of the headers."""
    sizes = {"m": 64, "k": 64, "n": 64}
    kernels = functions(entry("gemm_int8_zero", **sizes), entry("gemm_int8_mac", **sizes))
    (made,) = kernel_objects(kernels)
    command = made.command(TOOLS, "npu2", Path("out.o"))
    assert command[:2] == ["peano/bin/clang++", str(made.source)]
    assert command[-2:] == ["-o", "out.o"]
    assert {"-c", "-O2", "--target=aie2p-none-unknown-elf", "-DDIM_M=64", "-ffunction-sections"} <= set(command)
    assert {"-Iinclude", f"-I{made.source.parent}"} <= set(command)


def test_the_key_knows_what_an_object_depends_on(tmp_path: Path) -> None:
    """Source, headers beside it, flags, architecture and versions; aiecc has no part in it."""
    source, header = tmp_path / "a.cc", tmp_path / "a.h"
    source.write_text("1")
    header.write_text("1")
    kernel = ExternalFunction("a", "a.o", source_file=str(source), include_dirs=[str(tmp_path)], compile_flags=["-DA"])
    (made,) = kernel_objects([kernel])
    keys = {made.key(TOOLS, "npu1"), made.key(TOOLS, "npu2"), replace(made, flags=("-DB",)).key(TOOLS, "npu1")}
    keys.add(made.key(replace(TOOLS, versions=TOOLS.versions | {"peano": "2"}), "npu1"))
    for path in (source, header):
        path.write_text("2")
        keys.add(made.key(TOOLS, "npu1"))
    assert len(keys) == 6
    newer = replace(TOOLS, versions=TOOLS.versions | {"aiecc": "2"})
    assert made.key(newer, "npu1") == made.key(TOOLS, "npu1")


def test_kernels_without_a_file_are_refused() -> None:
    """Neither an object that nothing is compiled to nor a source in the design can be built from files."""
    kinds = [np.ndarray[(4,), np.dtype[np.int8]]]  # type: ignore[valid-type]
    with pytest.raises(CompileError, match=r"kernel f comes from 'lost.o', which has no source"):
        kernel_objects([Kernel("f", "lost.o", kinds)])
    with pytest.raises(CompileError, match="kernel g has its source in the design"):
        kernel_objects([ExternalFunction("g", source_string="void g() {}", arg_types=kinds)])

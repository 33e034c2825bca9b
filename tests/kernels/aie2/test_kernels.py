"""What holds for every C++ kernel: it builds for both cores, stays in its memory and stack, and needs no library."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from amanuensis.kernels.entries import NAMES, entry
from amanuensis.kernels.host.build import ARCHITECTURE_FLAGS, build, sanitizer_runtime, stack_usage
from amanuensis.kernels.host.call import bind, power_up
from tests.kernels.cores import (
    ARCHITECTURES,
    ODD,
    SCALARS,
    SMALLEST,
    USUAL,
    every_point,
    needs_compiler,
    random_arrays,
    run_every_kernel,
    sizes_for,
)

pytestmark = needs_compiler

SOURCES = sorted({entry(name, **sizes_for(name, USUAL)).source.name for name in NAMES})
# What the shim's checks need of the C library, and what the compiler makes of copies.
HOST_ONLY = {"abort", "fprintf", "stderr", "__fprintf_chk", "memcpy", "memset", "memmove", "__tls_get_addr"}
ROUNDING_MODES = 8
ONE_OF_TWO = ["npu1", pytest.param("npu2", marks=pytest.mark.long)]
DEATH = """
import sys
from amanuensis.kernels.entries import entry
from amanuensis.kernels.host.call import bind
from tests.kernels.cores import empty
arrays = [empty(32, "float32") for _ in range(3)]
arrays[int(sys.argv[1])] = empty(36, "float32")[int(sys.argv[2]) :][:32]
bind(entry("add_rows", n=32))(*arrays)
"""


SANITIZED = """
import sys
from tests.kernels.cores import ODD, run_every_kernel
run_every_kernel(sys.argv[1], ODD, sanitize=True)
"""
OVERRUN = """
import ctypes, pathlib, sys
from amanuensis.kernels.host.build import load
from tests.kernels.cores import empty
x = empty(32, "float32")
load(pathlib.Path(sys.argv[1]), sanitize=True).over(ctypes.c_void_p(x.ctypes.data))
"""


def python(code: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run Python code in a process of its own, from the root of the checkout."""
    root = Path(__file__).resolve().parents[3]
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(
        command, cwd=root, env={**os.environ, **variables}, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("sizes", [SMALLEST, pytest.param(ODD, marks=pytest.mark.long)], ids=str)
def test_every_kernel_runs_at_many_sizes(architecture: str, sizes: dict[str, int]) -> None:
    """Each entry point compiles without a warning and returns, at the smallest sizes and at odd ones."""
    run_every_kernel(architecture, sizes, sanitize=False)


@pytest.mark.parametrize("architecture", ONE_OF_TWO)
def test_sanitizers_find_nothing(architecture: str) -> None:
    """Under the address and undefined-behaviour sanitizers each entry point runs clean on arrays of its sizes."""
    for point in every_point(ODD):
        build(point.source, (*ARCHITECTURE_FLAGS[architecture], *point.flags), sanitize=True)
    done = python(SANITIZED, architecture, LD_PRELOAD=str(sanitizer_runtime()), ASAN_OPTIONS="detect_leaks=0")
    assert done.returncode == 0, done.stderr


def test_sanitizers_are_awake(tmp_path: Path) -> None:
    """The same harness ends at a store of one element too many."""
    (tmp_path / "long.cc").write_text('extern "C" void over(float *x) { x[32] = 1; }')
    preload = str(sanitizer_runtime())
    done = python(OVERRUN, str(tmp_path / "long.cc"), LD_PRELOAD=preload, ASAN_OPTIONS="detect_leaks=0")
    assert done.returncode != 0
    assert "heap-buffer-overflow" in done.stderr


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("sizes", [USUAL, pytest.param(ODD, marks=pytest.mark.long)], ids=str)
def test_stack_stays_within_its_budget(architecture: str, sizes: dict[str, int]) -> None:
    """No entry point takes more of the stack than the table grants it, as g++ lays it out for this machine."""
    used: dict[str, int] = {}
    for point in every_point(sizes):
        if point.name not in used:
            used |= stack_usage(point.source, (*ARCHITECTURE_FLAGS[architecture], *point.flags))
    over = {p.name: (used[p.name], p.stack_bytes) for p in every_point(sizes) if used[p.name] > p.stack_bytes}
    assert not over
    assert used.keys() == set(NAMES)  # every entry point of the sources is in the table


@pytest.mark.parametrize("source", SOURCES)
def test_kernels_need_no_library(source: str) -> None:
    """What is built calls nothing that a core lacks: no maths library, no memory, no C++ runtime."""
    point = next(p for p in every_point(USUAL) if p.source.name == source)
    made = build(point.source, (*ARCHITECTURE_FLAGS["npu1"], *point.flags))
    listing = subprocess.run(["nm", "-D", "--undefined-only", str(made)], check=True, capture_output=True, text=True)
    names = {line.split()[-1].split("@")[0] for line in listing.stdout.splitlines() if line.split()[-2] == "U"}
    assert names <= HOST_ONLY


@pytest.mark.parametrize("name", NAMES)
def test_modes_are_set_by_each_entry_point(name: str) -> None:
    """An entry point answers alike on a core in any mode, since it sets rounding and saturation itself."""
    point = entry(name, **sizes_for(name, USUAL))
    answers = []
    for rounding in range(ROUNDING_MODES):
        arrays = random_arrays(point)
        power_up(point, rounding=rounding)
        bind(point)(*arrays, *SCALARS.get(name, ()))
        answers.append([array.tobytes() for array in arrays])
    assert answers == answers[:1] * ROUNDING_MODES


@pytest.mark.parametrize("place", range(3))
@pytest.mark.parametrize("shift", [1, 4])
def test_misaligned_pointers_end_the_process(place: int, shift: int) -> None:
    """A pointer off the width of a load, as no core can follow it, ends the process and is named."""
    done = python(DEATH, str(place), str(shift))
    assert done.returncode == -6  # SIGABRT
    function = "store_v" if place == 2 else "load_v"
    assert f"{function}: pointer 0x" in done.stderr
    assert "is not aligned to 32 bytes" in done.stderr


def test_aligned_pointers_are_followed() -> None:
    """The same call with every pointer at a multiple of the width of a load returns."""
    done = python(DEATH, "0", "0")
    assert done.returncode == 0, done.stderr

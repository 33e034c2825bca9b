"""The entry points of `products` stay in their stack and their arrays, and read the words that Python writes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from amanuensis.kernels.designs.products import STACK_BYTES
from amanuensis.kernels.designs.products_words import Flag, Kind, Loop, RowWords, TileWords, Words
from amanuensis.kernels.entries import is_array, size_of
from amanuensis.kernels.entries_products import PRODUCT_ENTRIES, STATE_WORDS
from amanuensis.kernels.host.build import ARCHITECTURE_FLAGS, KERNELS, build, sanitizer_runtime, stack_usage
from amanuensis.kernels.host.call import bind
from amanuensis.kernels.sim.footprint import FRAME_BYTES
from tests.kernels.cores import ARCHITECTURES, empty, needs_compiler

TILE = [(kind, flags) for kind in (Kind.INT8, Kind.BF16) for flags in (Flag(7), Flag(15), Flag.F32)]
ROWS = [
    RowWords(Kind.NORM, 1, 3, 8, 6, 384),
    RowWords(Kind.QUANTISE, 16, 3, 16, 6, 384, Flag.SMOOTH, 1, 3, 256),
    RowWords(Kind.ADD, 1, 6, 8, 12, 384),
    RowWords(Kind.COPY, 1, 1, 128, 4, 8),
    RowWords(Kind.NARROW, 1, 1, 64, 2, 16, extras=1),
]
SANITIZED = """
import sys
from tests.kernels.test_entries_products import run_everything
run_everything(sys.argv[1], sanitize=True)
"""


def run_everything(architecture: str, *, sanitize: bool) -> None:
    """Do what a core does, on arrays of exactly the sizes in the table: every ending of a tile, all work on rows."""
    for (kind, flags), core_row in product([*TILE, (Kind.REQUANTISE, Flag.BIAS)], range(4)):
        words = TileWords(kind, flags, 8, 0, 1, 2, 3, 4, 63, 3, 11, 20).words()
        _Core(architecture, sanitize, words).tiles(core_row)
    for words_of_rows in ROWS:
        _Core(architecture, sanitize, words_of_rows.words()).rows(words_of_rows)


class _Core:
    """A core of which every array is an allocation of its own."""

    def __init__(self, architecture: str, sanitize: bool, words: Words) -> None:
        self._architecture, self._sanitize = architecture, sanitize
        arguments = [a for entry in PRODUCT_ENTRIES.values() for a in entry.arguments if is_array(a)]
        self._arrays = {size: empty(size, np.int32) for size in sorted({size_of(a) for a in arguments})}
        for array in self._arrays.values():
            array[:] = 1
        self._second = empty(1024, np.int32)
        self._second[:] = 1
        self._arrays[4].view(np.uint32)[:] = words
        self._call("begin")

    def _call(self, name: str, *scalars: int) -> None:
        point, taken = PRODUCT_ENTRIES[f"products_{name}"], list[Any]()
        for argument in (a for a in point.arguments if is_array(a)):
            array = self._arrays[size_of(argument)]
            taken.append(self._second if any(array is other for other in taken) else array)
        bind(point, self._architecture, sanitize=self._sanitize)(*taken, *scalars)

    def tiles(self, core_row: int) -> None:
        """Make 8 tiles, and of the last one everything."""
        for _ in range(2):
            self._call("keep")
        for _ in range(8):
            self._call("clear")
        for _ in range(2):
            self._call("mac")
        self._call("finish")
        for _ in range(4):
            for _ in range(2):
                self._call("residual", core_row)
            self._call("store")

    def rows(self, words: RowWords) -> None:
        """Make all rounds."""
        for _ in range(words.rounds):
            for _ in range(words.chunks):
                self._call("take")
            self._call("work")
            for _ in range(words.gives):
                self._call("give")
        self._call("extra")


@needs_compiler
@pytest.mark.parametrize("architecture", ["npu1", pytest.param("npu2", marks=pytest.mark.long)])
def test_sanitizers_find_nothing(architecture: str) -> None:
    """Under the address and undefined-behaviour sanitizers all that a core does runs clean."""
    for source, flags in {(entry.source, entry.flags) for entry in PRODUCT_ENTRIES.values()}:
        build(source, (*ARCHITECTURE_FLAGS[architecture], *flags), sanitize=True)
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, "-c", SANITIZED, architecture],
        cwd=root,
        env={**os.environ, "LD_PRELOAD": str(sanitizer_runtime()), "ASAN_OPTIONS": "detect_leaks=0"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@needs_compiler
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_stack_stays_within_its_budget(architecture: str) -> None:
    """No entry point takes more than the table grants it, and every one of the sources is in the table."""
    used: dict[str, int] = {}
    for source, flags in {(entry.source, entry.flags) for entry in PRODUCT_ENTRIES.values()}:
        used |= stack_usage(source, (*ARCHITECTURE_FLAGS[architecture], *flags))
    assert used.keys() == PRODUCT_ENTRIES.keys()
    assert not {name: n for name, n in used.items() if n > PRODUCT_ENTRIES[name].stack_bytes}
    assert max(entry.stack_bytes for entry in PRODUCT_ENTRIES.values()) + FRAME_BYTES <= STACK_BYTES


def test_words_of_the_host_are_those_of_the_cores() -> None:
    """Kinds, flags and counts of loops have one numbering in Python and in C++, and the state has room for all."""
    header = (KERNELS / "products.h").read_text()
    kinds, flags, state = (
        re.sub(r"//[^\n]*", "", re.search(rf"enum {name} {{([^}}]*)}}", header)[1])  # type: ignore[index]
        for name in ("Kind", "Flag", "State")
    )
    assert [name.strip() for name in kinds.split(",")][1:] == [kind.name for kind in Kind]
    assert {n.strip(): int(v) for n, v in (p.split("=") for p in flags.split(","))} == {f.name: f.value for f in Flag}
    names = [name.strip() for name in state.split(",")]
    assert names[: len(Loop)] == [loop.name for loop in Loop]
    assert len(names) - 1 <= STATE_WORDS

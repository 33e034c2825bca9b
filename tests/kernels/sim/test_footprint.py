"""Stack, program and tables of a core are those of the kernels that it calls."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from amanuensis.kernels.designs._kernels import functions
from amanuensis.kernels.entries import entry
from amanuensis.kernels.host.build import ARCHITECTURE_FLAGS
from amanuensis.kernels.sim.footprint import Linked, linked_objects, program_bytes, stack_bytes, table_bytes
from amanuensis.kernels.sim.iron import ExternalFunction, Kernel
from amanuensis.kernels.sim.passes import CorePass
from tests.kernels.sim.small import kind

FLAGS = ARCHITECTURE_FLAGS["npu1"]
SOURCE = """
#include <cstdint>
extern "C" const int32_t numbers[100] = {1};
extern "C" void small(int32_t *a) { a[0] = numbers[a[1]]; }
extern "C" void large(int32_t *a) {
  for (int i = 0; i < 3; ++i) { a[i] /= 7; a[i] %= 11; a[i] *= a[i + 1] / 13 + a[i + 2] / 17; }
}
"""


def called(*kernels: Kernel) -> CorePass:
    """Return the pass over a core that calls each kernel once."""
    found = CorePass()
    found.call_sites.update(kernels)
    return found


def pair(*flags: str) -> tuple[Kernel, Kernel]:
    """Return two functions of one object file."""
    small = ExternalFunction("small", "o.o", source_string=SOURCE, arg_types=[kind(8)], compile_flags=list(flags))
    return small, Kernel("large", "o.o", [kind(8)])


def linked(*kernels: Kernel, of: tuple[Kernel, ...]) -> list[Linked]:
    """Return the objects of a core that calls some of a design's kernels."""
    return linked_objects(called(*kernels), of, FLAGS)


def test_an_object_file_is_linked_once() -> None:
    """Two functions of one object file are one link, whichever of them is stated with its source."""
    kernels = pair()
    assert [(o.source, o.called) for o in linked(*kernels, of=kernels)] == [(SOURCE, ("large", "small"))]
    assert [o.called for o in linked(kernels[1], of=kernels)] == [("large",)]
    assert linked(Kernel("f", "elsewhere.o", [np.int32]), of=kernels) == []


def test_what_is_not_called_is_not_linked_if_it_has_its_own_section() -> None:
    """With a section for each function a core holds what it calls; without, the whole object."""
    apart = pair("-ffunction-sections", "-fdata-sections")
    sizes = [program_bytes(called(k), linked(k, of=apart)) for k in apart]
    together = program_bytes(called(*apart), linked(*apart, of=apart))
    assert sizes[0] < sizes[1] < together
    whole = pair()
    assert program_bytes(called(whole[0]), linked(whole[0], of=whole)) > sizes[0]


def test_tables_are_counted() -> None:
    """Named constants take data memory on each core that refers to them."""
    kernels = pair("-ffunction-sections", "-fdata-sections")
    assert [table_bytes(linked(k, of=kernels)) for k in kernels] == [400, 0]


def test_budgets_of_the_table_are_taken() -> None:
    """An entry point of the table of kernels takes the stack that stands there, at any size and for its siblings."""
    sizes = {"m": 16, "k": 32, "n": 32}
    zero, multiply = functions(entry("gemm_int8_zero", **sizes), entry("gemm_int8_mac", **sizes))
    assert stack_bytes(zero, FLAGS) == entry("gemm_int8_zero", **sizes).stack_bytes
    assert stack_bytes(multiply, FLAGS) == entry("gemm_int8_mac", **sizes).stack_bytes
    assert stack_bytes(Kernel("unknown", "x.o"), FLAGS) is None


def test_other_sources_are_measured(tmp_path: Path) -> None:
    """The compiler says what a function of another source takes."""
    text = 'extern "C" void f(int *a) { volatile int b[500]; for (int i = 0; i < 500; ++i) b[i] = a[i]; a[0] = b[7]; }'
    path = tmp_path / "f.cc"
    path.write_text(text)
    measured = [
        stack_bytes(ExternalFunction("f", source_file=str(path), arg_types=[kind(500)]), FLAGS),
        stack_bytes(ExternalFunction("f", source_string=text, arg_types=[kind(500)]), FLAGS),
    ]
    assert measured[0] == measured[1]
    assert measured[0] == pytest.approx(2000, abs=200)

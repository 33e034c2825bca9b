"""Orders of fifos and patterns of transfers: just inside each limit they pass, just outside they are refused."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from amanuensis.kernels.sim.check import check
from amanuensis.kernels.sim.errors import DesignError
from amanuensis.kernels.sim.iron import ObjectFifo, Program
from tests.kernels.sim.small import at_core, copying, held, kind, program, sent, through, typed

MIDDLE = r"fifo middle, MM2S 0 of mem\(0, 1\)"


@pytest.mark.parametrize(
    ("inside", "outside", "message"),
    [
        pytest.param(
            through([(2, 32), (2, 16), (2, 8), (8, 1)], 64),
            lambda: through([(2, 32), (2, 16), (2, 8), (2, 4), (4, 1)], 64),
            f"{MIDDLE}: 5 dimensions; the limit is 4",
            id="dims of a memory tile",
        ),
        pytest.param(
            at_core([(2, 4), (2, 2), (2, 1)], 8),
            lambda: at_core([(2, 8), (2, 4), (2, 2), (2, 1)], 16),
            r"fifo in, S2MM 0 of core\(0, 2\): 4 dimensions; the limit is 3",
            id="dims of a core",
        ),
        pytest.param(
            through([(8, 8), (8, 1)], 64),
            lambda: through([(8, 1), (8, 8)], 64),
            f"{MIDDLE}: .*the innermost stride is 1, the size a multiple of 4, not size 8 and stride 8",
            id="transpose of int8",
        ),
        pytest.param(
            through([(4, 4), (8, 16), (4, 1)], 128),
            lambda: through([(4, 6), (4, 24), (4, 1)], 64 + 32),
            f"{MIDDLE}: .*a stride of 6 elements of 1 B is no multiple of 4 B",
            id="steps of whole words",
        ),
        pytest.param(
            through([(512, 8), (8, 1)], 4096),
            lambda: through([(513, 8), (8, 1)], 4104),
            f"{MIDDLE}: a size of 513; the limit is 512",
            id="size in an order",
        ),
        pytest.param(
            at_core([(2, 255), (255, 1)], 510),
            lambda: at_core([(2, 1), (256, 2)], 512),
            r"fifo in, S2MM 0 of core\(0, 2\): a wrap of 256; the limit is 255",
            id="wrap of a core",
        ),
        pytest.param(
            at_core([(2, 8192), (100, 1), (43, 1)], 8600, depth=1),
            lambda: at_core([(2, 8193), (100, 1), (43, 1)], 8600, depth=1),
            r"fifo in, S2MM 0 of core\(0, 2\): a step of 8193 words; the limit is 8192",
            id="step of a core",
        ),
        pytest.param(
            through([(1, 64), (64, 1)], 64),
            lambda: through([(1, 68), (64, 1)], 64),
            f"{MIDDLE}: a stride of 68 elements; the limit is 64",
            id="stride that is never used",
        ),
        pytest.param(
            through([(8, 8), (8, 1)], 64),
            lambda: through([(4, 8), (8, 1)], 64),
            r"move 32 elements of 64",
            id="an order moves the whole object",
        ),
        pytest.param(
            through([(8, 8), (8, 1)], 64),
            lambda: through([(8, 12), (8, 1)], 64),
            r"reach element 91 of 64",
            id="an order stays in the object",
        ),
        pytest.param(
            through([(8, 8), (8, 1)], 64),
            lambda: through([(8, 0), (8, 1)], 64),
            "sizes and strides are at least 1",
            id="no repetition inside a descriptor",
        ),
        pytest.param(
            copying(4, dtype=np.int16),
            lambda: copying(5, dtype=np.int16),
            "10 B at 0 are not whole words of 4 B",
            id="length in whole words",
        ),
    ],
)
def test_orders_fit_the_descriptors(inside: Program, outside: Callable[[], Program], message: str) -> None:
    """Dimensions, sizes, wraps, strides and parts of words are held to the fields of a descriptor."""
    held(inside, outside, message)


def test_words_of_a_descriptor() -> None:
    """A core's descriptor moves fewer than 2^14 words, which is less than its memory holds."""
    with pytest.raises(
        DesignError, match=r"S2MM 0 of core\(0, 2\): a descriptor moves 16384 words; the limit is 16383"
    ):
        check(copying(16384).resolve_program())
    with pytest.raises(DesignError) as caught:
        check(copying(16383).resolve_program())
    assert "descriptor" not in str(caught.value)


def test_words_of_a_descriptor_of_a_memory_tile() -> None:
    """A memory tile's descriptor moves fewer than 2^17 words, so that one object cannot fill it."""

    def design(words: int) -> Program:
        first = ObjectFifo(kind(words), name="in", depth=1)
        return program([], [(first.prod(), words)], [(first.cons().forward().cons(), words)])

    held(
        design((1 << 17) - 1),
        lambda: design(1 << 17),
        r"S2MM 0 of mem\(0, 1\): a descriptor moves 131072 words; the limit is 131071",
    )


FILL = r"transfer 0 of fifo in at shim\(0, 0\)"


@pytest.mark.parametrize(
    ("inside", "outside", "message"),
    [
        pytest.param(
            sent(64, sizes=[2, 32], strides=[32, 1]),
            lambda: sent(64, sizes=[2, 32], strides=[33, 1]),
            f"{FILL}: it reaches element 64 of a tensor of 64",
            id="bounds",
        ),
        pytest.param(
            sent(1 << 22, sizes=[1023, 4], strides=[8, 1]),
            lambda: sent(1 << 22, sizes=[1, 1, 1, 1024], strides=[1, 1, 1, 2]),
            f"{FILL}: a wrap of 1024; the limit is 1023",
            id="wrap",
        ),
        pytest.param(
            sent(1 << 22, sizes=[1 << 20], strides=[1]),
            lambda: sent(1 << 22, sizes=[2, 1024, 4], strides=[1 << 16, 8, 1]),
            f"{FILL}: a wrap of 1024",
            id="linear transfers have no wrap",
        ),
        pytest.param(
            sent((1 << 20) + 4, sizes=[2, 4], strides=[1 << 20, 1]),
            lambda: sent((1 << 20) + 5, sizes=[2, 4], strides=[(1 << 20) + 1, 1]),
            f"{FILL}: a step of 1048577 words; the limit is 1048576",
            id="step",
        ),
        pytest.param(
            sent((1 << 20) + 4, sizes=[2, 1, 1, 4], strides=[1 << 20, 0, 0, 1]),
            lambda: sent((1 << 20) + 5, sizes=[2, 1, 1, 4], strides=[(1 << 20) + 1, 0, 0, 1]),
            f"{FILL}: an iteration step of 1048577 elements; the limit is 1048576 words",
            id="step of an iteration",
        ),
        pytest.param(
            typed(np.int8, 64, sizes=[2, 1, 1, 8], strides=[12, 0, 0, 1]),
            lambda: typed(np.int8, 64, sizes=[2, 1, 1, 8], strides=[10, 0, 0, 1]),
            f"{FILL}: an iteration step of 10 elements is not whole words",
            id="iterations of whole words",
        ),
        pytest.param(
            sent(256, sizes=[64, 1, 1, 4], strides=[4, 0, 0, 1]),
            lambda: sent(260, sizes=[65, 1, 1, 4], strides=[4, 0, 0, 1]),
            f"{FILL}: 65 iterations; the limit is 64",
            id="iterations",
        ),
        pytest.param(
            sent(64, sizes=[2, 1, 1, 4], strides=[0, 0, 0, 1]),
            lambda: sent(64, sizes=[1, 2, 1, 4], strides=[0, 0, 0, 1]),
            f"{FILL}: a stride of 0 .* only the outermost may be 0",
            id="repetition",
        ),
        pytest.param(
            typed(np.int8, 64, sizes=[4, 8], strides=[16, 1]),
            lambda: typed(np.int8, 64, sizes=[4, 8], strides=[10, 1]),
            f"{FILL}: .*a stride of 10 elements of 1 B",
            id="whole words",
        ),
        pytest.param(
            typed(np.int8, 64, sizes=[8], strides=[1], offset=4),
            lambda: typed(np.int8, 64, sizes=[8], strides=[1], offset=2),
            f"{FILL}: its offset of 2 elements is not at a whole word",
            id="offset in whole words",
        ),
        pytest.param(
            typed(np.int8, 64, sizes=[8], strides=[1]),
            lambda: typed(np.int8, 64, sizes=[6], strides=[1]),
            f"{FILL}: .*a multiple of 4, not size 6",
            id="length in whole words",
        ),
    ],
)
def test_transfers_fit_the_descriptors(inside: Program, outside: Callable[[], Program], message: str) -> None:
    """Bounds, wraps, steps, iterations and parts of words are held to the fields of a shim's descriptor."""
    held(inside, outside, message)

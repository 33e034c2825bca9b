"""A core takes its parts of the rows of q, and leaves those of others."""

from __future__ import annotations

import numpy as np
import pytest

from amanuensis.kernels.dtypes import BFLOAT16, to_bf16
from amanuensis.kernels.layout import BF16_A, pack
from tests.kernels.cores import ARCHITECTURES, empty, fresh, placed
from tests.kernels.figures import bf16_noise


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize(("rows", "size"), [(64, 64), (64, 32), (12, 48)])
def test_parts_make_up_the_rows(rows: int, size: int, architecture: str) -> None:
    """Parts of 32 rows land one after another, packed as they came; numbers of other cores change nothing."""
    parts = [to_bf16(bf16_noise((32, size), seed)) for seed in range(4)]
    q = empty(rows * size, BFLOAT16)
    call = fresh("attention_query", architecture, m=rows, d=size)
    for number, part in enumerate(parts, -1):
        call(placed(pack(part, BF16_A)), q, number)
    expected = pack(np.concatenate(parts[1:])[:rows], BF16_A).reshape(-1)
    assert np.array_equal(q.view(np.uint16), expected.view(np.uint16))

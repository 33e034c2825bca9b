"""Token and position embeddings on a core, against the reference."""

from __future__ import annotations

import numpy as np
import pytest

from amanuensis.kernels.dtypes import to_bf16
from amanuensis.kernels.reference.embed import embed
from tests.kernels.cores import ARCHITECTURES, empty, fresh, needs_compiler, placed

pytestmark = needs_compiler


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("width", [16, 384, 512, 1280])
def test_rows_are_the_references(width: int, architecture: str) -> None:
    """A token's row in bf16 plus a position's row is the reference's to the bit."""
    random = np.random.default_rng(width)
    table = to_bf16(random.standard_normal((5, width)).astype(np.float32))
    positions = random.standard_normal((3, width)).astype(np.float32)
    dst = empty(width, np.float32)
    fresh("embed", architecture, n=width)(placed(table[4]), placed(positions[2]), dst)
    assert np.array_equal(dst, embed(np.array([4]), table, positions, 2)[0])

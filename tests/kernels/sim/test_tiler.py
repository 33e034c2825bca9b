"""Tilings of matrices give the patterns that the published tiler gives."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from amanuensis.kernels.sim.errors import DesignError
from amanuensis.kernels.sim.tap import TensorAccessPattern
from amanuensis.kernels.sim.tiler import TensorTiler2D

TILINGS: dict[str, Any] = json.loads((Path(__file__).parents[2] / "data" / "iron" / "tilings.json").read_text())


@pytest.mark.parametrize("case", TILINGS["cases"], ids=range(len(TILINGS["cases"])))
def test_patterns_are_the_published_ones(case: dict[str, Any]) -> None:
    """Offsets, sizes and strides equal those of the published tiler; what it refuses is refused."""
    arguments = {name: value for name, value in case.items() if name != "taps"}
    if case["taps"] is None:
        with pytest.raises(DesignError):
            TensorTiler2D.step_tiler(**arguments)
        return
    found = [[tap.offset, tap.sizes, tap.strides] for tap in TensorTiler2D.step_tiler(**arguments)]
    assert found == case["taps"]


@given(rows=st.integers(1, 5), columns=st.integers(1, 5), height=st.integers(1, 4), width=st.integers(1, 4))
def test_simple_tilings_cut_a_matrix_into_its_tiles(rows: int, columns: int, height: int, width: int) -> None:
    """Each pattern reads one tile, and the tiles come row by row."""
    matrix = np.arange(rows * height * columns * width).reshape(rows * height, columns * width)
    taps = TensorTiler2D.simple_tiler(matrix.shape, (height, width))
    tiles = [np.array([matrix.flat[i] for i in tap.access_generator()]).reshape(height, width) for tap in taps]
    cut = matrix.reshape(rows, height, columns, width).transpose(0, 2, 1, 3).reshape(-1, height, width)
    assert np.array_equal(tiles, cut)


def test_the_tiler_has_no_instances() -> None:
    """It is called, not made."""
    with pytest.raises(DesignError, match="no instances"):
        TensorTiler2D()


def test_uneven_tiles_are_refused() -> None:
    """The dimension and both sizes are named."""
    with pytest.raises(DesignError, match="tensor dimension 1 of 10 is not divisible by the tile's 4"):
        TensorTiler2D.simple_tiler((8, 10), (4, 4))


def test_a_vector_is_a_matrix_of_one_row() -> None:
    """One size stands for a row."""
    assert TensorTiler2D.simple_tiler((8,))[0] == TensorAccessPattern((8,), 0, [1, 1, 1, 8], [0, 0, 0, 1])

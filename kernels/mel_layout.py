"""How the matrices of log-mel lie for the cores: the transform in tiles of 16 bins, the mel filters beside them.

A tile of the transform is the cosines and then the sines of 16 bins, cut into steps of 40 samples; each step is split
into two bf16, high + low, and each part lies in the blocks of `layout.BF16_B`. The 201 bins take 13 tiles, zero at the
end.
"""

from __future__ import annotations

from functools import cache
from typing import Final

import numpy as np

from amanuensis.kernels.dtypes import Bf16, Float32, to_bf16, to_f32
from amanuensis.kernels.layout import BF16_B, pack, pad
from amanuensis.kernels.reference.log_mel import N_BINS, N_FFT, dft_matrix

TILE_BINS: Final = 16
N_TILES: Final = -(-N_BINS // TILE_BINS)
STEP_SAMPLES: Final = 40  # so that frames, two steps of the matrix and sums fit a core
N_STEPS: Final = N_FFT // STEP_SAMPLES


@cache
def transform_tiles() -> Bf16:
    """Return the transform, bf16 [N_TILES, N_STEPS, 2 parts, STEP_SAMPLES * 2 * TILE_BINS]."""
    waves = dft_matrix().reshape(N_FFT, 2, N_BINS).transpose(1, 0, 2)
    wide = np.zeros((2, N_FFT, N_TILES * TILE_BINS), np.float32)
    wide[:, :, :N_BINS] = waves
    tiles = wide.reshape(2, N_STEPS, STEP_SAMPLES, N_TILES, TILE_BINS).transpose(3, 1, 2, 0, 4)
    tiles = tiles.reshape(N_TILES, N_STEPS, STEP_SAMPLES, 2 * TILE_BINS)
    high = to_bf16(np.ascontiguousarray(tiles))
    low = to_bf16(tiles - to_f32(high))
    parts = np.stack([high, low], axis=2)
    packed = [pack(part, BF16_B).ravel() for part in parts.reshape(-1, STEP_SAMPLES, 2 * TILE_BINS)]
    return np.stack(packed).reshape(N_TILES, N_STEPS, 2, -1)


def filter_tiles(filters: Float32) -> Bf16:
    """Return mel filters, float32 [n_mels, 201], in blocks for each tile of bins, bf16 [N_TILES, 16 * n_mels]."""
    columns = pad(to_bf16(filters.T), TILE_BINS, 1)
    return np.stack([pack(tile, BF16_B).ravel() for tile in columns.reshape(N_TILES, TILE_BINS, -1)])

"""The matrices of log-mel as the cores read them, put together again."""

from __future__ import annotations

import numpy as np

from amanuensis.kernels.dtypes import rounded, to_bf16, to_f32
from amanuensis.kernels.layout import BF16_B, unpack
from amanuensis.kernels.mel_layout import N_STEPS, N_TILES, STEP_SAMPLES, TILE_BINS, filter_tiles, transform_tiles
from amanuensis.kernels.reference.log_mel import N_BINS, N_FFT, dft_matrix
from amanuensis.npu.log_mel import mel_filters


def test_tiles_hold_the_transform() -> None:
    """Cosines and sines of each tile are the matrix's columns, split as the device splits them; the rest is zero."""
    whole = np.zeros((2, 2, N_FFT, N_TILES * TILE_BINS), np.float32)  # part, cosine or sine
    for tile, step, part in np.ndindex(N_TILES, N_STEPS, 2):
        block = to_f32(unpack(transform_tiles()[tile, step, part], STEP_SAMPLES, 2 * TILE_BINS, BF16_B))
        rows, columns = slice(step * STEP_SAMPLES, None), slice(tile * TILE_BINS, (tile + 1) * TILE_BINS)
        for kind in range(2):
            whole[part, kind, rows, columns][:STEP_SAMPLES] = block[:, kind * TILE_BINS :][:, :TILE_BINS]
    matrix = dft_matrix().reshape(N_FFT, 2, N_BINS).transpose(1, 0, 2)
    assert np.array_equal(whole[0, :, :, :N_BINS], rounded(matrix))
    assert np.array_equal(whole[1, :, :, :N_BINS], rounded(matrix - rounded(matrix)))
    assert not whole[..., N_BINS:].any()


def test_tiles_hold_the_filters() -> None:
    """The mel filters in bf16, bins down and mels across, zero beyond the last bin."""
    for n_mels in (80, 128):
        tiles = [unpack(tile, TILE_BINS, n_mels, BF16_B) for tile in filter_tiles(mel_filters(n_mels))]
        whole = np.concatenate(tiles)
        assert np.array_equal(whole[:N_BINS], to_bf16(mel_filters(n_mels).T))
        assert not whole[N_BINS:].any()

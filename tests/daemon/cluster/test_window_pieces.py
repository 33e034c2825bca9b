"""Windows are taken apart for the way to a host and put together there."""

from __future__ import annotations

import numpy as np
import pytest

from amanuensis.daemon.cluster.window_pieces import PIECE_BYTES, apart, joined
from amanuensis.npu.window import DecodeOptions, WindowJob


@pytest.mark.parametrize("frames", [1, 204, 205, 600, 3000])
def test_a_window_arrives_as_it_was(frames: int) -> None:
    """Of any length; no piece is too long, and all else travels in the job."""
    features = np.random.default_rng(frames).standard_normal((frames, 80), np.float32).T  # not contiguous
    job = WindowJob(features, (1, 2), (3,), (4,), 20, DecodeOptions(language="en"), 7)
    head, *pieces = apart(job)
    assert isinstance(head, WindowJob)
    assert all(isinstance(piece, bytes) and len(piece) <= PIECE_BYTES for piece in pieces)
    there = joined(head, [piece for piece in pieces if isinstance(piece, bytes)])
    assert np.array_equal(there.features, features)
    assert there.features.dtype == np.float32
    names = ("prompt", "forced", "draft", "edge_frames", "options", "seed")
    assert [getattr(there, name) for name in names] == [getattr(job, name) for name in names]

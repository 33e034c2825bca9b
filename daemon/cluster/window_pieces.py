"""A window's features on their way to a host, in pieces that Ray sends within the call.

What is larger than 100 KB goes through the object stores of both nodes instead: that takes longer, and a daemon whose
own node has no object store any more could send nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from amanuensis.npu.window import WindowJob

PIECE_BYTES: Final = 64 << 10  # below `max_direct_call_object_size` of Ray


def apart(job: WindowJob) -> tuple[WindowJob | bytes, ...]:
    """Return a window without its features, and these in pieces; the longest window has fifteen."""
    data = job.features.tobytes()
    pieces = tuple(data[start : start + PIECE_BYTES] for start in range(0, len(data), PIECE_BYTES))
    return (replace(job, features=np.empty((job.features.shape[0], 0), np.float32)), *pieces)


def joined(job: WindowJob, pieces: Sequence[bytes]) -> WindowJob:
    """Return the window that `apart` took apart; its features are read only."""
    data = np.frombuffer(b"".join(pieces), np.float32)
    return replace(job, features=data.reshape(job.features.shape[0], -1))

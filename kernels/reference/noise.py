"""Gumbel noise for sampling that depends on nothing but (seed, position, token id), so that every device draws alike.

The argmax of logits / T + noise is a sample of softmax(logits / T) (Gumbel 1954, "Statistical theory of extreme
values"). The bits come from a counter: each number passes through the finaliser of MurmurHash3 (Appleby, public
domain), which maps 32-bit words one to one and mixes every input bit into every output bit.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

_POSITION_STEP: Final = np.uint32(0x9E3779B9)  # 2**32 / golden ratio: spreads small counters over the words
_ID_STEP: Final = np.uint32(0x85EBCA6B)  # odd, so that ids stay distinct
_U_BITS: Final = 23  # so that (h + 0.5) / 2**23 is exact in float32 and never 0 or 1


def mix(words: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Return each word mixed, uint32 as given."""
    mixed = words ^ (words >> np.uint32(16))
    mixed = mixed * np.uint32(0x85EBCA6B)
    mixed ^= mixed >> np.uint32(13)
    mixed *= np.uint32(0xC2B2AE35)
    mixed ^= mixed >> np.uint32(16)
    return mixed


def uniform(seed: int, position: int, ids: NDArray[np.integer]) -> NDArray[np.float32]:
    """Return a number in (0, 1) for each token id, float32 as many as ids.

    Args:
        seed: any integer; its low 32 bits count.
        position: of the row in the text, at least 0.
        ids: token ids, at least 0.

    """
    key = np.array([seed % (1 << 32)], np.uint32)
    key = mix(mix(key) + np.array([position % (1 << 32)], np.uint32) * _POSITION_STEP)
    bits = mix(mix(ids.astype(np.uint32) * _ID_STEP) ^ key)
    return ((bits >> np.uint32(32 - _U_BITS)).astype(np.float32) + np.float32(0.5)) * np.float32(2.0**-_U_BITS)


def gumbel(seed: int, position: int, ids: NDArray[np.integer]) -> NDArray[np.float32]:
    """Return -log(-log(u)) of `uniform`, float32 as many as ids."""
    noise = -np.log(-np.log(uniform(seed, position, ids)))
    return noise.astype(np.float32, copy=False)

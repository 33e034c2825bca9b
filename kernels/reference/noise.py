"""Gumbel noise for sampling that depends on nothing but (seed, position, token id), so that every device draws alike.

The argmax of logits / T + noise is a sample of softmax(logits / T) (Gumbel 1954, "Statistical theory of extreme
values"). The bits come from a counter: each number passes through the finaliser of MurmurHash3 (Appleby, public
domain), which maps 32-bit words one to one and mixes every input bit into every output bit.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

Words: TypeAlias = NDArray[np.uint32]
Float32: TypeAlias = NDArray[np.float32]
_N_WORDS: Final = 1 << 32
_POSITION_STEP: Final = 0x9E3779B9  # 2**32 / golden ratio: spreads small counters over the words
_ID_STEP: Final = np.uint32(0x85EBCA6B)  # odd, so that ids stay distinct
_U_BITS: Final = 23  # so that (h + 0.5) / 2**23 is exact in float32 and never 0 or 1
# Numbers of no axes: of a scalar NumPy would make an array at each use.
_SIXTEEN, _THIRTEEN, _UNUSED = (np.array(bits, np.uint32) for bits in (16, 13, 32 - _U_BITS))
_FIRST, _SECOND = (np.array(factor, np.uint32) for factor in (0x85EBCA6B, 0xC2B2AE35))
_HALF, _STEP = (np.array(number, np.float32) for number in (0.5, 2.0**-_U_BITS))
_ALL: Final = slice(None)


def mix(words: Words) -> Words:
    """Return each word mixed, uint32 as given."""
    return _mix(words.copy(), np.empty_like(words))


def uniform(seed: int, position: int, ids: NDArray[np.integer]) -> Float32:
    """Return a number in (0, 1) for each token id, float32 as many as ids; see `Noise.uniform`."""
    return Noise(ids).uniform(seed, position)


def gumbel(seed: int, position: int, ids: NDArray[np.integer]) -> Float32:
    """Return -log(-log(u)) of `uniform`, float32 as many as ids."""
    return Noise(ids).gumbel(seed, position)


class Noise:
    """The noise of the same ids again and again, in buffers of its own: what is returned lasts until the next call.

    Args:
        ids: token ids, integers [n] from 0.

    """

    def __init__(self, ids: NDArray[np.integer]) -> None:
        self._ids = mix(ids.astype(np.uint32) * _ID_STEP)
        self._words, self._spare = np.empty((2, len(ids)), np.uint32)
        self._key, self._place, self._spare_key = np.empty((3, 1), np.uint32)
        self._noise = np.empty(len(ids), np.float32)

    def uniform(self, seed: int, position: int, part: slice = _ALL) -> Float32:
        """Return a number in (0, 1) for each id of a part of them, float32.

        Args:
            seed: any integer; its low 32 bits count.
            position: of the row in the text, at least 0.
            part: of the ids.

        """
        self._key[0] = seed % _N_WORDS
        self._place[0] = position * _POSITION_STEP % _N_WORDS
        key = _mix(self._key, self._spare_key)
        key += self._place
        words = np.bitwise_xor(self._ids[part], _mix(key, self._spare_key), out=self._words[part])
        words = _mix(words, self._spare[part])
        noise = self._noise[part]
        noise[:] = np.right_shift(words, _UNUSED, out=words)
        noise += _HALF
        noise *= _STEP
        return noise

    def gumbel(self, seed: int, position: int, part: slice = _ALL) -> Float32:
        """Return -log(-log(u)) of `uniform`, float32."""
        noise = self.uniform(seed, position, part)
        for _ in range(2):
            np.negative(np.log(noise, out=noise), out=noise)
        return noise


def _mix(words: Words, spare: Words) -> Words:
    """Mix each word in its place and return them; `spare`, as large, is for what comes between."""
    words ^= np.right_shift(words, _SIXTEEN, out=spare)
    words *= _FIRST
    words ^= np.right_shift(words, _THIRTEEN, out=spare)
    words *= _SECOND
    words ^= np.right_shift(words, _SIXTEEN, out=spare)
    return words

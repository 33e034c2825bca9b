"""The entry points of the array configuration `products`; see `kernels.entries`.

They work on objects of words and on a state that the core keeps, so they take no sizes and make sense only together, in
the order of `designs/products.py`. What is in the words and the state: `designs/products_words.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from amanuensis.kernels.designs._types import ArrayType, array_type
from amanuensis.kernels.entries import SOURCES, Entry

OBJECT_WORDS: Final = 1024  # of both inputs: int8 64 x 64, bf16 64 x 32 or 32 x 64, float 16 x 64
OUT_WORDS: Final = 256  # of the output: float 4 x 64, bf16 8 x 64, int8 16 x 64
HELD_WORDS: Final = 10240  # sums of a tile, or rows, and beside them scales, biases, gains or factors of columns
SCALES_WORDS: Final = 512  # of rows, and their factors
SMALL: Final = ("-Os",)  # program memory is what this configuration lacks first
STATE_WORDS: Final = 48
CONTROL_WORDS: Final = 4


def words(count: int) -> ArrayType:
    """Return the type of an array of int32 words."""
    return array_type((count,), np.int32)


_OBJECT, _OUT, _HELD = words(OBJECT_WORDS), words(OUT_WORDS), words(HELD_WORDS)
_SCALES, _STATE, _CONTROL = words(SCALES_WORDS), words(STATE_WORDS), words(CONTROL_WORDS)

_POINTS: Final[Mapping[str, Mapping[str, tuple[tuple[ArrayType, ...], int]]]] = {
    "products.cc": {
        "products_begin": ((_CONTROL, _STATE), 512),
        "products_keep": ((_OBJECT, _HELD, _STATE), 512),
        "products_clear": ((_HELD, _STATE), 512),
        "products_finish": ((_HELD, _STATE), 2048),
        "products_residual": ((_OBJECT, _HELD, _STATE, np.int32), 1024),
        "products_store": ((_HELD, _OUT, _STATE), 2048),
    },
    "products_mac.cc": {
        "products_mac": ((_OBJECT, _OBJECT, _HELD, _STATE), 2048),
    },
    "product_rows.cc": {
        "products_take": ((_OBJECT, _HELD, _STATE), 1024),
        "products_work": ((_HELD, _SCALES, _STATE), 1536),
        "products_give": ((_HELD, _SCALES, _OUT, _STATE), 1024),
        "products_extra": ((_SCALES, _OUT, _STATE), 512),
    },
}

PRODUCT_ENTRIES: Final[Mapping[str, Entry]] = {
    name: Entry(name, SOURCES / source, arguments, SMALL, stack_bytes)
    for source, points in _POINTS.items()
    for name, (arguments, stack_bytes) in points.items()
}

"""The entry points that choose tokens, measure frames, make features and look tokens up; see `kernels.entries`."""

from __future__ import annotations

from typing import Final

from amanuensis.kernels.entry_table import Kernel, Point, Size, f32, i8, i32
from amanuensis.kernels.records import RULES, SCORES

WORD_BYTES: Final = 4
PLACES_WORDS: Final = 16  # see aie2/select.h: where kinds of tokens and suppress bitmaps lie
STATE_WORDS: Final = 336  # of a row under way

_RULES: Final = i32(factor=RULES.itemsize // WORD_BYTES)
_PLACES: Final = i32(factor=PLACES_WORDS)
_STATE: Final = i32(factor=STATE_WORDS)

ROW_KERNELS: Final = (
    Kernel(
        "select.cc",
        {"n": Size("DIM_N", 32), "k": Size("DIM_K", 4, 49152)},  # logits of a tile, bytes of suppress bitmaps
        {
            "select_begin": Point((_RULES, _PLACES, _STATE), 0, 512),
            "select_tile": Point((f32("n"), i8("k"), _RULES, _PLACES, i32("n"), _STATE), 0, 2048),
            "select_merge": Point((_STATE, _STATE), 0, 1536),
            "select_finish": Point((_RULES, _STATE, i32(factor=SCORES.itemsize // WORD_BYTES)), 0, 1024),
        },
    ),
)

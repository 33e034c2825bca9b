"""The entry points that choose tokens, measure frames, make features and look tokens up; see `kernels.entries`."""

from __future__ import annotations

from typing import Final

from amanuensis.kernels.entry_table import Kernel, Point, Size, bf16, f32, i8, i32
from amanuensis.kernels.mel_layout import STEP_SAMPLES, TILE_BINS
from amanuensis.kernels.records import RULES, SCORES
from amanuensis.kernels.reference.log_mel import N_FFT

WORD_BYTES: Final = 4
PLACES_WORDS: Final = 16  # see aie2/select.h: where kinds of tokens and suppress bitmaps lie
STATE_WORDS: Final = 336  # of a row under way
WINDOW_WORDS: Final = 32  # of a window of features: see aie2/log_mel.cc

_RULES: Final = i32(factor=RULES.itemsize // WORD_BYTES)
_PLACES: Final = i32(factor=PLACES_WORDS)
_STATE: Final = i32(factor=STATE_WORDS)
_FRAMES: Final = {"m": Size("DIM_M", 4), "n": Size("DIM_N", 16)}  # frames, mel bins
_PARTS: Final = 2  # bf16 that a float of the transform is split into
_MEL_SUMS: Final = f32("m", factor=2 * TILE_BINS)
_MEL_LOGS: Final = f32("m", "n")
_WINDOW: Final = i32(factor=WINDOW_WORDS)

ROW_KERNELS: Final = (
    Kernel(
        "select.cc",
        {"n": Size("DIM_N", 32), "k": Size("DIM_K", 4, 49152)},  # logits of a tile, bytes of suppress bitmaps
        {
            "select_keep": Point((_RULES, i8("k")), 1, 512),
            "select_begin": Point((_RULES, _PLACES, _STATE), 0, 512),
            "select_tile": Point((f32("n"), i8("k"), _RULES, _PLACES, i32("n"), _STATE), 0, 2048),
            "select_merge": Point((_STATE, _STATE), 0, 1536),
            "select_finish": Point((_RULES, _STATE, i32(factor=SCORES.itemsize // WORD_BYTES)), 0, 1024),
        },
    ),
    Kernel(
        "energy.cc",
        {"m": Size("DIM_M", 1), "n": Size("DIM_N", 16)},
        {
            "energy": Point((f32("m", "n"), f32("m", factor=2)), 1, 1536),
            "energy_frames": Point((f32("n"), f32("m", factor=2)), 4, 1536),
        },
    ),
    Kernel(
        "log_mel.cc",
        _FRAMES,
        {
            "log_mel_frames": Point((f32(factor=4 * N_FFT), bf16("m", factor=_PARTS * N_FFT)), 1, 1024),
            "log_mel_transform": Point(
                (bf16("m", factor=_PARTS * N_FFT), bf16(factor=_PARTS * STEP_SAMPLES * 2 * TILE_BINS), _MEL_SUMS),
                1,
                2048,
            ),
            "log_mel_powers": Point((_MEL_SUMS, bf16("m", factor=TILE_BINS)), 0, 1024),
            "log_mel_begin": Point((_WINDOW,), 1, 512),
            "log_mel_logs": Point((_MEL_LOGS, _MEL_LOGS, _WINDOW), 0, 1024),
            "log_mel_scale": Point((_MEL_LOGS, _WINDOW, _MEL_LOGS), 0, 1024),
        },
    ),
    Kernel(
        "embed.cc",
        {"n": Size("DIM_N", 16, 8192)},
        {"embed": Point((bf16("n"), f32("n"), f32("n")), 0, 512)},
    ),
)

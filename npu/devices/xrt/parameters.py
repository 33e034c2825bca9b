"""Which word of the parameters at the start of INPUT means what; every stream of the model reads the same ones."""

from __future__ import annotations

from typing import Final

ROWS: Final = 0  # tokens of a forward
FIRST: Final = 1  # position of the first of them
KEYS: Final = 2  # positions that the last of them sees
FRAMES: Final = 3  # encoder positions of the window
MEL_FRAMES: Final = 4
ENCODING: Final = 5  # which set of cross-attention keys and values
SLOT: Final = 6  # which cache of self-attention
APPEND: Final = 7  # row of CACHE's `self` that the first token's keys and values go to
WANTED_FIRST: Final = 8  # row of the forward whose logits are the first that are wanted
WANTED: Final = 9  # how many rows of logits are wanted
VOICE_FRAMES: Final = 10  # frames of a window of a voice; half and a quarter of them in the next two words
SLOTS_OF_ROWS: Final = 16  # from here on: SLOT of each row of a step
APPENDS_OF_ROWS: Final = 32
KEYS_OF_ROWS: Final = 48  # this and the next three where rows belong to different streams
FIRSTS_OF_ROWS: Final = 64
FRAMES_OF_ROWS: Final = 80
ENCODINGS_OF_ROWS: Final = 96
SOURCES: Final = 112  # of copies of slots: from here on, where each reads
TARGETS: Final = 128
RECEIPT: Final = 240  # the last line: the device copies it into OUTPUT

"""A part of a vocabulary that is projected first: which ids it holds, and under which columns.

Byte-pair merges are learnt in the order of their frequency, so the low ids of text are the frequent ones: the shortlist
holds those, every id from <|endoftext|> on, and a few rare ones that the text so far has used. Its columns lie in the
order [rare ids, frequent text, from <|endoftext|> on], so that text is still what lies below <|endoftext|>.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from amanuensis.kernels.layout import TILE_COLUMNS, Block, padded
from amanuensis.npu.device_layers import UNEMBEDDING

SHORT: Final = f"{UNEMBEDDING}.short"  # the product with the ids that never change
EXTRA: Final = f"{UNEMBEDDING}.extra"  # the product with the rare ids
CENTRE: Final = f"{UNEMBEDDING}.centre"  # float32 [k]: the mean of the rows that are left out
SHORT_TEXT: Final = 5000  # frequent text ids
N_EXTRAS: Final = TILE_COLUMNS  # rare ids: one tile of the product
WORTH: Final = 2  # the vocabulary must be more than so many times as large as the shortlist
# openai/whisper `tokenizer.py`: 8 special tokens, 99 languages and 1501 timestamps from <|endoftext|> on
WHISPER_SPECIALS: Final = 1608
ROWS_AT_ONCE: Final = 4096

Float32 = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class ShortVocabulary:
    """The ids of a shortlist and their places in it.

    Attributes:
        text: the text ids below it are in the shortlist.
        eot: <|endoftext|>; all ids from it on are in the shortlist.
        size: of the whole vocabulary.

    """

    text: int
    eot: int
    size: int

    @classmethod
    def of(cls, size: int, eot: int) -> ShortVocabulary | None:
        """Return the shortlist of a vocabulary; None where it is not worth its room."""
        short = cls(SHORT_TEXT, eot, size)
        return short if size > WORTH * short.local_size else None

    @property
    def n_static(self) -> int:
        """How many ids are always in the shortlist."""
        return self.text + self.size - self.eot

    @property
    def n_left_out(self) -> int:
        """How many ids are not, but for the rare ones."""
        return self.eot - self.text

    @property
    def columns(self) -> int:
        """Columns of the product with the ids that never change."""
        return padded(self.n_static, TILE_COLUMNS)

    @property
    def pitch(self) -> int:
        """Logits of a row, with what fills the last tile up."""
        return N_EXTRAS + self.columns

    @property
    def local_size(self) -> int:
        """Logits of a row that count."""
        return N_EXTRAS + self.n_static

    @property
    def local_eot(self) -> int:
        """Place of <|endoftext|>."""
        return N_EXTRAS + self.text

    def is_left_out(self, token: int) -> bool:
        """Whether an id is in the shortlist only as a rare one."""
        return self.text <= token < self.eot

    def static(self, rows: NDArray[Any]) -> NDArray[Any]:
        """Return what belongs to the ids that never change, of an array whose first axis is the vocabulary."""
        return np.concatenate([rows[: self.text], rows[self.eot : self.size]])

    def place(self, token: int, extras: Iterable[int]) -> int | None:
        """Return the place of an id, None when it is left out; `extras` are the rare ids in their order."""
        if token < 0:
            return token
        if self.is_left_out(token):
            return next((place for place, extra in enumerate(extras) if extra == token), None)
        return N_EXTRAS + token - (self.n_left_out if token >= self.eot else 0)

    def token(self, place: int, extras: tuple[int, ...]) -> int:
        """Return the id at a place."""
        if place < 0:
            return place
        if place < N_EXTRAS:
            return extras[place]
        return place - N_EXTRAS + (self.n_left_out if place >= self.local_eot else 0)

    def bitmaps(self, masks: NDArray[np.bool_], extras: tuple[int, ...]) -> NDArray[np.uint8]:
        """Return the bitmaps of suppressed places, uint8 [masks, ceil(local_size / 8)]; unused places are suppressed.

        Args:
            masks: bool [masks, size], True where an id is suppressed.
            extras: the rare ids in their order.

        """
        rare = np.ones((len(masks), N_EXTRAS), np.bool_)
        rare[:, : len(extras)] = masks[:, list(extras)]
        return np.packbits(np.concatenate([rare, self.static(masks.T).T], axis=1), axis=1, bitorder="little")


def centre_and_radius(rows: Float32) -> tuple[Float32, float]:
    """Return the mean of rows [n, k], float32 [k], and the largest distance of a row from it."""
    centre = rows.mean(axis=0, dtype=np.float64).astype(np.float32)
    starts = range(0, len(rows), ROWS_AT_ONCE)
    parts = (rows[start : start + ROWS_AT_ONCE].astype(np.float64) - centre for start in starts)
    return centre, max(float(np.linalg.norm(part, axis=1).max()) for part in parts)


def take_columns(blocks: NDArray[Any], rows: int, columns: int, block: Block, chosen: NDArray[np.intp]) -> NDArray[Any]:
    """Return some columns of a packed matrix [rows, columns] in any order: [rows, len(chosen)] of the same dtype."""
    cut = blocks.reshape(rows // block.rows, columns // block.columns, block.rows, block.columns)
    return cut[:, chosen // block.columns, :, chosen % block.columns].reshape(len(chosen), rows).T

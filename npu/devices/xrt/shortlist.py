"""Projecting to a part of the vocabulary first, and to all of it only where a token that was left out could matter.

Where the worst candidate that was asked for is above the bound of what is left out, and that cannot move the
log-sum-exp, the shortlist answers what the whole vocabulary would.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from amanuensis.kernels.layout import BF16_B, INT8_B, pack
from amanuensis.kernels.records import TOP_K
from amanuensis.npu.device_layers import UNEMBEDDING
from amanuensis.npu.device_weights import Matrix
from amanuensis.npu.devices.xrt.decoder_streams import Vocabulary
from amanuensis.npu.devices.xrt.resident import Resident
from amanuensis.npu.devices.xrt.short_bound import Bound, holds
from amanuensis.npu.devices.xrt.short_vocabulary import CENTRE, EXTRA, N_EXTRAS, ShortVocabulary, take_columns
from amanuensis.npu.row_rules import N_MASKS, KindScores, RowRules, RowScores, Selection

FAILURES: Final = 16  # in a row, after which nothing is tried for a while
SHORTEST_REST: Final = 256  # tokens
LONGEST_REST: Final = 4096

Float32 = NDArray[np.float32]


class Rest:
    """Says when to try: after FAILURES in a row it rests for some tokens, each time for twice as many."""

    def __init__(self) -> None:
        self._failures = 0
        self._rest = SHORTEST_REST  # the next one
        self._left = 0  # tokens of the present one

    def may_try(self) -> bool:
        """Count a token, and say whether to try it."""
        if self._left:
            self._left -= 1
            return False
        return True

    def tell(self, *, held: bool) -> None:
        """Take note of how a try went."""
        if held:
            self._failures, self._rest = 0, SHORTEST_REST
            return
        self._failures += 1
        if self._failures == FAILURES:
            self._failures, self._left = 0, self._rest
            self._rest = min(2 * self._rest, LONGEST_REST)


@dataclass(frozen=True, slots=True)
class ShortlistUse:
    """How many tokens were tried with a shortlist, and of how many its answer held."""

    tried: int = 0
    held: int = 0


class Shortlist:
    """The shortlist of a model on the device: the rare ids in it, its rules, and whether its answers hold.

    Attributes:
        vocabulary: its ids.
        use: how often it was tried and held.

    """

    def __init__(self, resident: Resident, vocabulary: ShortVocabulary) -> None:
        self.vocabulary = vocabulary
        self.use = ShortlistUse()
        self._resident = resident
        self._extras: tuple[int, ...] = ()
        self._rest = Rest()
        self._masks: NDArray[np.bool_] = np.zeros((0, 0), np.bool_)
        self._n_left_out: list[int] = []
        self._bound: Bound | None = None

    def load(self, selection: Selection) -> Vocabulary | None:
        """Put the bitmaps on the device; return what selecting takes, None where the ids mean something else."""
        short = self.vocabulary
        if (selection.eot, selection.vocabulary) != (short.eot, short.size):
            return None
        self._masks = selection.masks
        self._n_left_out = (~selection.masks[:, short.text : short.eot]).sum(axis=1).tolist()
        self._bound = self._bound or self._read_bound()
        self._write_masks()
        begin = short.place(selection.timestamp_begin, ())
        assert begin is not None
        return Vocabulary(self._resident.short_masks_region, N_MASKS, short.local_eot, begin, no_speech=-1)

    def remember(self, tokens: Sequence[int]) -> None:
        """Take the rare ids of a text in, in the place of those that were used longest ago; the rest stays left out."""
        rare = [token for token in dict.fromkeys(tokens) if self.vocabulary.is_left_out(token)]
        if self._bound is None or set(rare) <= set(self._extras):
            return
        self._extras = tuple(dict.fromkeys([*rare, *self._extras]))[:N_EXTRAS]
        self._write_extras()
        self._write_masks()

    def local(self, rules: RowRules) -> RowRules | None:
        """Return rules with the places of their ids; None where the shortlist is not to be tried."""
        asked = [rules.wanted, *(token for token, _ in rules.bonuses)]
        places = [self.vocabulary.place(token, self._extras) for token in asked]
        if rules.no_speech or rules.temperature > 0 or None in places or not self._rest.may_try():
            return None
        wanted, *bonuses = (place for place in places if place is not None)
        moved = zip(bonuses, (bonus for _, bonus in rules.bonuses), strict=True)
        time_from, time_to = (self._moved(end) for end in (rules.time_from, rules.time_to))
        return replace(
            rules, wanted=wanted, bonuses=tuple(moved), candidates=TOP_K, time_from=time_from, time_to=time_to
        )

    def answer(self, rules: RowRules, scores: RowScores, hidden: Float32) -> RowScores | None:
        """Return the scores of a row by ids, or None when those of the whole vocabulary may be others.

        Args:
            rules: by ids.
            scores: of the places, under `local` rules.
            hidden: float32 [k], the normalised row.

        """
        assert self._bound is not None
        n_left_out = self._n_left_out[rules.mask] if rules.text else 0
        is_whole = holds(scores.text, rules.candidates, n_left_out, self._bound.of(hidden))
        self._rest.tell(held=is_whole)
        self.use = ShortlistUse(self.use.tried + 1, self.use.held + is_whole)
        if not is_whole:
            return None
        text, time = (self._by_id(kind, rules.candidates) for kind in (scores.text, scores.time))
        return replace(scores, text=text, time=time)

    def _moved(self, end: int) -> int:
        """Return an end of a range of timestamps as a place; what lies before all timestamps may stay."""
        return end - self.vocabulary.n_left_out + N_EXTRAS if end >= self.vocabulary.eot else 0

    def _by_id(self, kind: KindScores, candidates: int) -> KindScores:
        pairs = (
            (self.vocabulary.token(place, self._extras), logit)
            for place, logit in zip(kind.ids, kind.logits, strict=True)
        )
        best = sorted(pairs, key=lambda pair: (-pair[1], pair[0]))[:candidates]
        return replace(kind, ids=tuple(token for token, _ in best), logits=tuple(logit for _, logit in best))

    def _write_masks(self) -> None:
        bitmaps = self.vocabulary.bitmaps(self._masks, self._extras)
        self._resident.write_part(bitmaps, self._resident.short_masks_region.offset)

    def _write_extras(self) -> None:
        """Copy the columns of the rare ids from the whole matrix to their places."""
        whole, part = (self._resident.weights.matrix(name) for name in (UNEMBEDDING, EXTRA))
        is_int8 = whole.precision == "int8"
        block, dtype = (INT8_B, np.dtype(np.int8)) if is_int8 else (BF16_B, np.dtype(ml_dtypes.bfloat16))
        chosen = np.zeros(N_EXTRAS, np.intp)  # what is not used holds some column, which the bitmaps suppress
        chosen[: len(self._extras)] = self._extras
        values = self._resident.held(whole.values, (whole.k * whole.n,), dtype)
        columns = take_columns(values, whole.k, whole.n, block, chosen)
        self._resident.write_part(pack(columns, block), part.values.offset)
        if whole.scales is not None and part.scales is not None:
            scales = self._resident.held(whole.scales, (whole.n,), np.float32)
            self._resident.write_part(scales[chosen], part.scales.offset)

    def _read_bound(self) -> Bound:
        weights = self._resident.weights
        matrix: Matrix = weights.matrix(UNEMBEDDING)
        assert weights.short is not None
        shape = (matrix.k,)
        centre = self._resident.held(weights.at(CENTRE), shape, np.float32).astype(np.float64)
        smooth = None
        if matrix.smooth is not None and matrix.precision == "int8":
            smooth = self._resident.held(matrix.smooth, shape, np.float32).astype(np.float64)
        return Bound(centre, float(weights.short["radius"]), smooth, matrix.precision == "int8")

"""When the answer of a shortlist is that of the whole vocabulary: a bound of all logits that are left out.

The logit of a row w that is left out is w . h = c . h + (w - c) . h for any vector c, so it is no more than
c . h + |w - c| |h|. With c the mean of those rows and the largest |w - c| of them this bounds all of them at once. It
is as safe as the largest |w| |h|, and tighter as a rule, for what all rows have in common is counted as it is and not
at its length.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from amanuensis.kernels.records import TOP_K
from amanuensis.npu.quantise import FULL_RANGE
from amanuensis.npu.row_rules import KindScores

MAX_LSE_ERROR: Final = 1e-3  # nats
HALF_STEP: Final = 0.501  # of rounding to int8, with what float32 adds to it
FLOAT32_STEP: Final = 2.0**-23  # twice what rounding to nearest loses: cores may round otherwise
OTHER_ROUNDINGS: Final = 8  # of scales, smoothing and products, beside one for each addend

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Bound:
    """What no logit that is left out exceeds.

    Attributes:
        centre: float64 [k], the mean of the rows that are left out.
        radius: the largest distance of such a row from it.
        smooth: float64 [k], multiplied onto activations first.
        is_int8: activations are rounded to int8.

    """

    centre: Float64
    radius: float
    smooth: Float64 | None
    is_int8: bool

    def of(self, hidden: Float32) -> float:
        """Return the bound for a normalised row [k], as the device multiplies it; NaN for one that is no number."""
        values = hidden.astype(np.float64)
        if self.smooth is not None:
            values *= self.smooth
        # the device multiplies by integers times a scale, each off by half a step: |error| <= sqrt(k) half
        half = HALF_STEP * float(np.abs(values).max()) / FULL_RANGE if self.is_int8 else 0.0
        length = float(np.linalg.norm(values)) + half * len(values) ** 0.5
        exact = float(self.centre @ values) + half * float(np.abs(self.centre).sum()) + self.radius * length
        largest = (float(np.linalg.norm(self.centre)) + self.radius) * length
        return float(exact + (len(values) + OTHER_ROUNDINGS) * FLOAT32_STEP * largest)


def holds(text: KindScores, candidates: int, n_left_out: int, bound: float) -> bool:
    """Say whether scores of a shortlist are those of the whole vocabulary.

    Args:
        text: of the ids below the first timestamp, with the best TOP_K.
        candidates: how many of them are wanted.
        n_left_out: how many allowed ids are left out.
        bound: of their logits.

    """
    if not n_left_out:
        return True
    if len(text.ids) < candidates or not n_left_out * np.exp(bound - text.lse) <= MAX_LSE_ERROR:
        return False
    worst = text.logits[candidates - 1] if candidates else np.inf
    # places are not in the order of ids: among equals at the end of the list a lower id may have been cut off
    is_cut_in_ties = len(text.ids) == TOP_K and text.logits[-1] == worst
    return bool(worst > bound) and not is_cut_in_ties

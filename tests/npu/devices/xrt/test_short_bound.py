"""The bound of the logits that a shortlist leaves out, and what follows from it."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import ml_dtypes
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from amanuensis.kernels.records import TOP_K
from amanuensis.kernels.reference import gemm
from amanuensis.kernels.reference.requantise import quantise_rows as quantise_activations
from amanuensis.npu.devices.xrt.short_bound import Bound, holds
from amanuensis.npu.devices.xrt.short_vocabulary import centre_and_radius
from amanuensis.npu.quantise import quantise_rows
from amanuensis.npu.row_rules import KindScores

Kind = Literal["int8", "bf16", "smoothed"]


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(["int8", "bf16", "smoothed"]), st.floats(0, 1))
def test_the_bound_holds_where_it_is_nearly_reached(seed: int, kind: Kind, along: float) -> None:
    """Of rows that point along what is multiplied, in the arithmetic of the device."""
    random = np.random.default_rng(seed)
    k, n = int(random.choice([8, 64, 512])), int(random.integers(1, 20))
    weight = random.normal(size=(n, k)).astype(np.float32)
    smooth = random.uniform(0.25, 4, k).astype(np.float32) if kind == "smoothed" else np.ones(k, np.float32)
    towards = (weight[0] - weight.mean(axis=0)) / smooth
    hidden = (along * towards + (1 - along) * random.normal(size=k)).astype(ml_dtypes.bfloat16)
    rows = quantise_rows(weight)
    if kind == "bf16":
        multiplied = weight.astype(ml_dtypes.bfloat16)
        logits = gemm.gemm_bf16(hidden[None], multiplied.T, gemm.Ending())[0]
    else:
        values, scales = quantise_activations(hidden[None].astype(np.float32), smooth)
        logits = gemm.gemm_int8(values, scales, rows.values.T, rows.scales, gemm.Ending())[0]
        multiplied = rows.dequantised()
    centre, radius = centre_and_radius(multiplied.astype(np.float32))
    smoothing = smooth.astype(np.float64) if kind == "smoothed" else None
    bound = Bound(centre.astype(np.float64), radius, smoothing, kind != "bf16").of(hidden.astype(np.float32))
    assert logits.max() <= bound
    length = float(np.linalg.norm(hidden.astype(np.float64) * smooth))
    assert bound <= float(np.linalg.norm(centre)) * length * 1.1 + radius * length * 1.1 + 1e-6


def test_what_holds_and_what_does_not() -> None:
    """Enough candidates above the bound, a sum that what is below cannot move, and no ties at the end of the list."""
    text = KindScores((1, 2, 3), (20.0, 19.0, 18.0), 20.5)
    assert holds(text, 3, 1000, 0.0)
    assert not holds(text, 3, 1000, 18.0)  # a rare id might be as good as the third
    assert not holds(text, 2, 1000, 13.0)  # a thousand of them would be heard in the sum
    assert holds(text, 2, 1, 13.0)
    assert not holds(text, 4, 1, 0.0)  # a rare id would be the fourth
    assert holds(text, 4, 0, np.inf)  # but none is allowed
    assert not holds(text, 1, 1, np.nan)
    assert not holds(KindScores(), 1, 5, 0.0)
    tied = KindScores(tuple(range(TOP_K)), (20.0,) * TOP_K, 24.0)
    assert not holds(tied, 1, 1, 0.0)
    assert holds(replace(tied, logits=(*tied.logits[:-1], 19.0)), 1, 1, 0.0)

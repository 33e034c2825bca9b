"""Calls from Python: what of a published time is the host's."""

from __future__ import annotations

from dataclasses import replace

import pytest

from amanuensis.kernels.cost.called import fresh_product_us, fresh_us, npu1_us
from amanuensis.kernels.cost.fitted import FITTED
from amanuensis.kernels.cost.product import Product, Tiling
from amanuensis.kernels.cost.target import Target
from amanuensis.kernels.cost.targets import targets

WHOLE = Product(512, 512, 512, (2, 2, 4), Tiling(64, 64, 32, 4, 4, (128, 64, 128)))


def test_a_call_with_new_buffers_pays_for_their_bytes() -> None:
    """512 cubed of int16 moves two operands of 512 KB and sums of 1 MB, each once."""
    moved = 2 * 2 * 512**2 + 4 * 512**2
    beside = npu1_us(WHOLE, FITTED.npu1_int16, FITTED)
    assert fresh_product_us(WHOLE, FITTED) == pytest.approx(fresh_us(moved, FITTED) + beside)
    assert fresh_us(moved, FITTED) - fresh_us(0, FITTED) == pytest.approx(moved / FITTED.fresh_gb_s / 1e3)


def test_the_buffers_explain_what_the_cores_did_not() -> None:
    """Without them 512 cubed would take half of what was published; with them it is within the tolerance."""
    by_name: dict[str, Target] = {target.name: target for target in targets()}
    target = by_name["C3 int16 512 cubed, 16 cores"]
    free = replace(FITTED, fresh_call_us=FITTED.npu1_dispatch_us, fresh_gb_s=1e6)
    assert target.modelled(free) < 0.6 * target.published
    assert target.low < target.modelled(FITTED) / target.published < target.high


def test_buffers_that_are_kept_save_what_was_published() -> None:
    """A product of 512/384/384 took 0.89 ms with new buffers and 0.43 ms with kept ones: half of it was the host's."""
    by_name = {target.name: target.modelled(FITTED) for target in targets()}
    anew, kept = (by_name[f"C11 int16 512/384/384, 16 cores, buffers {how}"] for how in ("anew", "kept"))
    assert anew - kept == pytest.approx(890 - 430, rel=0.1)

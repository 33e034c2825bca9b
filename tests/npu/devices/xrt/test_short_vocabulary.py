"""Which ids a shortlist holds, and where."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from amanuensis.kernels.layout import BF16_B, INT8_B, Block, pack
from amanuensis.npu.devices.xrt.short_vocabulary import (
    N_EXTRAS,
    SHORT_TEXT,
    WHISPER_SPECIALS,
    ShortVocabulary,
    centre_and_radius,
    take_columns,
)

SHORT = ShortVocabulary(text=10, eot=40, size=55)


@pytest.mark.parametrize(("size", "eot"), [(51865, 50257), (51864, 50256), (51866, 50257)])
def test_whisper_has_a_shortlist(size: int, eot: int) -> None:
    """All its vocabularies do, in the same number of tiles, and their text is the larger part of what is left out."""
    short = ShortVocabulary.of(size, eot)
    assert short is not None
    assert short.columns == 6656
    assert short.n_left_out == eot - SHORT_TEXT
    assert ShortVocabulary.of(size, size - WHISPER_SPECIALS) is not None


def test_small_vocabularies_have_none() -> None:
    """Twice the shortlist is the least."""
    least = 2 * (N_EXTRAS + SHORT_TEXT + 1500)
    assert ShortVocabulary.of(least, least - 1500) is None
    assert ShortVocabulary.of(least + 1, least + 1 - 1500) is not None


def test_every_id_has_a_place_or_is_left_out() -> None:
    """Rare ids come first, then text and special tokens in their order; places lead back to their ids."""
    extras = (33, 12)
    places = [SHORT.place(token, extras) for token in range(SHORT.size)]
    assert [token for token, place in enumerate(places) if place is None] == [
        *range(10, 12),
        *range(13, 33),
        *range(34, 40),
    ]
    assert (places[33], places[12]) == (0, 1)
    rest = [place for place in places if place is not None and place >= N_EXTRAS]
    assert rest == list(range(N_EXTRAS, SHORT.local_size))
    assert places[SHORT.eot] == SHORT.local_eot
    assert all(SHORT.token(place, extras) == token for token, place in enumerate(places) if place is not None)
    assert SHORT.place(-1, extras) == SHORT.token(-1, extras) == -1


def test_bitmaps_suppress_what_is_not_used() -> None:
    """A place is suppressed as its id is; places without an id always are."""
    masks, extras = np.random.default_rng(0).random((2, SHORT.size)) < 0.5, (33, 12)
    bits = np.unpackbits(SHORT.bitmaps(masks, extras), axis=1, bitorder="little", count=SHORT.local_size)
    assert bits[:, len(extras) : N_EXTRAS].all()
    for token in range(SHORT.size):
        place = SHORT.place(token, extras)
        assert place is None or (bits[:, place] == masks[:, token]).all()


@pytest.mark.parametrize("block", [INT8_B, BF16_B])
def test_columns_are_taken_from_blocks(block: Block) -> None:
    """In any order, and some twice."""
    matrix = np.arange(16 * 24).reshape(16, 24)
    chosen = np.array([23, 0, 7, 8, 7])
    np.testing.assert_array_equal(take_columns(pack(matrix, block), 16, 24, block, chosen), matrix[:, chosen])


@given(st.integers(1, 9000))
def test_all_rows_lie_within_the_radius(n_rows: int) -> None:
    """However many parts they are measured in; and one lies on it."""
    rows = np.random.default_rng(n_rows).normal(3, 1, (n_rows, 4)).astype(np.float32)
    centre, radius = centre_and_radius(rows)
    distances = np.linalg.norm(rows.astype(np.float64) - centre, axis=1)
    assert distances.max() == pytest.approx(radius, rel=1e-12)
    np.testing.assert_allclose(centre, rows.mean(axis=0), atol=1e-4)

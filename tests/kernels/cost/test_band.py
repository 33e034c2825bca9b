"""Figures with their uncertainty."""

from __future__ import annotations

from amanuensis.kernels.cost.band import Band, inverse, total


def test_bands_add_end_to_end() -> None:
    """Low to low, high to high; nothing adds up to zero."""
    assert Band(1, 2, 3) + Band(10, 20, 30) == Band(11, 22, 33)
    assert Band(1, 2, 3) * 2 == Band(2, 4, 6)
    assert total([Band(1, 2, 3)] * 3) == Band(3, 6, 9)
    assert total([]) == Band(0, 0, 0)


def test_a_rate_turns_a_band_around() -> None:
    """What takes least time has the highest rate."""
    assert inverse(Band(1, 2, 4), 8) == Band(2, 4, 8)


def test_bands_are_told_in_few_digits() -> None:
    """Programs read low, mid and high."""
    assert Band(1.23456, 23456.7, 0).as_map() == {"low": 1.235, "mid": 23460.0, "high": 0.0}

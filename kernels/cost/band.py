"""A figure with its uncertainty."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Band:
    """A figure and how far off it may be; the middle is for where only one number fits."""

    low: float
    middle: float
    high: float

    def __add__(self, other: Band) -> Band:
        return Band(self.low + other.low, self.middle + other.middle, self.high + other.high)

    def __mul__(self, factor: float) -> Band:
        """Return the band times a factor that is not negative."""
        return Band(self.low * factor, self.middle * factor, self.high * factor)

    def as_map(self, digits: int = 4) -> dict[str, float]:
        """Return the ends for JSON, rounded to significant digits."""
        ends = {"low": self.low, "mid": self.middle, "high": self.high}
        return {name: float(f"{end:.{digits}g}") for name, end in ends.items()}


def total(bands: Iterable[Band]) -> Band:
    """Return the sum of bands, zero when there are none."""
    result = Band(0.0, 0.0, 0.0)
    for band in bands:
        result += band
    return result


def inverse(band: Band, of: float) -> Band:
    """Return `of` divided by a band above zero: what is fast in one is slow in the other."""
    return Band(of / band.high, of / band.middle, of / band.low)

"""Settings within their bounds."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from amanuensis.stream.bounds import check_bounds

BOUNDS = (("level", -60.0, 0.0), ("votes", 1, 5))


def test_bounds_themselves_are_allowed() -> None:
    """The lowest and the highest value pass."""
    check_bounds("vad", SimpleNamespace(level=-60.0, votes=5), BOUNDS)


def test_what_lies_outside_is_named() -> None:
    """The message names the part, the setting, its value and what is allowed; not a number is outside too."""
    with pytest.raises(ValueError, match="vad votes 6 is not allowed: it must be 1 to 5"):
        check_bounds("vad", SimpleNamespace(level=0.0, votes=6), BOUNDS)
    with pytest.raises(ValueError, match="vad level nan is not allowed: it must be -60 to 0"):
        check_bounds("vad", SimpleNamespace(level=float("nan"), votes=1), BOUNDS)

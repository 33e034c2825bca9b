"""Ratios of times in one run."""

from __future__ import annotations

from pathlib import Path

from amanuensis.benchmarks.guard.ratios import MEANINGS, take_ratios


def test_every_ratio_is_taken(builtin_model: Path) -> None:
    """One round on a second of speech gives a number above 0 for each; how large is the machine's affair."""
    found = take_ratios(builtin_model, rounds=1, seconds=2.0)
    assert list(found) == list(MEANINGS)
    assert all(value > 0 for value in found.values())

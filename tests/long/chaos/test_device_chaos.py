"""Two hundred sessions on a device that is lost, hangs, fails, is slow or lies at random points."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from tests.helpers.device_chaos import FAILING, check, run_session

SEEDS = range(200)


def test_no_word_is_lost_whatever_the_device_does(builtin_model: Path) -> None:
    """The words of every session are those of an undisturbed one; every kind of failure has struck."""
    undisturbed = run_session(builtin_model, None)
    struck: Counter[str] = Counter()
    replaced = 0
    for seed in SEEDS:
        session = run_session(builtin_model, seed)
        check(session, undisturbed)
        struck.update(session.struck)
        replaced += sum(bool(result.fallback) for result in session.results)
    print(f"\n{len(SEEDS)} sessions, {dict(struck)}, {replaced} windows done by the CPU instead")
    assert set(FAILING) <= set(struck)

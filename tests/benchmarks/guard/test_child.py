"""The processes in which the guard measures."""

from __future__ import annotations

from pathlib import Path

import pytest

from amanuensis.benchmarks.guard.child import ChildError, told


def test_a_child_that_fails_is_one_line(tmp_path: Path) -> None:
    """The line has the last one of the child, and the command to run it by itself."""
    with pytest.raises(ChildError) as caught:
        told("ratios", tmp_path / "no model")
    text = str(caught.value)
    assert text.startswith("ratios ended with status 1: ")
    assert "no model" in text
    assert "-m amanuensis.benchmarks.guard.ratios" in text
    assert "\n" not in text

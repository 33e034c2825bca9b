"""Values that words cannot hold."""

from __future__ import annotations

from typing import Any

import pytest

from amanuensis.kernels.operands import Count, Region
from amanuensis.kernels.words import MAX_TUPLE, Offset, OpError, WordReader, write


@pytest.mark.parametrize(
    ("hint", "value"),
    [(int, -(1 << 31)), (int, (1 << 31) - 1), (Offset, (1 << 63) - 1), (bool, True), (float, -0.5), (Count, 7)],
)
def test_values_come_back(hint: Any, value: Any) -> None:
    """The ends of each range survive."""
    words: list[int] = []
    write(words, hint, value, "value")
    assert all(0 <= word < 1 << 32 for word in words)
    assert WordReader(words).read(hint, "value") == value


@pytest.mark.parametrize(
    ("hint", "value", "message"),
    [
        (int, 1 << 31, "value is 2147483648; a stream holds -2147483648 to 2147483647"),
        (Offset, -1, "value is -1; a stream holds 0 to"),
        (float, 1e39, "beyond float32"),
        (tuple[int, ...], (0,) * (MAX_TUPLE + 1), "value has 257 values; at most 256"),
        (Region | None, 5, "value is 5; allowed: Region, NoneType"),
    ],
)
def test_values_out_of_range_are_refused(hint: Any, value: Any, message: str) -> None:
    """The error names the value and what is allowed."""
    with pytest.raises(OpError, match=message):
        write([], hint, value, "value")


@pytest.mark.parametrize(
    ("hint", "words", "message"),
    [
        (bool, [2], "value is the word 2; allowed are 0 to 1"),
        (Count, [2, 0], "value is the word 2; allowed are 0 to 1"),
        (tuple[int, ...], [1 << 20], "allowed are 0 to 256"),
        (int, [], "value lies beyond the last of 0 words"),
        (Region, [9, 0, 0, 1, 0, 0], "buffer 9; there are 0 to 4"),
    ],
)
def test_impossible_words_are_refused(hint: Any, words: list[int], message: str) -> None:
    """Words that nobody wrote raise OpError."""
    with pytest.raises(OpError, match=message):
        WordReader(words).read(hint, "value")

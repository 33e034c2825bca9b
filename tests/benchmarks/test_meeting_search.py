"""The measurement of how fast a phrase is found."""

from __future__ import annotations

from pathlib import Path

from amanuensis.benchmarks.meeting_search import measure


def test_each_phrase_is_found_as_often_as_it_is_there(tmp_path: Path) -> None:
    """The planted one once, common words as often as are looked for, a row that nobody says never."""
    costs = measure(2, 1, tmp_path)
    assert {kind: cost.hits for kind, cost in costs.items()} == {
        "rare phrase": 1,
        "common word": 50,
        "common phrase": 50,
        "common words, nowhere": 0,
        "one word again and again": 0,
        "two words in turn": 0,
        "beginning of a word": 1,
        "beginning of many words": 50,
        "phrase with a beginning": 50,
        "common words, then a beginning": costs["common words, then a beginning"].hits,
    }

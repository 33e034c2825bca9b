"""The file of accepted figures."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from amanuensis.benchmarks.guard import counts, ratios
from amanuensis.benchmarks.guard.accepted import AcceptedError, Figures, read_accepted, write_accepted
from amanuensis.npu.atomic import WriteError


def figures() -> Figures:
    """Figures with a value for each name."""
    return Figures.taken_here("words", dict.fromkeys(counts.MEANINGS, 1.5), dict.fromkeys(ratios.MEANINGS, 0.5))


def test_the_committed_file_has_all_figures() -> None:
    """What the guard takes has an accepted value, and nothing else has."""
    accepted = read_accepted()
    assert set(accepted.counts) == set(counts.MEANINGS)
    assert set(accepted.ratios) == set(ratios.MEANINGS)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    """The file says the same again, over an older one too; versions have no number of repairs."""
    path = tmp_path / "accepted.json"
    write_accepted(replace(figures(), text="older"), path)
    write_accepted(figures(), path)
    assert read_accepted(path) == figures()
    assert re.fullmatch(r"Python 3\.\d+, numpy \d+\.\d+, onnxruntime \d+\.\d+", figures().versions())


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"text": 3}, "text is 3, not a text"),
        ({"counts": {}}, "counts lack windows_per_s"),
        ({"counts": 4}, "counts are 4, not numbers by name"),
        ({"counts": dict.fromkeys(counts.MEANINGS, 1.5) | {"sneezes": 1.0}}, "counts name sneezes"),
        ({"counts": dict.fromkeys(counts.MEANINGS, -1.0)}, "say -1.0 for windows_per_s: a number from 0"),
        ({"counts": dict.fromkeys(counts.MEANINGS, True)}, "say True for windows_per_s"),
        ({"ratios": dict.fromkeys(ratios.MEANINGS, float("nan"))}, "say nan for streaming / reference"),
        ({"libraries": {"numpy": "2.4"}}, "not the versions of numpy, onnxruntime"),
        ({"weather": "fine"}, "weather where commit, python"),
    ],
)
def test_a_wrong_file_is_one_line(tmp_path: Path, changes: dict[str, Any], complaint: str) -> None:
    """Each is told in one line with what is wrong and how to write the file anew."""
    path = tmp_path / "accepted.json"
    path.write_text(json.dumps(asdict(figures()) | changes))
    assert complaint in refusal(path)


@pytest.mark.parametrize("content", [None, b"", b"{", b"[1]", b"null", b"\xff\xfe", b'"words"'])
def test_no_figures_are_one_line(tmp_path: Path, content: bytes | None) -> None:
    """A file that is missing, cut short, no text or no map of figures is told in one line too."""
    path = tmp_path / "accepted.json"
    if content is not None:
        path.write_bytes(content)
    assert refusal(path)


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """The place is in the complaint."""
    (tmp_path / "file").write_text("")
    with pytest.raises(WriteError, match=r"file/accepted\.json: cannot be written"):
        write_accepted(figures(), tmp_path / "file" / "accepted.json")


def refusal(path: Path) -> str:
    """Return why a file is refused, after checking the form of the line."""
    with pytest.raises(AcceptedError) as caught:
        read_accepted(path)
    text = str(caught.value)
    assert text.startswith("accepted figures accepted.json: ")
    assert text.endswith("; `make guard ARGS=--accept` writes it anew")
    assert "\n" not in text
    return text

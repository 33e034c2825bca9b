"""What is fuzzed: a function of bytes that raises only where something is wrong."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

NAMES: Final = (
    "wire",
    "config",
    "spool",
    "wav_stream",
    "sound_file",
    "model_json",
    "model_folder",
    "archive",
    "frames",
    "dialects",
    "manifest",
)
REGRESSIONS: Final = Path(__file__).parent / "regressions"
MAX_LINE_CHARS: Final = 2000


@dataclass(frozen=True, slots=True)
class Target:
    """One reader of foreign bytes.

    Attributes:
        seeds: inputs to begin with, from fixtures.
        prepare: makes the function that reads one input, given a folder for files; any exception of it is a finding.
        max_bytes: of an input.

    """

    seeds: Callable[[], list[bytes]]
    prepare: Callable[[Path], Callable[[bytes], None]]
    max_bytes: int = 4096


def load(name: str) -> Target:
    """Return a target; its module imports what it fuzzes."""
    target: Target = importlib.import_module(f"tests.fuzz.targets.{name}").TARGET
    return target


def regressions(name: str) -> list[bytes]:
    """Return inputs that were findings once."""
    return [path.read_bytes() for path in sorted((REGRESSIONS / name).glob("*"))]


def check_line(error: Exception) -> None:
    """Assert that what a person is told is one line that can be read and sent."""
    text = str(error)
    assert text, "an error without words"
    assert len(text.splitlines()) == 1, f"an error of several lines: {text!r:.300}"
    assert len(text) <= MAX_LINE_CHARS, f"an error of {len(text)} characters: {text!r:.100}"
    text.encode()

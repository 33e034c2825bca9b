"""What was said as a table and as Markdown: of a transcript (outputs.py) and of a meeting (meetings/export.py)."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

CSV_HEAD: Final = ("from_ms", "to_ms", "track", "speaker", "kind", "text")
FORMULA: Final = tuple("=+-@\uff1d\uff0b\uff0d\uff20")  # a table program would compute it; the last four: in Japan
SAID: Final = "said"
WORD: Final = "word"


@dataclass(frozen=True, slots=True)
class Row:
    """Something that was said, or else happened, at a time in milliseconds; "" where a text is not known."""

    start_ms: float
    end_ms: float
    text: str
    speaker: str = ""
    track: str = ""
    kind: str = SAID


def table(rows: Iterable[Row]) -> str:
    """Return a table with a head, in the order of time; no cell is taken for a formula."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(CSV_HEAD)
    for row in sorted(rows, key=lambda row: row.start_ms):
        texts = (row.track, row.speaker, row.kind, row.text)
        writer.writerow([round(row.start_ms), round(row.end_ms), *map(_cell, texts)])
    return out.getvalue()


def paragraphs(rows: Iterable[Row]) -> list[str]:
    """Return Markdown: a paragraph for each turn, or for each row of which no speaker is known."""
    found: list[str] = []
    speaker = ""
    for row in rows:
        text = markdown(row.text)
        if row.speaker and row.speaker == speaker:
            found[-1] += f" {text}"
        else:
            at = f"({clock(row.start_ms)})"
            found.append(f"**{markdown(row.speaker)}** {at}: {text}" if row.speaker else f"{at} {text}")
        speaker = row.speaker
    return found


def clock(ms: float) -> str:
    """Return a time as `H:MM:SS`."""
    seconds = int(ms / 1000)
    return f"{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


def markdown(text: str) -> str:
    """Return text that Markdown takes for text, on one line."""
    return "".join(f"\\{char}" if char in "\\`*_{}[]<>#|&~" else char for char in " ".join(text.split()))


def _cell(text: str) -> str:
    return f"'{text}" if text.lstrip().startswith(FORMULA) else text

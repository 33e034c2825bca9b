"""A meeting as a file: txt, md, srt, vtt, json, csv (docs/meetings.md has the schema of json and csv)."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, TypeAlias

from amanuensis.daemon.meetings.model import Line, Meeting, Record
from amanuensis.daemon.meetings.overlaps import overlaps
from amanuensis.stream.events import Word
from amanuensis.stream.subtitles import to_srt, to_vtt
from amanuensis.stream.timed_text import to_labels, to_timed_vtt, to_word_srt

SCHEMA: Final = "amanuensis.meeting.v1"
Row: TypeAlias = tuple[float, float, str, str, str, str]
CSV_HEAD: Final = ("from_ms", "to_ms", "track", "speaker", "kind", "text")
FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")  # a table program would compute it


def to_txt(record: Record) -> str:
    """Return one line an utterance, in order, with its time and speaker; notes among them."""
    rows = [(line.start_ms, f"{line.speaker}: {line.utterance.text}") for line in record.lines]
    rows += [(remark.at_ms, f"* {remark.text or 'mark'}") for remark in record.remarks]
    rows += [
        (hole.start_ms, f"({track}: {hole.why}, {_length(hole.start_ms, hole.end_ms)})") for track, hole in record.holes
    ]
    return "".join(f"[{clock(at_ms)}] {text}\n" for at_ms, text in sorted(rows, key=lambda row: row[0]))


def to_md(record: Record) -> str:
    """Return a document with a title, the notes, and what was said, one paragraph a turn."""
    meeting = record.meeting
    parts = [
        f"# {_md(meeting.title or 'Meeting')}",
        f"{_opened(meeting):%Y-%m-%d %H:%M} UTC, {clock(meeting.duration_ms)}",
    ]
    if record.remarks:
        notes = "\n".join(f"- {clock(remark.at_ms)} {_md(remark.text or 'mark')}" for remark in record.remarks)
        parts += ["## Notes", notes]
    parts.append("## What was said")
    speaker = ""
    for line in record.lines:
        text = _md(line.utterance.text)
        if line.speaker == speaker:
            parts[-1] += f" {text}"
        else:
            parts.append(f"**{_md(line.speaker)}** ({clock(line.start_ms)}): {text}")
        speaker = line.speaker
    return "\n\n".join(parts) + "\n"


def to_json(record: Record) -> str:
    """Return everything, for programs."""
    return json.dumps(as_map(record), ensure_ascii=False, indent=1) + "\n"


def to_csv(record: Record) -> str:
    """Return a table with a head: one row an utterance, note or gap; no cell is taken for a formula."""
    said = [
        (line.start_ms, line.end_ms, line.track, line.speaker, "said", line.utterance.text) for line in record.lines
    ]
    return _table(record, said)


def to_word_csv(record: Record) -> str:
    """Return the same table with one row a word in the place of those of utterances."""
    said = [
        (word.start_ms, word.end_ms, line.track, line.speaker, "word", word.text.strip())
        for line in record.lines
        for word in line.utterance.words
    ]
    return _table(record, said)


def _table(record: Record, said: list[Row]) -> str:
    rows = list(said)
    rows += [(remark.at_ms, remark.at_ms, "", "", "note", remark.text) for remark in record.remarks]
    rows += [(hole.start_ms, hole.end_ms, track, "", "gap", hole.why) for track, hole in record.holes]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(CSV_HEAD)
    for start_ms, end_ms, *texts in sorted(rows, key=lambda row: row[0]):
        writer.writerow([round(start_ms), round(end_ms), *map(_cell, texts)])
    return out.getvalue()


FORMATS: Final[Mapping[str, Callable[[Record], str]]] = {
    "txt": to_txt,
    "md": to_md,
    "srt": lambda record: to_srt(map(_words, record.lines)),
    "vtt": lambda record: to_vtt(map(_words, record.lines)),
    "json": to_json,
    "csv": to_csv,
}
TIMED_FORMATS: Final[Mapping[str, Callable[[Record], str]]] = {  # with the times of words; md has none
    "txt": lambda record: to_labels(map(_words, record.lines)),
    "srt": lambda record: to_word_srt(map(_words, record.lines)),
    "vtt": lambda record: to_timed_vtt(map(_words, record.lines)),
    "json": to_json,
    "csv": to_word_csv,
}


def meeting_map(meeting: Meeting) -> dict[str, Any]:
    """Return a meeting at a glance, for programs."""
    return {
        "id": meeting.id,
        "title": meeting.title,
        "state": meeting.state,
        "opened": _opened(meeting).isoformat(timespec="milliseconds"),
        "duration_ms": round(meeting.duration_ms),
        "tracks": [
            {
                "session": track.session,
                "name": track.name,
                "state": track.state,
                "offset_ms": round(track.offset_ms),
                "duration_ms": round(track.duration_ms),
                "rate": track.rate,
                "model": track.model,
            }
            for track in meeting.tracks
        ],
    }


def as_map(record: Record) -> dict[str, Any]:
    """Return all of a meeting, for programs."""
    return {
        "schema": SCHEMA,
        **meeting_map(record.meeting),
        "utterances": [_line_map(line) for line in record.lines],
        "notes": [{"id": one.id, "at_ms": round(one.at_ms), "text": one.text} for one in record.remarks],
        "gaps": [
            {"track": track, "from_ms": round(hole.start_ms), "to_ms": round(hole.end_ms), "why": hole.why}
            for track, hole in record.holes
        ],
        "overlaps": [
            {"from_ms": round(one.start_ms), "to_ms": round(one.end_ms), "tracks": list(one.tracks)}
            for one in overlaps(record.lines)
        ],
    }


def clock(ms: float) -> str:
    """Return a time as `H:MM:SS`."""
    seconds = int(ms / 1000)
    return f"{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


def _line_map(line: Line) -> dict[str, Any]:
    return {
        "track": line.track,
        "speaker": line.speaker,
        "session": line.session,
        "from_ms": round(line.start_ms),
        "to_ms": round(line.end_ms),
        "text": line.utterance.text,
        "words": [
            {"text": word.text, "from_ms": round(word.start_ms), "to_ms": round(word.end_ms), "conf": word.conf}
            for word in line.utterance.words
        ],
    }


def _words(line: Line) -> list[Word]:
    return [Word(word.text, word.start_ms, word.end_ms, word.conf, line.speaker) for word in line.utterance.words]


def _opened(meeting: Meeting) -> datetime:
    return datetime.fromtimestamp(meeting.opened_s, UTC)


def _length(start_ms: float, end_ms: float) -> str:
    return f"{(end_ms - start_ms) / 1000:.1f} s"


def _cell(text: object) -> object:
    return f"'{text}" if isinstance(text, str) and text.startswith(FORMULA) else text


def _md(text: str) -> str:
    """Return text that Markdown takes for text, on one line."""
    return "".join(f"\\{char}" if char in "\\`*_{}[]<>#|" else char for char in " ".join(text.split()))

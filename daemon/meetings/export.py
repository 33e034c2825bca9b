"""A meeting as a file: txt, md, srt, vtt, json, csv (docs/meetings.md has the schema of json and csv)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from itertools import chain
from typing import Any, Final

from amanuensis.daemon.documents import WORD, Row, clock, markdown, paragraphs, table
from amanuensis.daemon.meetings.model import Line, Meeting, Record
from amanuensis.daemon.meetings.overlaps import overlaps
from amanuensis.stream.events import Word
from amanuensis.stream.subtitles import Cue, Utterance, make_cues, srt_of, vtt_of
from amanuensis.stream.timed_text import label, stamped, to_labels, word_cues

SCHEMA: Final = "amanuensis.meeting.v1"


def to_txt(record: Record) -> str:
    """Return one line an utterance, in order, with its time and speaker; notes among them."""
    rows = [(line.start_ms, f"{line.speaker}: {line.utterance.text}") for line in record.lines]
    rows += [(start_ms, text) for start_ms, _, text in _asides(record)]
    rows.sort(key=lambda row: row[0])
    return "".join(f"[{clock(at_ms)}] {' '.join(text.split())}\n" for at_ms, text in rows)  # none forges another


def to_label_txt(record: Record) -> str:
    """Return one line a word, the first of an utterance with its speaker; notes and gaps among the utterances."""
    rows = [(line.start_ms, to_labels([_words(line)])) for line in record.lines]
    rows += [(start_ms, label(start_ms, end_ms, text) + "\n") for start_ms, end_ms, text in _asides(record)]
    return "".join(text for _, text in sorted(rows, key=lambda row: row[0]))


def _asides(record: Record) -> Iterator[tuple[float, float, str]]:
    """Yield notes and gaps: from when to when, in ms, and a line."""
    for remark in record.remarks:
        yield remark.at_ms, remark.at_ms, f"* {remark.text or 'mark'}"
    for track, hole in record.holes:
        yield hole.start_ms, hole.end_ms, f"({track}: {hole.why}, {_length(hole.start_ms, hole.end_ms)})"


def to_md(record: Record) -> str:
    """Return a document with a title, the notes, and what was said, one paragraph a turn."""
    meeting = record.meeting
    parts = [
        f"# {markdown(meeting.title or 'Meeting')}",
        f"{_opened(meeting):%Y-%m-%d %H:%M} UTC, {clock(meeting.duration_ms)}",
    ]
    if record.remarks:
        notes = "\n".join(f"- {clock(remark.at_ms)} {markdown(remark.text or 'mark')}" for remark in record.remarks)
        parts += ["## Notes", notes]
    parts += ["## What was said", *paragraphs(map(_row, record.lines))]
    return "\n\n".join(parts) + "\n"


def to_json(record: Record) -> str:
    """Return everything, for programs."""
    return json.dumps(as_map(record), ensure_ascii=False, indent=1) + "\n"


def to_csv(record: Record) -> str:
    """Return a table: one row an utterance, note or gap."""
    return _table(record, [_row(line) for line in record.lines])


def to_word_csv(record: Record) -> str:
    """Return the same table with one row a word in the place of those of utterances."""
    words = [
        Row(word.start_ms, word.end_ms, word.text.strip(), line.speaker, line.track, WORD)
        for line in record.lines
        for word in line.utterance.words
    ]
    return _table(record, words)


def _table(record: Record, rows: list[Row]) -> str:
    notes = [Row(remark.at_ms, remark.at_ms, remark.text, kind="note") for remark in record.remarks]
    gaps = [Row(hole.start_ms, hole.end_ms, hole.why, track=track, kind="gap") for track, hole in record.holes]
    return table([*rows, *notes, *gaps])


FORMATS: Final[Mapping[str, Callable[[Record], str]]] = {
    "txt": to_txt,
    "md": to_md,
    "srt": lambda record: srt_of(_cues(record)),
    "vtt": lambda record: vtt_of(_cues(record)),
    "json": to_json,
    "csv": to_csv,
}
TIMED_FORMATS: Final[Mapping[str, Callable[[Record], str]]] = {  # with times of words; md has none
    "txt": to_label_txt,
    "srt": lambda record: srt_of(_cues(record, word_cues)),
    "vtt": lambda record: vtt_of(_cues(record), stamped),
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


def _row(line: Line) -> Row:
    return Row(line.start_ms, line.end_ms, line.utterance.text, line.speaker, line.track)


def _cues(record: Record, cues_of: Callable[[Iterable[Utterance]], list[Cue]] = make_cues) -> list[Cue]:
    """Return the cues of each track by themselves: who speaks while another does is seen beside them, not after."""
    tracks = {line.track: None for line in record.lines}
    cues = [cues_of(_words(line) for line in record.lines if line.track == track) for track in tracks]
    return sorted(chain.from_iterable(cues), key=lambda cue: cue.start_ms)


def _words(line: Line) -> list[Word]:
    return [Word(word.text, word.start_ms, word.end_ms, word.conf, line.speaker) for word in line.utterance.words]


def _opened(meeting: Meeting) -> datetime:
    return datetime.fromtimestamp(meeting.opened_s, UTC)


def _length(start_ms: float, end_ms: float) -> str:
    return f"{(end_ms - start_ms) / 1000:.1f} s"

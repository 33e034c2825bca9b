"""The results of a file: written whole or not at all, and the same bytes however often."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from amanuensis.daemon.archive.join import Joined
from amanuensis.daemon.archive.manifest import Entry
from amanuensis.daemon.meetings.library import Library
from amanuensis.daemon.meetings.model import Hole, Track
from amanuensis.daemon.meetings.recording import cut_by_speaker
from amanuensis.daemon.outputs import write_transcript
from amanuensis.stream.resample import MODEL_RATE

TRACK = "sound"


def write_results(entry: Entry, joined: Joined, *, word_times: bool) -> dict[str, str]:
    """Write the outputs of a file; return the SHA-256 of each by its path.

    Raises:
        amanuensis.daemon.outputs.OutputError: a place is not there or may not be written.
        amanuensis.npu.atomic.WriteError: the disk is full or the folder is read-only.

    """
    for path, chosen in entry.outputs:
        write_transcript(path, chosen, joined.utterances, word_times=word_times)
    return {str(path): digest(path) or "" for path, _ in entry.outputs}


def digest(path: Path) -> str | None:
    """Return the SHA-256 of a file, "" of a device or pipe; None: it is not there, or cannot be read."""
    try:
        if path.exists() and not path.is_file():
            return ""
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None


def hold(outputs: Mapping[str, str]) -> bool:
    """Whether outputs are still what was written."""
    return all(digest(Path(path)) == value for path, value in outputs.items())


def clear_parts(paths: Iterable[Path]) -> None:
    """Remove what a run that was killed while it wrote has left beside its outputs."""
    for path in paths:
        for part in path.parent.glob(f".{_literal(path.name)}.*"):
            if part.is_dir() and not part.is_symlink():
                shutil.rmtree(part, ignore_errors=True)


def _literal(name: str) -> str:
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in name)


def meeting_id(file: Path) -> str:
    """Return the meeting that a file becomes: always the same, so that it never stands there twice."""
    return "archive-" + hashlib.sha256(str(file).encode(errors="surrogateescape")).hexdigest()[:16]


def file_meeting(library: Library, entry: Entry, joined: Joined, recorded_s: float) -> str:
    """Put the text of a file into the index of meetings, in the place of what was there of it; return its id.

    Args:
        library: of the meetings.
        entry: the file.
        joined: its transcript.
        recorded_s: when it was, in seconds since the epoch.

    Raises:
        amanuensis.daemon.meetings.model.MeetingError: the index cannot be used.

    """
    name = meeting_id(entry.file)
    duration_ms = 1000 * joined.totals.received / MODEL_RATE
    track = Track(name, TRACK, 0.0, duration_ms, MODEL_RATE, joined.model, "finished")
    utterances = [one for utt, words in enumerate(joined.utterances) for one in cut_by_speaker(utt, words)]
    holes = [Hole(gap.start_ms, gap.end_ms, gap.why) for gap in joined.gaps]
    title = (entry.title or entry.file.stem).encode(errors="replace").decode()
    with library.open() as store:
        store.begin(name, title, recorded_s, track)
        store.fill(name, utterances, (), holes)
        if entry.title:
            store.rename(name, entry.title)
    return name

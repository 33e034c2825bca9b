"""Manifests of archives, and what is kept of one: any bytes as a file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Final

from amanuensis.daemon.archive.manifest import Entry, Layout, ManifestError, read_manifest
from amanuensis.daemon.archive.run import tally
from amanuensis.daemon.archive.state import HEADER, Note, Source, StateError, read_notes
from tests.fuzz.target import Target, check_line

NOTE: Final = Note(
    "/a.wav", "done", "s", Source(3, 4), {"/a.txt": "beef"}, 1, "", {"words": 2, "gaps": [[0.0, 1.5, "x"]]}
)


def seeds() -> list[bytes]:
    """Return manifests of both kinds, and a state."""
    header = json.dumps(HEADER).encode() + b"\n"
    return [
        b'{"file": "a.wav", "outputs": ["a.txt", "x/a.srt"], "language": "en", "title": "A"}\n{"file": "b.wav"}\n',
        b"# talks\na.wav\n\n ../b.wav\n/c/\xff.wav\n",
        b'{"file": "a\\ud834.wav"}\n',
        header + NOTE.to_line() + NOTE.to_line(),
        header + NOTE.to_line()[:-9],
    ]


def prepare(folder: Path) -> Callable[[bytes], None]:
    """Return what reads one file as both."""
    path = folder / "talks"

    def read(data: bytes) -> None:
        path.write_bytes(data)
        try:
            entries = read_manifest(path, Layout(folder / "out"))
        except ManifestError as error:
            check_line(error)
        else:
            assert all(entry.file.is_absolute() and entry.outputs for entry in entries)
        try:
            notes = read_notes(path)
        except StateError as error:
            check_line(error)
        else:
            tally([Entry(Path(file), file, file) for file in notes], notes)
            again = [Note.from_row(json.loads(note.to_line())) for note in notes.values()]
            assert again == list(notes.values()) or "NaN" in str(again) or "nan" in str(again)

    return read


TARGET: Final = Target(seeds, prepare)

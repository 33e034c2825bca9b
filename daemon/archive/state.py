"""What became of the files of an archive, on disk: an append-only log of JSON lines, each synced before work goes on.

One run at a time writes it, by a lock. A run that was killed leaves at most a torn last line, which the next one drops.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

from amanuensis.daemon.archive.errors import ArchiveError

SUFFIX: Final = ".state"
HEADER: Final = {"amanuensis_archive": 1}
MAX_LINE_BYTES: Final = 1024 * 1024  # of a file with as many gaps as are told
FILE_MODE: Final = 0o600
Fate: TypeAlias = Literal["writing", "done", "incomplete", "failed"]
IF_BROKEN: Final = "move it away to begin anew, or name another with --state"


class StateError(ArchiveError):
    """The state of an archive cannot be read or written; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Source:
    """What a sound file was when it was read."""

    size: int
    mtime_ns: int

    @classmethod
    def of(cls, file: Path) -> Source:
        """Look at a file.

        Raises:
            OSError: it cannot be had.

        """
        found = file.stat()
        return cls(found.st_size, found.st_mtime_ns)


@dataclass(frozen=True, slots=True)
class Note:
    """The newest that is known of a file.

    Attributes:
        file: its path.
        fate: "writing": its results were about to be written; "incomplete": they are, but some of its sound became
            gaps; "failed": there are none.
        settings: fingerprint of what words depend on beside the sound.
        source: the sound; None: it was not there.
        outputs: SHA-256 of each file that was written, by path.
        attempts: how often it was tried since it or the settings changed.
        reason: why it failed, or what became of its gaps.
        facts: what else is worth knowing: duration, ledger, words, devices.

    """

    file: str
    fate: Fate
    settings: str = ""
    source: Source | None = None
    outputs: Mapping[str, str] = field(default_factory=dict)
    attempts: int = 0
    reason: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)

    def to_line(self) -> bytes:
        """Return it as a line; a path need not be text."""
        row: dict[str, Any] = {
            "file": self.file,
            "fate": self.fate,
            "settings": self.settings,
            "source": [self.source.size, self.source.mtime_ns] if self.source else None,
            "outputs": dict(self.outputs),
            "attempts": self.attempts,
            "reason": self.reason,
            "facts": dict(self.facts),
        }
        return json.dumps(row, separators=(",", ":")).encode() + b"\n"

    @classmethod
    def from_row(cls, row: Any) -> Note:
        """Return the note of a line.

        Raises:
            ValueError: it is none.

        """
        try:
            source = None if row["source"] is None else Source(*map(int, row["source"]))
            if row["fate"] not in ("writing", "done", "incomplete", "failed"):
                raise ValueError(f"fate {row['fate']!r}")
            outputs = {str(path): str(digest) for path, digest in row["outputs"].items()}
            facts = dict(row["facts"])
            int(facts.get("words", 0)), float(facts.get("duration_ms", 0))  # these are added up
            return cls(
                *(str(row["file"]), row["fate"], str(row["settings"]), source, outputs),
                *(int(row["attempts"]), str(row["reason"]), facts),
            )
        except (KeyError, TypeError, AttributeError, OverflowError) as error:
            raise ValueError(f"no note of a file ({type(error).__name__}: {error})") from None


def state_path(manifest: Path) -> Path:
    """Return where the state of an archive is, unless it is said otherwise: beside its manifest or folder."""
    whole = manifest.absolute()
    return whole.with_name(whole.name + SUFFIX)


class State:
    """The notes of an archive, open for one run.

    Attributes:
        notes: the newest of each file.
        path: of the log.

    """

    def __init__(self, path: Path, descriptor: int, notes: dict[str, Note]) -> None:
        self.path = path
        self.notes = notes
        self._descriptor = descriptor

    def put(self, note: Note) -> None:
        """Keep a note; it is on disk when this returns.

        Raises:
            StateError: it cannot be kept; what was kept before is as it was.

        """
        self._write(note.to_line())
        self.notes[note.file] = note

    def close(self) -> None:
        """Keep nothing more; somebody else may open it."""
        os.close(self._descriptor)
        self._descriptor = -1  # the number may be another file's by now

    def _write(self, data: bytes) -> None:
        written = 0
        try:
            while written < len(data):
                written += os.write(self._descriptor, data[written:])
            os.fsync(self._descriptor)
        except OSError as error:
            if written:  # what is torn would stand before what comes next
                with contextlib.suppress(OSError):
                    os.ftruncate(self._descriptor, os.lseek(self._descriptor, 0, os.SEEK_END) - written)
            raise StateError(
                f"{self.path}: what is done cannot be kept ({error.strerror}): make room and run again; "
                "what was kept so far is safe"
            ) from None


@contextlib.contextmanager
def open_state(path: Path) -> Iterator[State]:
    """Open the state of an archive while inside, made where there is none; nobody else may have it open.

    Raises:
        StateError: another run has it open, or it cannot be read or written.

    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, FILE_MODE)
    except OSError as error:
        raise StateError(f"{path}: the state cannot be kept there ({error.strerror}); name another --state") from None
    state = State(path, descriptor, {})
    try:
        _lock(descriptor, path)
        state.notes, length = _read(path)
        os.ftruncate(descriptor, length)
        if not length:
            state._write(json.dumps(HEADER).encode() + b"\n")
            _sync_folder(path.parent)
        yield state
    finally:
        state.close()


def read_notes(path: Path) -> dict[str, Note]:
    """Return the newest note of each file; none where there is no state yet.

    Raises:
        StateError: it cannot be read.

    """
    return _read(path)[0] if path.exists() else {}


def _lock(descriptor: int, path: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise StateError(
            f"{path}: another run works on this archive; wait for it, or look with `amanuensis archive status`"
        ) from None


def _read(path: Path) -> tuple[dict[str, Note], int]:
    """Return the notes and the length of what is whole."""
    notes: dict[str, Note] = {}
    length = 0
    for number, line in _whole_lines(path):
        try:
            row = json.loads(line)
            if number == 1:
                _check_header(row)
            else:
                note = Note.from_row(row)
                notes[note.file] = note
        except (ValueError, RecursionError) as error:
            raise StateError(f"{path}, line {number}: damaged ({error}); {IF_BROKEN}") from None
        length += len(line)
    return notes, length


def _check_header(row: object) -> None:
    if row != HEADER:
        raise ValueError("not the state of an archive, or of another version")


def _whole_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    try:
        with path.open("rb") as file:
            number = 0
            while (line := file.readline(MAX_LINE_BYTES)).endswith(b"\n"):
                number += 1
                yield number, line
            if len(line) == MAX_LINE_BYTES:
                raise StateError(f"{path}, line {number + 1}: too long; {IF_BROKEN}")
    except OSError as error:
        raise StateError(f"{path}: the state cannot be read: {error.strerror}") from None


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def why_again(note: Note | None, source: Source | None, settings: str, outputs: Iterable[Path]) -> str | None:
    """Return why a file is to be transcribed, "" for a first time; None: it is done.

    Args:
        note: the newest of it.
        source: the sound now; None: it is not there. What was done of it stays then.
        settings: the fingerprint now.
        outputs: that are wanted.

    """
    if note is None or note.fate in ("failed", "writing"):
        return ""
    if source is not None and source != note.source:
        return "its sound has changed"
    if settings != note.settings or set(map(str, outputs)) != set(note.outputs):
        return "the settings have changed"
    if note.fate == "incomplete":
        return ""
    return None

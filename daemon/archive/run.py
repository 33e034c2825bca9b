"""A run over an archive: what is not done yet is heard, joined, written and kept, each file for itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from amanuensis.daemon.archive.executors import Executor, Failed, Outcome, Task
from amanuensis.daemon.archive.hearing import HeardPiece
from amanuensis.daemon.archive.join import Joined, JoinError, join
from amanuensis.daemon.archive.manifest import Entry
from amanuensis.daemon.archive.reading import Ended, Opened
from amanuensis.daemon.archive.results import clear_parts, file_meeting, hold, write_results
from amanuensis.daemon.archive.settings import Wanted
from amanuensis.daemon.archive.state import Fate, Note, Source, State, why_again
from amanuensis.daemon.meetings.library import Library
from amanuensis.daemon.meetings.model import MeetingError
from amanuensis.daemon.outputs import OutputError, check_place
from amanuensis.daemon.progress import Bar
from amanuensis.npu.atomic import WriteError
from amanuensis.stream.events import Gap
from amanuensis.stream.resample import MODEL_RATE

MAX_GAPS: Final = 100  # that are told of a file
MAX_NAMED: Final = 5  # files that a line names


class ChangedError(Exception):
    """A file was changed while it was read: what was heard is neither the old nor the new one."""


@dataclass(frozen=True, slots=True)
class Tally:
    """What became of the files of an archive; words and sound are those of the files that are done."""

    files: int
    done: int
    incomplete: int
    failed: int
    words: int
    duration_ms: float

    @property
    def left(self) -> int:
        """Files that were not tried."""
        return self.files - self.done - self.incomplete - self.failed


def tally(entries: Sequence[Entry], notes: dict[str, Note]) -> Tally:
    """Count what became of files."""
    found = [note for entry in entries if (note := notes.get(str(entry.file)))]
    written = [note for note in found if note.fate in ("done", "incomplete")]
    counts = {fate: sum(note.fate == fate for note in found) for fate in ("done", "incomplete", "failed")}
    return Tally(
        len(entries),
        **counts,
        words=sum(int(note.facts.get("words", 0)) for note in written),
        duration_ms=sum(float(note.facts.get("duration_ms", 0)) for note in written),
    )


@dataclass(slots=True)
class _File:
    """A file that is to be done, or is being done."""

    entry: Entry
    source: Source | None
    settings: str
    attempts: int
    duration_s: float | None = None
    pieces: list[HeardPiece] = field(default_factory=list)
    ended: Ended | None = None

    @property
    def is_whole(self) -> bool:
        """Whether it was read to its end and all of it was heard."""
        return self.ended is not None and len(self.pieces) == self.ended.n_pieces

    @property
    def done_bytes(self) -> float:
        """How much of it was heard."""
        if self.source is None or not self.duration_s:
            return 0.0
        heard_s = sum(piece.stop - piece.start for piece in self.pieces) / MODEL_RATE
        return self.source.size * min(1.0, heard_s / self.duration_s)


class Run:
    """One run.

    Args:
        entries: of the archive.
        state: open.
        wanted: how files are heard and written.
        bar: shows how far it is; messages go there.
        library: where files become meetings; None: they do not.

    """

    def __init__(
        self, entries: Sequence[Entry], state: State, wanted: Wanted, bar: Bar, library: Library | None = None
    ) -> None:
        self._entries = entries
        self._state = state
        self._wanted = wanted
        self._bar = bar
        self._library = library
        self._files: dict[int, _File] = {}
        self._partly: dict[int, float] = {}  # bytes that were heard of files that are not over
        self._bytes = 0.0  # of the files that are over
        self._n_over = self._n_files = self._retries_left = 0

    async def work(self, start: Callable[[], Executor], retries: int) -> Tally:
        """Do what is not done; files that fail are tried again at the end.

        Args:
            start: makes an executor; called when there is something to do.
            retries: of a file that failed, in this run.

        Raises:
            amanuensis.daemon.archive.state.StateError: what is done cannot be kept.
            amanuensis.npu.engine.api.EngineError: nothing more can be heard.
            amanuensis.stream.config.StreamConfigError: the model cannot do what is asked.

        """
        numbers = self._plan(range(len(self._entries)), tell=True)
        executor = start() if numbers else None
        for left in range(retries, -1, -1):
            if executor is None or not numbers:
                break
            await self._pass(executor, numbers, left)
            failed = [number for number in numbers if self._note(number).fate == "failed"]
            numbers = self._plan(failed, tell=False) if left else []
        return tally(self._entries, self._state.notes)

    def _note(self, number: int) -> Note:
        return self._state.notes[str(self._entries[number].file)]

    def _plan(self, numbers: Sequence[int], *, tell: bool) -> list[int]:
        """Look at files; return those that are to be done, and say which are done again."""
        changed: dict[str, list[str]] = {}
        for number in numbers:
            entry = self._entries[number]
            source, settings = _source(entry.file), self._wanted.fingerprint(entry)
            note = self._state.notes.get(str(entry.file))
            why = why_again(note, source, settings, (path for path, _ in entry.outputs))
            if why is None and note is not None and not hold(note.outputs):
                why = "what was written of them is gone or was changed"
            if why is None:
                continue
            if note is not None and note.fate == "writing":
                clear_parts(map(Path, note.outputs))
            if why:
                changed.setdefault(why, []).append(entry.name)
            again = note is not None and note.fate != "done" and (note.source, note.settings) == (source, settings)
            self._files[number] = _File(entry, source, settings, 1 + (note.attempts if note and again else 0))
        for why, names in changed.items() if tell else ():
            more = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
            self._bar.message(f"amanuensis: done again, for {why}: {', '.join(names[:MAX_NAMED])}{more}")
        return [number for number in numbers if number in self._files]

    async def _pass(self, executor: Executor, numbers: Sequence[int], retries_left: int) -> None:
        """Try files once."""
        self._bytes, self._n_over, self._n_files, self._retries_left = 0.0, 0, len(numbers), retries_left
        self._partly.clear()
        total = sum(one.source.size for one in self._files.values() if one.source)
        with self._bar.task(self._title, float(total)):
            ready = [number for number in numbers if self._may_be_written(number)]
            tasks = [Task(k, self._entries[k].file, self._wanted.config(self._entries[k])) for k in ready]
            await executor.run(tasks, self._take)

    @property
    def _title(self) -> str:
        return f"{self._n_over} of {self._n_files} files"

    def _may_be_written(self, number: int) -> bool:
        """Find out, before a file is listened to, whether its results could be written."""
        try:
            for path, _ in self._files[number].entry.outputs:
                check_place(path)
        except OutputError as error:
            self._fail(number, str(error))
            return False
        return True

    async def _take(self, number: int, outcome: Outcome) -> None:
        """Take what came of a file."""
        file = self._files[number]
        match outcome:
            case Opened():
                file.duration_s = outcome.duration_s
            case HeardPiece():
                file.pieces.append(outcome)
                self._partly[number] = file.done_bytes
            case Ended():
                file.ended = outcome
            case Failed():
                self._fail(number, outcome.reason)
                return
        self._advance()
        if file.is_whole:
            await _whole(asyncio.to_thread(self._finish, number, file))

    def _finish(self, number: int, file: _File) -> None:
        """Join, write and keep a file that was heard to its end."""
        assert file.ended is not None
        try:
            joined = join(file.pieces, file.ended.n_samples)
            outputs = self._write(file, joined)
        except (OutputError, WriteError, MeetingError, JoinError, ChangedError) as error:
            self._fail(number, str(error))
            return
        fate: Fate = "incomplete" if joined.gaps else "done"
        reason = lost(joined.gaps)
        self._state.put(self._noted(file, fate, reason, outputs, facts(joined)))
        for line in [*joined.warnings, *([reason] if reason else [])]:
            self._bar.message(f"amanuensis: {file.entry.name}: {line}")
        self._over(number)

    def _write(self, file: _File, joined: Joined) -> dict[str, str]:
        if _source(file.entry.file) != file.source:
            raise ChangedError(f"{file.entry.file}: it was changed or removed while it was read")
        planned = {str(path): "" for path, _ in file.entry.outputs}
        self._state.put(self._noted(file, "writing", "", planned, {}))
        outputs = write_results(file.entry, joined, word_times=self._wanted.word_times)
        if self._library is not None:
            assert file.source is not None
            file_meeting(self._library, file.entry, joined, file.source.mtime_ns / 1e9)
        return outputs

    def _fail(self, number: int, reason: str) -> None:
        file = self._files[number]
        self._state.put(self._noted(file, "failed", reason, {}, {}))
        again = "; it is tried again at the end" if self._retries_left else ""
        self._bar.message(f"amanuensis: {file.entry.name}: {told(reason, file.entry)}{again}")
        self._over(number)

    def _noted(self, file: _File, fate: Fate, reason: str, outputs: dict[str, str], known: dict[str, Any]) -> Note:
        name = str(file.entry.file)
        return Note(name, fate, file.settings, file.source, outputs, file.attempts, reason, known)

    def _over(self, number: int) -> None:
        file = self._files.pop(number)
        self._bytes += file.source.size if file.source else 0
        self._n_over += 1
        self._partly.pop(number, None)
        self._advance()

    def _advance(self) -> None:
        self._bar.advance(self._bytes + sum(self._partly.values()), self._title)


async def _whole(work: Coroutine[Any, Any, None]) -> None:
    """Do something to its end, however often that is cancelled: the state must not be closed before."""
    task, stopped = asyncio.ensure_future(work), False
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError:
            stopped = True
    if stopped:
        raise asyncio.CancelledError
    task.result()


def _source(file: Path) -> Source | None:
    try:
        return Source.of(file)
    except OSError:
        return None


def told(reason: str, entry: Entry) -> str:
    """Return a reason without the file's own name before it."""
    return reason.removeprefix(f"{entry.file}: ")


def lost(gaps: Sequence[Gap]) -> str:
    """Say what was not transcribed; "" where nothing was lost."""
    if not gaps:
        return ""
    lost_s = sum(gap.end_ms - gap.start_ms for gap in gaps) / 1000
    return f"{lost_s:.1f} s were not transcribed, first at {gaps[0].start_ms / 1000:.1f} s: {gaps[0].why}"


def facts(joined: Joined) -> dict[str, Any]:
    """Return what is kept of a file that was written."""
    ledger = {name: n for name, n in asdict(joined.totals).items() if name != "unsettled"}
    gaps = [[round(gap.start_ms, 3), round(gap.end_ms, 3), gap.why] for gap in joined.gaps[:MAX_GAPS]]
    return {
        "duration_ms": round(1000 * joined.totals.received / MODEL_RATE, 3),
        "words": joined.n_words,
        "language": joined.language,
        "model": joined.model,
        "devices": list(joined.devices),
        "compute_ms": round(joined.compute_ms, 3),
        "ledger": ledger,
        "gaps": gaps,
    }

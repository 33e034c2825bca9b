"""Runs over archives, with an engine that reads tones."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from amanuensis.daemon.archive import run as module
from amanuensis.daemon.archive.executors import LocalExecutor
from amanuensis.daemon.archive.join import Joined
from amanuensis.daemon.archive.manifest import Entry, Layout, read_manifest
from amanuensis.daemon.archive.pieces import CutRules
from amanuensis.daemon.archive.run import Run, Tally
from amanuensis.daemon.archive.settings import Wanted
from amanuensis.daemon.archive.state import Note, State, StateError, open_state, read_notes
from amanuensis.daemon.meetings.library import Library
from amanuensis.daemon.progress import Bar
from amanuensis.npu.engine.api import EngineError, EngineLostError, PoisonWindowError
from amanuensis.npu.window import WindowJob, WindowResult
from amanuensis.stream.config import StreamConfig
from tests.helpers.small_disk import small_disk
from tests.helpers.tone_engine import ToneEngine, say, spell
from tests.helpers.tone_pipelines import TonePipelines

RATE = 16_000
RULES = CutRules(stages=((4.0, 1.2), (8.0, 0.6), (12.0, 0.2)), most_s=20.0)
WANTED = Wanted(StreamConfig(), "model", rules=RULES)
LONG = tuple(k % 7 for k in range(30))


class FlakyEngine(ToneEngine):
    """Fails at the first windows of each stream."""

    failures: int = 0

    async def decode(self, stream: int, job: WindowJob, deadline_s: float) -> WindowResult:
        if self.failures:
            self.failures -= 1
            raise EngineError("a cosmic ray")
        return await super().decode(stream, job, deadline_s)


def recording(folder: Path, name: str, words: Sequence[int]) -> Path:
    """A sound file that says words, with pauses at which it is cut."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    sound = say(words, pauses_s=[0.0, 0.4, 1.6]) if words else np.zeros(0, np.float32)
    soundfile.write(path, sound, RATE, subtype="FLOAT")
    return path


async def run(
    place: Path,
    out: Path,
    pipelines: TonePipelines | None = None,
    *,
    formats: Sequence[str] = ("txt",),
    wanted: Wanted = WANTED,
    retries: int = 0,
    streams: int = 2,
    library: Library | None = None,
) -> Tally:
    """Run over an archive whose state lies beside it."""
    entries = read_manifest(place, Layout(out, formats))
    start = pipelines or TonePipelines()
    with open_state(place.with_suffix(".state")) as state:
        executor = LocalExecutor(start, streams, wanted.rules)
        return await Run(entries, state, wanted, Bar(None), library).work(lambda: executor, retries)


def notes(place: Path) -> dict[str, Note]:
    """What is kept, by the names of the files."""
    return {Path(file).name: note for file, note in read_notes(place.with_suffix(".state")).items()}


def contents(folder: Path) -> dict[str, bytes]:
    """All files below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


async def test_files_are_written_and_kept(tmp_path: Path) -> None:
    """Short ones and such as are cut, with the fate of every sample."""
    place, out = tmp_path / "in", tmp_path / "out"
    sounds = {recording(place, "a.wav", (0, 1, 2)): (0, 1, 2), recording(place, "x/long.flac.wav", LONG): LONG}
    recording(place, "none.wav", ())
    found = await run(place, out, formats=("txt", "json"))
    assert found == Tally(3, 3, 0, 0, 3 + len(LONG), found.duration_ms)
    assert (out / "a.txt").read_text() == f"{spell((0, 1, 2))}\n"
    assert " ".join((out / "x/long.flac.txt").read_text().split()) == spell(LONG)
    assert set(contents(out)) == {f"{name}.{kind}" for name in ("a", "none", "x/long.flac") for kind in ("txt", "json")}
    for path in sounds:
        ledger = notes(place)[path.name].facts["ledger"]
        assert ledger["received"] == soundfile.info(path).frames
        assert ledger["transcribed"] + ledger["silence"] + ledger["gap"] == ledger["received"]


async def test_what_is_done_is_not_done_again(tmp_path: Path) -> None:
    """Without work no engine is started, and nothing is written."""
    place, out = tmp_path / "in", tmp_path / "out"
    recording(place, "a.wav", (0, 1, 2))
    first = await run(place, out)
    before = place.with_suffix(".state").read_bytes(), (out / "a.txt").stat()
    pipelines = TonePipelines()
    assert await run(place, out, pipelines) == first
    assert pipelines.started == 0
    assert (place.with_suffix(".state").read_bytes(), (out / "a.txt").stat()) == before


@pytest.mark.parametrize("change", ["sound", "settings", "formats", "removed", "edited"])
async def test_what_changed_is_done_again_and_said(
    tmp_path: Path, change: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The sound, the settings, or what was written; the other file is left alone."""
    place, out = tmp_path / "in", tmp_path / "out"
    recording(place, "a.wav", (0, 1, 2))
    recording(place, "b.wav", (3, 4))
    await run(place, out)
    formats, wanted = ["txt"], WANTED
    match change:
        case "sound":
            recording(place, "a.wav", (5, 6, 5))
        case "settings":
            wanted = replace(WANTED, model="another")
        case "formats":
            formats = ["txt", "srt"]
        case "removed":
            (out / "a.txt").unlink()
        case "edited":
            (out / "a.txt").write_text("x")
    pipelines = TonePipelines()
    await run(place, out, pipelines, formats=formats, wanted=wanted)
    said = capsys.readouterr().err
    assert pipelines.started == 1
    assert said.startswith("amanuensis: done again, for ")
    assert ("a.wav, b.wav" in said) == (change in ("settings", "formats"))
    assert (out / "a.txt").read_text() == f"{spell((5, 6, 5) if change == 'sound' else (0, 1, 2))}\n"
    assert [note.attempts for note in notes(place).values()] == [1, 1]


async def test_a_bad_file_costs_a_line_and_not_the_others(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Garbage, an empty one, one that is gone; each with its reason, kept for the status."""
    place, out = tmp_path / "list.txt", tmp_path / "out"
    recording(tmp_path, "good.wav", (0, 1))
    (tmp_path / "garbage.wav").write_bytes(os.urandom(5000))
    (tmp_path / "empty.wav").touch()
    place.write_text("garbage.wav\nempty.wav\ngone.wav\ngood.wav\n")
    found = await run(place, out, retries=1)
    assert (found.files, found.done, found.failed, found.left) == (4, 1, 3, 0)
    assert set(contents(out)) == {"good.txt"}
    reasons = {name: note.reason for name, note in notes(place).items()}
    assert "not a sound file" in reasons["garbage.wav"]
    assert "the file is empty" in reasons["empty.wav"]
    assert "no such file" in reasons["gone.wav"]
    assert notes(place)["gone.wav"].attempts == 2
    lines = capsys.readouterr().err.splitlines()
    assert sum(line.endswith("; it is tried again at the end") for line in lines) == 3
    assert len(lines) == 6


async def test_a_file_that_comes_back_is_done_in_the_same_run(tmp_path: Path) -> None:
    """What failed is tried again at the end: the network may have come back by then."""
    place, out = tmp_path / "list.txt", tmp_path / "out"
    place.write_text("late.wav\ngood.wav\n")
    recording(tmp_path, "good.wav", (0, 1))

    class Late(ToneEngine):
        async def decode(self, stream: int, job: WindowJob, deadline_s: float) -> WindowResult:
            if not (tmp_path / "late.wav").exists():
                recording(tmp_path, "late.wav", (2, 3))
            return await super().decode(stream, job, deadline_s)

    found = await run(place, out, TonePipelines(Late()), retries=1)
    assert found.done == 2
    assert (out / "late.txt").read_text() == f"{spell((2, 3))}\n"


async def test_a_piece_that_fails_is_heard_again(tmp_path: Path) -> None:
    """The text is as if nothing had been; when it fails each time, the file has failed, and has no outputs."""
    place, out = tmp_path / "in", tmp_path / "out"
    recording(place, "a.wav", LONG)
    engine = FlakyEngine()
    engine.failures = 2
    assert (await run(place, out, TonePipelines(engine))).done == 1
    assert " ".join((out / "a.txt").read_text().split()) == spell(LONG)
    recording(place, "b.wav", LONG)
    engine.failures = 1000
    assert (await run(place, out, TonePipelines(engine))).failed == 1
    assert notes(place)["b.wav"].reason == "a cosmic ray"
    assert set(contents(out)) == {"a.txt"}


async def test_a_lost_engine_ends_the_run_and_what_is_done_is_kept(tmp_path: Path) -> None:
    """Without an engine nothing more can be done; the next run goes on."""
    place, out = tmp_path / "in", tmp_path / "out"
    recording(place, "a.wav", (0, 1))
    await run(place, out)
    recording(place, "b.wav", (2, 3))
    with pytest.raises(EngineLostError):
        await run(place, out, TonePipelines(ToneEngine(fail_with=EngineLostError("it died"))))
    assert (await run(place, out)).done == 2


async def test_sound_that_kills_engines_is_told_and_the_rest_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The file counts as incomplete, says where, and is tried again in the next run."""
    place, out = tmp_path / "in", tmp_path / "out"
    recording(place, "a.wav", (0, 1))
    found = await run(place, out, TonePipelines(ToneEngine(fail_with=PoisonWindowError(2, "signal 11"))), retries=3)
    assert (found.done, found.incomplete, found.failed) == (0, 1, 0)
    assert "were not transcribed, first at" in capsys.readouterr().err
    assert notes(place)["a.wav"].facts["ledger"]["gap"] > 0
    assert (out / "a.txt").exists()
    assert (await run(place, out)).done == 1
    assert (out / "a.txt").read_text() == f"{spell((0, 1))}\n"


@pytest.mark.parametrize("streams", [1, 3])
async def test_how_many_pieces_are_heard_at_once_changes_no_byte(tmp_path: Path, streams: int) -> None:
    """Whoever is done first."""
    place = tmp_path / "in"
    for k in range(4):
        recording(place, f"{k}.wav", LONG[k:])
    formats = ("txt", "srt", "vtt", "json", "csv", "md")
    await run(place, tmp_path / "alone", formats=formats, streams=1)
    place.with_suffix(".state").unlink()

    class Slow(ToneEngine):
        async def decode(self, stream: int, job: WindowJob, deadline_s: float) -> WindowResult:
            for _ in range(self.jobs % 5):
                await asyncio.sleep(0)
            return await super().decode(stream, job, deadline_s)

    await run(place, tmp_path / "several", TonePipelines(Slow()), formats=formats, streams=streams)
    assert contents(tmp_path / "several") == contents(tmp_path / "alone")


async def test_a_file_that_changes_while_it_is_read_has_no_text(tmp_path: Path) -> None:
    """It would be half of the old one and half of the new one."""
    place, out = tmp_path / "in", tmp_path / "out"
    path = recording(place, "a.wav", LONG)

    class Meddling(ToneEngine):
        async def decode(self, stream: int, job: WindowJob, deadline_s: float) -> WindowResult:
            os.utime(path, ns=(0, self.jobs))
            return await super().decode(stream, job, deadline_s)

    assert (await run(place, out, TonePipelines(Meddling()))).failed == 1
    assert "changed or removed while it was read" in notes(place)["a.wav"].reason
    assert not out.exists()


async def test_what_a_killed_run_left_is_cleared(tmp_path: Path) -> None:
    """Its unfinished outputs go, what others have made stays, and the file is done once."""
    place, out = tmp_path / "in", tmp_path / "out"
    path = recording(place, "a[1].wav", (0, 1))
    part, other = out / ".a[1].txt.x7", out / ".a1.txt.x7"
    for folder in (part, other):
        folder.mkdir(parents=True)
        (folder / "a.txt").write_text("half")
    with open_state(place.with_suffix(".state")) as state:
        state.put(Note(str(path), "writing", outputs={str(out / "a[1].txt"): ""}, attempts=1))
    assert (await run(place, out)).done == 1
    assert not part.exists()
    assert set(contents(out)) == {"a[1].txt", ".a1.txt.x7/a.txt"}


async def test_a_full_disk_fails_the_file_and_no_half_of_it_is_there(tmp_path: Path) -> None:
    """With room it is done by the next run."""
    place = tmp_path / "in"
    recording(place, "a.wav", LONG)
    with small_disk(tmp_path, 16) as disk:
        (disk / "ballast").write_bytes(bytes(16 * 1024))
        found = await run(place, disk / "out")
        assert found.failed == 1
        assert "cannot be written (No space left on device); make room" in notes(place)["a.wav"].reason
        (disk / "ballast").unlink()
        assert (await run(place, disk / "out")).done == 1
        assert set(contents(disk)) == {"out/a.txt"}


async def test_what_cannot_be_kept_ends_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work that nobody would know of is not done; the next run goes on."""
    place, out = tmp_path / "in", tmp_path / "out"
    for k in range(5):
        recording(place, f"{k}.wav", LONG)
    keep = State.put

    def put(state: State, note: Note) -> None:
        if len(state.notes) == 2:
            raise StateError("no room")
        keep(state, note)

    engine = ToneEngine()
    monkeypatch.setattr(State, "put", put)
    with pytest.raises(StateError, match="no room"):
        await run(place, out, TonePipelines(engine))
    monkeypatch.setattr(State, "put", keep)
    assert engine.open == set()
    assert (await run(place, out)).done == 5


async def test_a_run_that_is_interrupted_while_it_writes_keeps_what_it_wrote(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The state is not closed before the file is told as done."""
    place, out = tmp_path / "in", tmp_path / "out"
    recording(place, "a.wav", (0, 1))
    writing, go_on = asyncio.Event(), threading.Event()
    loop, write = asyncio.get_running_loop(), module.write_results

    def slowly(entry: Entry, joined: Joined, *, word_times: bool) -> dict[str, str]:
        loop.call_soon_threadsafe(writing.set)
        go_on.wait()
        return write(entry, joined, word_times=word_times)

    monkeypatch.setattr(module, "write_results", slowly)
    work = asyncio.create_task(run(place, out))
    await writing.wait()
    for _ in range(50):  # again, as tasks that end do to one another
        work.cancel()
        await asyncio.sleep(0)
    ended = work.done()
    go_on.set()
    assert not ended
    with pytest.raises(asyncio.CancelledError):
        await work
    assert notes(place)["a.wav"].fate == "done"
    assert (out / "a.txt").read_text() == f"{spell((0, 1))}\n"


async def test_texts_become_meetings_once(tmp_path: Path) -> None:
    """Done again, or anew without a state, they stand there once, under their titles."""
    place, library = tmp_path / "list.jsonl", Library(tmp_path / "recordings", tmp_path / "meetings.db")
    recording(tmp_path, "a.wav", (0, 1, 2))
    recording(tmp_path, "b.wav", LONG)
    place.write_text('{"file": "a.wav", "title": "The first"}\n{"file": "b.wav"}\n')
    for _ in range(2):
        assert (await run(place, tmp_path / "out", library=library)).done == 2
        place.with_suffix(".state").unlink()
    with library.open() as store:
        meetings = store.meetings()
        assert sorted(meeting.title for meeting in meetings) == ["The first", "b"]
        for meeting in meetings:
            words = [word.text for line in store.record(meeting.id).lines for word in line.utterance.words]
            assert "".join(words).strip() == spell((0, 1, 2) if meeting.title == "The first" else LONG)
            assert meeting.state == "finished"


async def test_a_place_that_may_not_be_written_is_told_before_the_work(tmp_path: Path) -> None:
    """No engine is started for a file whose text could not be put anywhere."""
    place = tmp_path / "in"
    recording(place, "a.wav", (0, 1))
    (tmp_path / "out").touch()
    pipelines = TonePipelines()
    assert (await run(place, tmp_path / "out", pipelines)).failed == 1
    assert pipelines.started == 0
    assert "is not a folder" in notes(place)["a.wav"].reason


def test_the_fingerprint_is_of_what_words_depend_on(tmp_path: Path) -> None:
    """Language, settings, cuts; not the name of the file."""
    entry = Entry(tmp_path / "a.wav", "a.wav", "line 1")
    same = replace(entry, file=tmp_path / "b.wav", title="B")
    others = [
        WANTED.fingerprint(replace(entry, language="en")),
        replace(WANTED, stream=StreamConfig(beam_size=2)).fingerprint(entry),
        replace(WANTED, rules=CutRules()).fingerprint(entry),
        replace(WANTED, word_times=True).fingerprint(entry),
        replace(WANTED, meetings=True).fingerprint(entry),
    ]
    assert WANTED.fingerprint(same) == WANTED.fingerprint(entry)
    assert len({*others, WANTED.fingerprint(entry)}) == 6

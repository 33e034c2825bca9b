"""The event log: steps in segments, and the same journal when they are read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amanuensis.daemon.journal import Journal, JournalLimits
from amanuensis.daemon.spool import event_log
from amanuensis.daemon.spool.audio_log import Place
from amanuensis.daemon.spool.clock import Stamp
from amanuensis.daemon.spool.event_log import EventLog, Step
from amanuensis.daemon.spool.event_reader import EventHistory
from amanuensis.stream.events import Commit, EngineUse, Event, Final, Gap, SpeakerRevised, Word

LIMITS = JournalLimits(events=12, words=20, snapshot_words=8)
STAMP = Stamp(1.5, 2.5, "boot")
ENGINE = EngineUse("cpu", "cpu", "tones")
SIZES = st.lists(st.integers(0, 4), max_size=60)


def events_of(index: int, size: int) -> list[Event]:
    """Return the events of one step: words, sometimes a final, a revision or a gap."""
    utt = index // 5
    words = tuple(Word(f" w{index}-{i}", index * 10.0, index * 10.0 + 5, 0.5) for i in range(size))
    events: list[Event] = [Commit(utt, words)] if words else []
    if index % 5 == 4:
        events.append(Final(utt, "pause", "text", 0.0, index * 10.0, ENGINE))
    if index % 7 == 6:
        events.append(SpeakerRevised(((utt, 0, "A"),)))
    return [*events, Gap(1.0, 2.0, "why")] if index % 11 == 10 else events


def speak(log: EventLog, journal: Journal, sizes: Sequence[int], start: int = 0) -> None:
    """Say what the sizes ask for."""
    for index, size in enumerate(sizes, start):
        entries = [journal.add(event) for event in events_of(index, size)]
        log.append(Step(entries, {"n": index, "pad": bytes(60)}, index, Place(index, index, index), STAMP), journal)


def opened(folder: Path, history: EventHistory | None = None, *, keep_all: bool = False) -> tuple[EventLog, Journal]:
    """Return a log that begins, or goes on after what is there, and its journal."""
    journal = history.journal if history else Journal(LIMITS)
    closed, number = (history.segments, history.next_number) if history else ([], 0)
    charge = lambda _: None  # noqa: E731
    return EventLog(folder, journal.base, charge=charge, keep_all=keep_all, closed=closed, number=number), journal


def same(journal: Journal, other: Journal) -> bool:
    """Whether two journals tell the same to everybody."""
    kept = journal.last_seq - journal.oldest_needed.seq
    replays = [journal.replay(seq) == other.replay(seq) for seq in range(journal.last_seq - kept, journal.last_seq + 1)]
    return all(replays) and journal.base == other.base and journal.utterances() == other.utterances()


@settings(max_examples=60, deadline=None)
@given(SIZES, st.data(), st.booleans())
def test_journal_comes_back(sizes: list[int], data: st.DataObject, keep_all: bool) -> None:
    """After a restart the ring, the words, the numbering and the checkpoint are what they were."""
    cut = data.draw(st.integers(0, len(sizes)))
    with TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        patch.setattr(event_log, "SEGMENT_BYTES", 700)
        log, journal = opened(Path(name), keep_all=keep_all)
        speak(log, journal, sizes[:cut])
        log.close()
        log, journal = opened(Path(name), EventHistory(Path(name), LIMITS), keep_all=keep_all)
        speak(log, journal, sizes[cut:], cut)
        log.close()
        history = EventHistory(Path(name), LIMITS)
        unbroken = Journal(LIMITS)
        for index, size in enumerate(sizes):
            for event in events_of(index, size):
                unbroken.add(event)
        assert same(unbroken, history.journal)
        assert history.repairs == []
        assert (history.step.checkpoint["n"] if history.step else -1) == len(sizes) - 1


@settings(max_examples=60, deadline=None)
@given(SIZES, st.data())
def test_a_torn_tail_leaves_whole_steps(sizes: list[int], data: st.DataObject) -> None:
    """Cut anywhere, the newest segment gives the steps before the cut: events and their checkpoint together."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        log, journal = opened(folder)
        speak(log, journal, sizes)
        log.close()
        (path,) = folder.iterdir()
        content = path.read_bytes()
        cut = data.draw(st.integers(0, len(content)))
        path.write_bytes(content[:cut])
        history = EventHistory(folder, LIMITS)
        n_steps = history.step.checkpoint["n"] + 1 if history.step else 0
        unbroken = Journal(LIMITS)
        for index in range(n_steps):
            for event in events_of(index, sizes[index]):
                unbroken.add(event)
        assert same(unbroken, history.journal)
        assert bool(history.repairs) == (path.stat().st_size < cut)
        assert EventHistory(folder, LIMITS).repairs == []


def test_a_log_stays_within_bounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Checkpoints and forgotten events leave the disk; a recording keeps every event."""
    monkeypatch.setattr(event_log, "SEGMENT_BYTES", 5000)
    for keep_all, low, high in ((False, 0, 12_000), (True, 60_000, 300_000)):
        folder = tmp_path / str(keep_all)
        folder.mkdir()
        log, journal = opened(folder, keep_all=keep_all)
        used = []
        for start in range(0, 600, 100):
            speak(log, journal, [3] * 100, start)
            used.append(sum(path.stat().st_size for path in folder.iterdir()))
        log.close()
        assert low <= used[-1] <= high
        seqs = range(1, journal.last_seq + 1)
        history = EventHistory(folder, JournalLimits(10_000, 10_000))
        told = [entry.seq for entry in history.journal.replay(history.journal.oldest_needed.seq)]
        assert told == list(seqs) if keep_all else told == list(seqs[-len(told) :])
        assert len(told) >= LIMITS.events


def test_events_lost_in_the_middle_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When a segment is gone the journal begins after it, and says which events are lost."""
    monkeypatch.setattr(event_log, "SEGMENT_BYTES", 700)
    log, journal = opened(tmp_path, keep_all=True)
    speak(log, journal, [2] * 40)
    log.close()
    paths = sorted(tmp_path.iterdir())
    paths[2].unlink()
    history = EventHistory(tmp_path, JournalLimits())
    (repair,) = history.repairs
    assert repair.startswith("events ")
    assert (history.journal.last_seq, history.step is not None) == (journal.last_seq, True)
    assert history.journal.replay(0)[0].event.type == "snapshot"
    paths[3].write_bytes(b"foreign")
    assert any("cut off" in repair for repair in EventHistory(tmp_path, JournalLimits()).repairs)


def test_durable_logs_are_whole_after_sync(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For a recording, rewritten segments take their places when the disk has them."""
    monkeypatch.setattr(event_log, "SEGMENT_BYTES", 700)
    journal = Journal(LIMITS)
    log = EventLog(tmp_path, journal.base, charge=lambda _: None, durable=True, keep_all=True)
    speak(log, journal, [2] * 20)
    assert list(tmp_path.glob("*.new"))
    log.sync()
    assert not list(tmp_path.glob("*.new"))
    speak(log, journal, [2] * 20, 20)
    log.sync()
    log.close()
    assert EventHistory(tmp_path, LIMITS).journal.base == journal.base

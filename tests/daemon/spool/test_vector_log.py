"""The vectors of voices beside the checkpoint: read as they were kept, whatever became of the files."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from amanuensis.daemon.spool import vector_log
from amanuensis.daemon.spool.log_file import SpoolError
from amanuensis.daemon.spool.records import encode_record
from amanuensis.daemon.spool.vector_log import VectorHistory, VectorLog, vector_files
from amanuensis.stream.speaker_state import SpeakerState
from amanuensis.stream.voice_memory import Kept, KeptNames, KeptPieces
from tests.helpers.voices import BandEmbedder, Talk

DIALOGUE: list[tuple[int | None, float]] = [(0, 4.0), (None, 0.6), (1, 5.0), (None, 0.6), (0, 3.0), (None, 0.5)]


class Spool:
    """A folder, what it holds by its own account, and a talk whose vectors are kept there after each part."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.charged = 0
        self.talk = Talk()
        self.log = VectorLog(folder, self.charge)
        self.states: list[SpeakerState] = []

    def charge(self, n_bytes: int) -> None:
        self.charged += n_bytes

    def play(self, times: int = 1) -> Spool:
        for part in DIALOGUE * times:
            self.talk.play([part])
            self.log.keep(self.talk.speakers)
            self.states.append(self.talk.speakers.state())
        return self

    def read(self) -> VectorHistory:
        return VectorHistory.read(self.folder, self.states[-1])

    @property
    def size(self) -> int:
        return sum(path.stat().st_size for path in self.folder.iterdir())


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    """An empty one."""
    return Spool(tmp_path)


def plain(kept: list[Kept]) -> list[object]:
    """Return the same in values that can be compared."""
    return [
        (part.look, part.names)
        if isinstance(part, KeptNames)
        else (part.first, part.starts.tolist(), part.stops.tolist(), part.vectors.tobytes(), part.names)
        for part in kept
    ]


def n_pieces(kept: list[Kept]) -> int:
    """Return how many pieces there are."""
    return sum(len(part.names) for part in kept if isinstance(part, KeptPieces))


def test_what_was_kept_is_read(spool: Spool) -> None:
    """All pieces and looks, once each, in files that only their owner may read; nothing is damaged by reading."""
    history = spool.play(3).read()
    memory = spool.states[-1].memory
    assert (n_pieces(history.kept), history.n_pieces, history.n_looks) == (memory.n_pieces,) * 2 + (memory.n_looks,)
    assert memory.n_looks >= 1
    assert plain(history.kept) == plain(spool.read().kept)
    whole = spool.talk.speakers.kept(0, 0)[0]
    assert isinstance(whole, KeptPieces)
    vectors = np.concatenate([part.vectors for part in history.kept if isinstance(part, KeptPieces)])
    assert (vectors == whole.vectors).all()
    assert {path.stat().st_mode & 0o777 for path in vector_files(spool.folder)} == {0o600}
    assert spool.charged == spool.size


def test_the_next_process_goes_on(spool: Spool) -> None:
    """What it keeps comes behind what was there."""
    spool.play()
    spool.log.close()
    history = spool.read()
    spool.log = VectorLog(spool.folder, spool.charge, history)
    spool.play(2)
    assert n_pieces(spool.read().kept) == spool.states[-1].memory.n_pieces
    assert spool.charged == spool.size


def test_a_file_that_is_torn_anywhere_is_cut_after_its_last_good_record(spool: Spool) -> None:
    """Reading never fails, gives the first of what was kept, and what is kept afterwards is read too."""
    whole = plain(spool.play(2).read().kept)
    spool.log.close()
    (path,) = vector_files(spool.folder)
    data = path.read_bytes()
    for at in [0, 3, 40, *range(100, len(data), 331)]:
        for junk in (b"", bytes(200), b"\xc1" * 9):
            path.write_bytes(data[:at] + junk)
            history = spool.read()
            assert plain(history.kept) == whole[: len(history.kept)]
            assert path.stat().st_size == sum(segment.size for segment in history.segments) <= at
    talk = Talk().play(DIALOGUE)
    talk.taken_up(history.kept)
    log = VectorLog(spool.folder, spool.charge, history)
    log.keep(talk.play(DIALOGUE).speakers)
    again = VectorHistory.read(spool.folder, talk.speakers.state())
    assert n_pieces(again.kept) == talk.speakers.state().memory.n_pieces


def test_what_is_newer_than_the_checkpoint_is_cut_off(spool: Spool) -> None:
    """A process that dies before it has written the checkpoint leaves records that belong to nothing."""
    spool.play(2)
    spool.log.close()
    early = spool.states[5]
    history = VectorHistory.read(spool.folder, early)
    assert (history.n_pieces, history.n_looks) == (early.memory.n_pieces, early.memory.n_looks)
    assert n_pieces(spool.read().kept) == early.memory.n_pieces


@pytest.mark.parametrize(
    "record",
    [
        {"k": "vectors", "v": 2, "model": ""},
        {"k": "vectors", "v": 1, "model": "other"},
        {"k": "pieces"},
        {"k": "pieces", "of": "AB", "w": b"\0\0"},
        {"k": "names", "of": ["A"], "w": b"\1\0", "look": 1},
        {"k": "names", "of": 3, "w": 4, "look": 1},
    ],
)
def test_records_that_are_none_are_the_end(spool: Spool, record: dict[str, object]) -> None:
    """Whole ones with a checksum, but of another version or model, or with other things in them."""
    spool.play().log.close()
    (path,) = vector_files(spool.folder)
    data = path.read_bytes()
    path.write_bytes(data + encode_record(record))
    assert n_pieces(spool.read().kept) == spool.states[-1].memory.n_pieces
    path.write_bytes(encode_record(record) + data)
    assert spool.read().kept == []


def test_vectors_of_another_model_are_removed(spool: Spool) -> None:
    """Files hold those of one model alone, whichever it is."""
    spool.play()
    other = Talk(replace(spool.talk.rules, model="other"), BandEmbedder("other")).play(DIALOGUE)
    spool.log.keep(other.speakers)
    assert VectorHistory.read(spool.folder, other.speakers.state()).n_pieces == other.speakers.state().memory.n_pieces
    assert spool.charged == spool.size


def test_hours_of_talk_take_so_much_room(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest segments go once the others hold all that is looked at together."""
    monkeypatch.setattr(vector_log, "SEGMENT_PIECES", 4)
    monkeypatch.setattr(vector_log, "MAX_PIECES", 16)
    spool.play(12)
    history = spool.read()
    memory = spool.states[-1].memory
    assert history.n_pieces == memory.n_pieces > 24
    assert 16 <= n_pieces(history.kept) <= 16 + 2 * 6
    assert spool.charged == spool.size
    spool.talk.taken_up(history.kept)
    assert not spool.talk.speakers.state().memory.is_whole
    assert set(spool.talk.end().last) == {"A", "B"}


def test_without_room_nothing_is_kept_and_nothing_fails(spool: Spool, caplog: pytest.LogCaptureFixture) -> None:
    """One line in the log says so; what was there is removed, so that it is not taken for all."""
    spool.play()

    def full(n_bytes: int) -> None:
        spool.charge(n_bytes)
        if n_bytes > 0:
            spool.charged -= n_bytes
            raise SpoolError("the spool is full")

    spool.log.close()
    spool.log = VectorLog(spool.folder, full, spool.read())
    with caplog.at_level(logging.WARNING):
        spool.play(2)
    assert [record.getMessage().partition(": ")[2] for record in caplog.records] == [
        "after a restart its voices are not looked at again: the spool is full"
    ]
    assert (spool.charged, spool.size) == (0, 0)


def test_a_log_that_begins_removes_what_is_there(spool: Spool) -> None:
    """Nobody's voice outlives the session that it was heard in."""
    spool.play().log.close()
    VectorLog(spool.folder, spool.charge)
    assert (spool.charged, list(spool.folder.iterdir())) == (0, [])

"""What the clients of a session are told, and when: in order, once the store has it, and never after a fence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from amanuensis.daemon.cursor import Chunk
from amanuensis.daemon.fronts.crowd import Crowd
from amanuensis.daemon.fronts.messages import Answer, Write
from amanuensis.daemon.fronts.shared_store import MAX_SAID, SharedStore
from amanuensis.daemon.guarded_store import GuardedStore
from amanuensis.daemon.hub import ClientQueue
from amanuensis.daemon.journal import Entry, Journal, JournalLimits
from amanuensis.daemon.protocol import Options, ProtocolError
from amanuensis.daemon.spool.clock import machine_clock
from amanuensis.daemon.spool.header import SessionHeader
from amanuensis.daemon.spool.spool_folder import SpoolFolder
from amanuensis.stream.events import Partial, Speech
from amanuensis.stream.formats import AudioFormat

FORMAT = AudioFormat("s16le", 16_000, 1)
KEPT, FENCED, WAIT, BEHIND, FULL = (Answer(kind) for kind in ("kept", "fenced", "wait", "behind", "full"))


class Hands:
    """Brings nothing by itself."""

    def wake(self, store: SharedStore) -> None: ...


class Scene:
    """One shared session and a client of it."""

    def __init__(self, folder: Path) -> None:
        header = SessionHeader(
            "s", "token", FORMAT, Options(), "model", "client", recorded=False, opened=machine_clock()
        )
        self.spool = SpoolFolder(folder, "spool.max_bytes", 2**20)
        spool = self.spool.create(header, Journal(JournalLimits()))
        self.warnings: list[Any] = []
        self.fenced = self.full = 0
        self.crowd, self.client = Crowd(), ClientQueue("json")
        self.crowd.clients.add(self.client)
        self.store = SharedStore(
            GuardedStore(spool, self.warnings.append),
            "s",
            1,
            Hands(),
            self.crowd,
            opened_s=1.0,
            frame_bytes=FORMAT.frame_bytes,
            is_first=True,
            on_fenced=self._note_fence,
            on_full=self._note_full,
        )
        self.chunks = 0

    def _note_fence(self, _: SharedStore) -> None:
        self.fenced += 1

    def _note_full(self, _: SharedStore) -> None:
        self.full += 1

    def hear(self) -> None:
        """Take a chunk."""
        self.store.append_audio(Chunk(self.chunks, 0, bytes(320)))
        self.chunks += 1

    def say(self, seq: int | None) -> None:
        """Publish an event; one without a number is passing."""
        event = Partial(1, 1, "alfa", 0.0, 1.0) if seq is None else Speech(on=True, at_ms=0.0)
        self.store.shared_hub.publish(Entry(event, seq))

    def answer(self, answer: Answer) -> Write:
        """Let the store take what there is and answer."""
        write = self.store.take()
        assert write is not None
        self.store.answered(answer)
        return write

    @property
    def n_told(self) -> int:
        """Events that wait to be sent to the client."""
        return len(self.client)


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    """A session."""
    return Scene(tmp_path)


def test_telling_waits_for_the_store_and_keeps_its_order(scene: Scene) -> None:
    """Events wait behind what was written before them; those that come later for the next write."""
    scene.hear()
    scene.say(1)
    write = scene.store.take()
    assert write is not None
    scene.hear()
    scene.say(2)
    assert (scene.n_told, scene.crowd.seq) == (0, 0)
    scene.store.answered(KEPT)
    assert (scene.n_told, scene.crowd.seq) == (1, 1)
    scene.answer(KEPT)
    assert (scene.n_told, scene.crowd.seq) == (2, 2)


def test_without_anything_to_keep_events_are_told_at_once(scene: Scene) -> None:
    """Once the store has everything, a passing event waits for nothing."""
    scene.hear()
    scene.answer(KEPT)
    scene.say(None)
    assert scene.n_told == 1
    assert scene.store.take() is None


def test_an_event_that_comes_during_a_write_is_told_after_it(scene: Scene) -> None:
    """Even if nothing more is to be written."""
    scene.hear()
    assert scene.store.take() is not None
    scene.say(None)
    assert scene.n_told == 0
    scene.store.answered(KEPT)
    assert scene.n_told == 1


def test_a_chunk_is_acknowledged_once_the_store_has_it(scene: Scene) -> None:
    """Not those that came while the write was on its way."""
    scene.hear()
    write = scene.store.take()
    assert write is not None
    scene.hear()
    assert scene.store.newest_kept == -1
    scene.store.answered(KEPT)
    assert scene.store.newest_kept == 0
    scene.answer(KEPT)
    assert scene.store.newest_kept == 1


def test_what_was_not_taken_is_sent_again_whole(scene: Scene) -> None:
    """After `wait` and `behind` everything is sent anew, and told when it is taken."""
    scene.hear()
    first = scene.answer(KEPT)
    scene.hear()
    scene.say(1)
    waited = scene.answer(WAIT)
    assert scene.answer(BEHIND).patches == waited.patches
    again = scene.answer(KEPT)
    assert {patch.name for patch in again.patches} == {patch.name for patch in first.patches}
    assert {patch.offset for patch in again.patches} == {0}
    assert (first.is_first, again.is_first) == (True, False)
    assert [event["seq"] for event in again.said] == [1]
    assert scene.n_told == 1
    assert again.number > waited.number > first.number


def test_what_the_store_has_not_said_to_have_is_known(scene: Scene) -> None:
    """Sound and losses since the last write that it took; nobody else hears them when this front is fenced off."""
    scene.hear()
    assert scene.store.unkept_bytes == 320
    scene.answer(KEPT)
    assert scene.store.unkept_bytes == 0
    scene.hear()
    scene.store.append_skip(10, "lost", 0)
    scene.answer(WAIT)
    scene.answer(FENCED)
    assert scene.store.unkept_bytes == 320 + 10 * FORMAT.frame_bytes


async def test_after_a_fence_nobody_is_told_anything(scene: Scene) -> None:
    """What waits is forgotten, what comes is not taken, and who asks is sent elsewhere."""
    scene.hear()
    scene.say(1)
    scene.answer(FENCED)
    scene.say(2)
    scene.hear()
    assert (scene.n_told, scene.fenced) == (0, 1)
    assert scene.store.take() is None
    with pytest.raises(ProtocolError, match="another server"):
        await scene.store.kept()


async def test_a_client_that_comes_is_told_the_past_once_the_store_agrees(scene: Scene) -> None:
    """The store is asked whether the session is still here, though nothing has changed; a fence turns it back."""
    scene.hear()
    scene.answer(KEPT)
    coming = ClientQueue("json")
    scene.store.shared_hub.join(coming, [Entry(Speech(on=True, at_ms=0.0), 1)])
    assert len(coming) == 0
    assert scene.answer(KEPT).patches == ()
    assert len(coming) == 1
    await scene.store.kept()
    late = ClientQueue("json")
    scene.store.shared_hub.join(late, [])
    scene.answer(FENCED)
    scene.store.shared_hub.turn_back(1001, "elsewhere")
    assert late.closing == (1001, "elsewhere")


def test_without_room_in_the_store_the_session_goes_on_alone(scene: Scene) -> None:
    """It is said once; then events are told as if nothing were shared."""
    scene.hear()
    scene.say(1)
    scene.answer(FULL)
    assert scene.answer(KEPT).then == "forget"
    assert (scene.full, scene.n_told) == (1, 1)
    scene.hear()
    scene.say(2)
    assert scene.n_told == 2
    assert scene.store.newest_kept is None
    assert scene.store.take() is None


def test_a_session_whose_spool_fails_is_forgotten_by_the_store(scene: Scene) -> None:
    """Nobody could go on with it."""
    scene.hear()
    scene.answer(KEPT)
    scene.spool.budget.used = 2**20
    scene.store.append_audio(Chunk(1, 0, bytes(2**20)))
    assert [warning.code for warning in scene.warnings] == ["spool_stopped"]
    assert scene.answer(KEPT).then == "forget"
    assert scene.store.newest_kept is None
    assert not scene.store.survives


def test_nothing_piles_up_where_nobody_listens(scene: Scene) -> None:
    """However long the store does not answer: what followers miss they copy, and who comes later is told the past."""
    scene.crowd.clients.clear()
    scene.hear()
    for seq in range(1, MAX_SAID + 11):
        scene.say(seq)
    write = scene.answer(KEPT)
    assert [event["seq"] for event in write.said] == list(range(MAX_SAID + 1, MAX_SAID + 11))
    coming = ClientQueue("json")
    scene.store.shared_hub.join(coming, [Entry(Speech(on=True, at_ms=0.0), MAX_SAID + 10)])
    scene.answer(KEPT)
    assert (len(coming), scene.crowd.seq) == (1, MAX_SAID + 10)

"""The store as fronts see it: what it answers, what it offers, and what it knows when it comes back."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, Final

import pytest

from amanuensis.daemon.fronts.messages import Patch, Times, Write
from amanuensis.daemon.fronts.store import FrontStore

TIMES: Final = Times(lease_s=3, settle_s=6, fill_s=30, adopt_s=5)
LOG: Final = "events-00000000.log"
SEQ: Final = {"type": "speech", "seq": 1, "on": True, "at": 0.0}


class Clock:
    """A clock that stands still."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    """The time."""
    return Clock()


def store(folder: Path, clock: Clock, **more: Any) -> FrontStore:
    """Return a store on a disk."""
    return FrontStore(folder, TIMES, clock=clock, wall_clock=clock, **more)


def write(number: int, data: bytes, offset: int = 0, epoch: int = 1, **more: Any) -> Write:
    """Return a write of a session."""
    more = {"is_first": number == 1, "opened_s": 500.0} | more
    return Write("s", epoch, number, (Patch(LOG, offset, data),), {LOG: offset + len(data)}, **more)


async def test_a_session_outlives_the_process_of_the_store(tmp_path: Path, clock: Clock) -> None:
    """Its files, its owner and its epoch are there in the next one."""
    first = store(tmp_path, clock)
    assert [answer.kind for answer in await first.write("a/1", [write(1, b"abc")])] == ["kept"]
    first.close()
    again = store(tmp_path, clock)
    copy = await again.copy("s")
    assert copy is not None
    assert dict(copy.files) == {LOG: b"abc"}
    assert (await again.claim("b/1", "s")).kind == "held"
    assert [answer.kind for answer in await again.write("a/1", [write(2, b"d", 3)])] == ["kept"]


async def test_what_is_out_of_date_is_removed(tmp_path: Path, clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    """A store that comes back to a machine after another one was elsewhere knows nothing, and waits to be told."""
    first = store(tmp_path / "a", clock)
    await first.write("a/1", [write(1, b"abc")])
    first.close()
    second = store(tmp_path / "b", clock, newest=first.era)
    await second.write("a/1", [write(2, b"abcdef", is_first=False)])
    second.close()
    clock.now_s += 1000.0
    again = store(tmp_path / "a", clock, newest=second.era)
    assert "a store on another machine came after this one" in caplog.text
    assert (await again.claim("b/1", "s")).kind == "wait"
    copy = await again.copy("s")
    assert copy is not None
    assert (copy.is_awaited, dict(copy.files)) == (True, {})
    assert (await again.claim("b/1", "unheard")).kind == "wait"


@pytest.mark.parametrize("continues", [True, False])
async def test_a_store_that_dies_before_the_cluster_knows_of_it(tmp_path: Path, clock: Clock, continues: bool) -> None:
    """What it took up is taken up again; what it began with nothing is begun again."""
    first = store(tmp_path / "a", clock)
    await first.write("a/1", [write(1, b"abc")])
    first.close()
    place = tmp_path / ("a" if continues else "b")
    store(place, clock, newest=first.era).close()
    clock.now_s += 1000.0
    again = store(place, clock, newest=first.era)
    assert (await again.claim("b/1", "s")).kind == ("held" if continues else "wait")


async def test_an_epoch_that_was_given_is_known_in_the_next_process(tmp_path: Path, clock: Clock) -> None:
    """A front that lost its session stays fenced when the store is started again."""
    first = store(tmp_path, clock)
    await first.write("a/1", [write(1, b"abc")])
    assert (await first.claim("b/1", "s", force=True)).epoch == 2
    first.close()
    again = store(tmp_path, clock)
    assert [answer.kind for answer in await again.write("a/1", [write(2, b"d", 3)])] == ["fenced"]


async def test_a_store_that_has_lost_its_disk_is_filled(tmp_path: Path, clock: Clock) -> None:
    """It takes nothing for a while, then everything, and calls nothing unknown meanwhile."""
    empty = store(tmp_path, clock)
    front = "a/1"
    later = Write("s", 4, 9, (), {LOG: 3}, opened_s=500.0)
    assert [answer.kind for answer in await empty.write(front, [later])] == ["wait"]
    copy = await empty.copy("s")
    assert copy is not None
    assert copy.is_awaited
    clock.now_s += 6.1
    assert [answer.kind for answer in await empty.write(front, [later])] == ["behind"]
    assert (await empty.claim("b/1", "s")).kind == "wait"  # nothing of it is there yet
    assert [answer.kind for answer in await empty.write(front, [write(10, b"abc", epoch=4)])] == ["kept"]
    assert (await empty.claim("b/1", "s")).kind == "held"
    assert (await empty.claim("b/1", "t")).kind == "wait"
    clock.now_s += 30
    assert (await empty.claim("b/1", "t")).kind == "unknown"
    empty.close()
    again = store(tmp_path, clock)
    assert [answer.kind for answer in await again.write(front, [write(11, b"d", 3, epoch=4)])] == ["kept"]


async def test_who_follows_gets_news_at_once(tmp_path: Path, clock: Clock) -> None:
    """A question waits for what is said next; what comes again is not told twice."""
    here = store(tmp_path, clock)
    await here.write("a/1", [write(1, b"abc")])
    copy = await here.copy("s", events_only=True)
    assert copy is not None
    asked = asyncio.create_task(here.follow("s", copy.era, copy.cursor, 60))
    await asyncio.sleep(0)
    said = write(2, b"d", 3, said=(SEQ,))
    for _ in range(2):
        (answer,) = await here.write("a/1", [said])
        assert answer.followed
    news = await asked
    assert news.said == (SEQ,)
    assert (await here.follow("s", copy.era, news.cursor)).said == ()
    assert (await here.follow("s", "another era", news.cursor)).is_lost
    await here.write("a/1", [Write("s", 1, 3, ended="end"), Write("s", 1, 4, then="forget")])
    assert (await here.follow("s", copy.era, news.cursor)).is_gone


async def test_a_front_is_told_at_once_what_it_is_asked_for(tmp_path: Path, clock: Clock) -> None:
    """Its sign of life waits for wishes; the claim waits for the session to be free."""
    here = store(tmp_path, clock)
    await here.write("a/1", [write(1, b"abc")])
    waiting = asyncio.create_task(here.beat("a/1", {}, 60))
    claiming = asyncio.create_task(here.claim("b/1", "s", wait_s=60))
    assert (await waiting).wanted == ("s",)
    await here.write("a/1", [Write("s", 1, 2, then="release")])
    assert (await claiming).epoch == 2


async def test_a_store_is_bounded(tmp_path: Path, clock: Clock) -> None:
    """What has no room is not taken, and is said."""
    small = store(tmp_path, clock, max_bytes=100)
    assert [answer.kind for answer in await small.write("a/1", [write(1, bytes(101))])] == ["full"]
    assert [answer.kind for answer in await small.write("a/1", [write(2, bytes(99))])] == ["kept"]

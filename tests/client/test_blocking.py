"""The client without asyncio: the daemon runs in this test's loop, the client in threads beside it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import numpy as np
import pytest

from amanuensis.client import BlockingClient, ClientError, Event, Patience
from tests.helpers.daemon_client import pcm, running
from tests.helpers.tone_engine import say, spell
from tests.helpers.wire import wired

WORDS = (0, 3, 1, 6)
SOUND = pcm(np.concatenate([say(WORDS), np.zeros(16_000, np.float32)]))


def text(events: list[Event]) -> str:
    """The committed words."""
    return "".join(word["text"] for event in events if event["type"] == "commit" for word in event["words"]).strip()


async def test_listening_is_a_plain_loop() -> None:
    """Events come from `ready` to `bye`, and the transcript afterwards."""

    def talk(url: str) -> tuple[list[Event], str]:
        client = BlockingClient(url)
        events = list(client.listen(SOUND[at : at + 3000] for at in range(0, len(SOUND), 3000)))
        assert events[0]["type"] == "ready"
        return events, client.transcript(events[0]["session"])

    async with running() as (_, address):
        events, transcript = await asyncio.to_thread(talk, f"ws://{address}")
    assert events[-1]["type"] == "bye"
    assert text(events) == spell(WORDS) == transcript.strip()


async def test_a_wire_that_is_cut_costs_nothing() -> None:
    """The session is taken up again by itself, for who speaks and for who watches: each word comes once."""
    data = pcm(say(WORDS * 4))
    watched: list[Event] = []
    both_are_there = threading.Event()

    def sound() -> Iterator[bytes]:
        both_are_there.wait()
        yield from (data[at : at + 3000] for at in range(0, len(data), 3000))

    def talk(url: str) -> list[Event]:
        client = BlockingClient(url, patience=Patience(first_s=0.001, most_s=0.01))
        heard = client.listen(sound())
        ready = next(heard)
        assert ready["type"] == "ready"
        seen = client.watch(ready["session"], after_seq=0)
        assert next(seen)["type"] == "ready"
        watching = threading.Thread(target=lambda: watched.extend(seen))
        watching.start()
        both_are_there.set()
        events = list(heard)
        watching.join()
        return events

    async with running() as (_, address), wired(address) as wire:

        def again() -> None:
            wire.budget = 40_000 if wire.cuts < 3 else None

        wire.on_cut = again
        again()
        events = await asyncio.to_thread(talk, f"ws://{wire.address}")
        assert wire.cuts == 3
    assert text(events) == text(watched) == spell(WORDS * 4)
    for told in (events, watched):
        numbers = [event["seq"] for event in told if "seq" in event]
        assert numbers == list(range(1, len(numbers) + 1))


async def test_leaving_the_loop_leaves_the_session() -> None:
    """No thread stays behind, and the daemon's session ends."""

    def talk(url: str) -> None:
        for event in BlockingClient(url).listen(SOUND):
            if event["type"] == "commit":
                break

    async with running() as (daemon, address):
        await asyncio.to_thread(talk, f"ws://{address}")
        while len(daemon.sessions):
            await asyncio.sleep(0)
    assert not [thread for thread in threading.enumerate() if thread.name == "amanuensis client"]


async def test_sound_that_does_not_come_holds_nobody() -> None:
    """Who leaves while its iterable is blocked, in a microphone that says nothing more, does not wait for it."""
    never = threading.Event()

    def sound() -> Iterator[bytes]:
        yield SOUND
        never.wait()

    def talk(url: str) -> None:
        for event in BlockingClient(url).listen(sound()):
            if event["type"] == "commit":
                break

    async with running() as (_, address):
        await asyncio.to_thread(talk, f"ws://{address}")
    assert not [thread for thread in threading.enumerate() if thread.name == "amanuensis client"]
    never.set()


async def test_an_iterable_that_fails_is_told() -> None:
    """Its error is raised in the loop."""

    def sound() -> Iterator[bytes]:
        yield SOUND
        raise ZeroDivisionError("a fault")

    async with running() as (_, address):
        with pytest.raises(ZeroDivisionError, match="a fault"):
            await asyncio.to_thread(lambda: list(BlockingClient(f"ws://{address}").listen(sound())))


async def test_events_that_nobody_takes_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """However slow the loop, every event comes once, in order."""
    monkeypatch.setattr("amanuensis.client.blocking.MAX_WAITING", 1)

    async with running() as (_, address):
        events = await asyncio.to_thread(lambda: list(BlockingClient(f"ws://{address}").listen(SOUND)))
    numbers = [event["seq"] for event in events if "seq" in event]
    assert numbers == list(range(1, len(numbers) + 1))
    assert text(events) == spell(WORDS)


def test_trouble_is_raised_in_the_loop() -> None:
    """Nobody there: the same error as of the other client."""
    with pytest.raises(ClientError, match="cannot connect"):
        list(BlockingClient("ws://127.0.0.1:9").watch())

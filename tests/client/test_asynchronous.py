"""The client for asyncio, against a daemon that reads tones over real sockets and wires that are cut."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import soundfile

from amanuensis.client import AudioFormat, Client, ClientError, Event, Lost, Patience, Pause, SourceError
from amanuensis.daemon.voice_desk import VoiceDesk
from tests.helpers.daemon_client import pcm, running
from tests.helpers.tone_engine import say, spell
from tests.helpers.voices import PitchEmbedder
from tests.helpers.wire import wired

WORDS, MORE = (0, 3, 1, 6), (2, 5)
SOUND = pcm(np.concatenate([say(WORDS), np.zeros(16_000, np.float32)]))
AT_ONCE = Patience(first_s=0.001, most_s=0.01)


async def collect(events: AsyncIterator[Event]) -> list[Event]:
    """All events to the end."""
    return [event async for event in events]


def text(events: list[Event]) -> str:
    """The committed words."""
    return "".join(word["text"] for event in events if event["type"] == "commit" for word in event["words"]).strip()


def pieces(data: bytes = SOUND) -> Iterator[bytes]:
    """Sound in pieces that are no whole samples."""
    yield from (data[at : at + 999] for at in range(0, len(data), 999))


async def slowly() -> AsyncIterator[bytes]:
    """The same, asynchronously."""
    for piece in pieces():
        await asyncio.sleep(0)
        yield piece


@pytest.mark.parametrize("kind", ["bytes", "iterable", "async"])
async def test_sound_comes_in_any_form(kind: str) -> None:
    """Bytes, an iterable that may block and an asynchronous one give the same events, from `ready` to `bye`."""
    audio = {"bytes": SOUND, "iterable": pieces(), "async": slowly()}[kind]
    async with running() as (_, address):
        events = await collect(Client(f"ws://{address}").listen(audio))
    assert (events[0]["type"], events[-1]["type"]) == ("ready", "bye")
    assert text(events) == spell(WORDS)


async def test_the_number_of_speakers_can_be_said() -> None:
    """With one at most every word is of the same; with 0 of nobody."""
    with closing(VoiceDesk(PitchEmbedder())) as voices:
        async with running(voices=voices) as (_, address):
            client = Client(f"ws://{address}")
            one = await collect(client.listen(SOUND, max_speakers=1))
            nobody = await collect(client.listen(SOUND, speakers=0))
    assert {event["spk"] for event in one if event["type"] == "turn"} == {"A"}
    assert not [event for event in nobody if event["type"] in ("turn", "speaker_revised")]


async def test_a_named_source_brings_its_own_format(tmp_path: Path) -> None:
    """What stands after --input may be listened to: here a file of 48 kHz and two channels."""
    sound = np.repeat(np.repeat(say(WORDS), 3)[:, None], 2, axis=1)
    soundfile.write(tmp_path / "a.wav", sound, 48_000)
    async with running() as (_, address):
        events = await collect(Client(f"ws://{address}").listen(f"file:{tmp_path}/a.wav"))
        with pytest.raises(SourceError, match="no such file"):
            await collect(Client(f"ws://{address}").listen(f"file:{tmp_path}/b.wav"))
    assert text(events) == spell(WORDS)


async def test_what_was_lost_is_a_gap_and_a_pause_makes_words_final() -> None:
    """`Lost` and `Pause` among the bytes keep their meaning, also a hole of more than a minute."""
    audio = [SOUND, Pause("they left"), Lost(90 * 16_000, "the input was away"), pcm(say(MORE))]
    async with running() as (_, address):
        events = await collect(Client(f"ws://{address}").listen(audio))
    assert text(events) == spell(WORDS + MORE)
    gaps = [event for event in events if event["type"] == "gap"]  # a long one is told in parts that follow each other
    assert sum(gap["to"] - gap["from"] for gap in gaps) == gaps[-1]["to"] - gaps[0]["from"] == 90_000
    assert {gap["why"] for gap in gaps} == {"the input was away"}


async def test_a_wire_that_is_cut_costs_nothing() -> None:
    """The session is taken up again by itself: every word once."""
    async with running() as (_, address), wired(address) as wire:
        wire.budget = 60_000
        wire.on_cut = lambda: setattr(wire, "budget", None)
        client = Client(f"ws://{wire.address}", patience=AT_ONCE)
        events = await collect(client.listen(pcm(say(WORDS * 4)), AudioFormat()))
        assert wire.budget is None
    assert text(events) == spell(WORDS * 4)


async def test_stopping_makes_the_last_words_final() -> None:
    """Once `stop` is set no more is heard, though the source goes on for ever."""

    async def endless() -> AsyncIterator[bytes]:
        yield SOUND[:-32_000]
        await asyncio.Event().wait()

    stop = asyncio.Event()
    async with running() as (_, address):
        events: list[Event] = []
        async for event in Client(f"ws://{address}").listen(endless(), stop=stop):
            events.append(event)
            if event["type"] == "commit":
                stop.set()
    assert text(events) == spell(WORDS)
    assert events[-1]["type"] == "bye"


async def test_a_source_that_fails_is_told_after_its_last_words() -> None:
    """What came before is captioned; then the source's own error is raised."""

    async def failing() -> AsyncIterator[bytes]:
        yield SOUND
        raise SourceError("unplugged")

    events: list[Event] = []

    async def keep(come: AsyncIterator[Event]) -> None:
        async for event in come:
            events.append(event)  # noqa: PERF401 - what came before the error counts

    async with running() as (_, address):
        with pytest.raises(SourceError, match="unplugged"):
            await keep(Client(f"ws://{address}").listen(failing()))
    assert text(events) == spell(WORDS)


async def test_others_may_watch_and_read() -> None:
    """A watcher of the same daemon gets the same words, and the transcript in each format."""
    async with running() as (_, address):
        client = Client(f"ws://{address}/v1/session")
        heard: list[Event] = []
        watched: asyncio.Task[list[Event]] | None = None
        async for event in client.listen(slowly()):
            heard.append(event)
            if event["type"] == "ready":
                session = event["session"]
                watched = asyncio.create_task(collect(client.watch(session)))
        assert watched is not None
        seen = await watched
        files = {fmt: await client.transcript(session, fmt) for fmt in ("txt", "srt", "vtt", "json")}
        with pytest.raises(ClientError, match="HTTP 404"):
            await client.transcript("nobody")
    snapshot = next(event["text"] for event in seen if event["type"] == "snapshot")
    assert (snapshot + " " + text(seen)).split() == text(heard).split()
    assert files["txt"].split() == text(heard).split()
    assert "-->" in files["srt"]
    assert files["vtt"].startswith("WEBVTT")


async def test_nobody_there_is_one_clear_line() -> None:
    """The address is named."""
    with pytest.raises(ClientError, match=r"cannot connect to ws://127\.0\.0\.1:9/v1/session"):
        await collect(Client("ws://127.0.0.1:9").listen(SOUND))


@pytest.mark.parametrize(
    ("address", "path"),
    [
        ("ws://h:1", "ws://h:1/v1/watch/x"),
        ("ws://h:1/", "ws://h:1/v1/watch/x"),
        ("wss://h:1/v1/session", "wss://h:1/v1/watch/x"),
        ("unix:/run/a.sock", "unix:/run/a.sock:/v1/watch/x"),
        ("unix:/run/a.sock:/v1/session", "unix:/run/a.sock:/v1/watch/x"),
    ],
)
def test_an_address_is_that_of_the_daemon(address: str, path: str) -> None:
    """With or without the path of its sessions."""
    assert Client(address)._at("/v1/watch/x") == path

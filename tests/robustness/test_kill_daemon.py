"""kill -9 of the real daemon in the middle of a session: what was told or acknowledged is there in the next one."""

from __future__ import annotations

import json
import random
import signal
from difflib import SequenceMatcher
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from amanuensis.daemon.addresses import parse_address
from amanuensis.stream.wer import word_errors
from tests.daemon.test_session_speakers import speakers
from tests.helpers.daemon_client import Event, TestClient, check_invariants, committed_text, connected, cut, hello, pcm
from tests.helpers.daemon_process import DaemonProcess, caption, run_command, running_daemon, text_of

CHUNK_BYTES = 3200  # 100 ms
OPTIONS = {"ping_interval": None}


class Speaker:
    """A speaker that comes back to its session after every kill, and checks what it is told.

    Attributes:
        events: durable events, each once.

    """

    def __init__(self, chunks: list[bytes], want_record: bool = False) -> None:
        self.events: list[Event] = []
        self._chunks = chunks
        self._hello = hello(**({"record": True} if want_record else {}))
        self._acked = -1

    async def speak_until(
        self, daemon: DaemonProcess, stop: int, wait: str, end: signal.Signals = signal.SIGKILL
    ) -> Event:
        """Send up to chunk `stop`, wait for what may come, and end the daemon; return the last event."""
        async with connected(parse_address(daemon.address), self._hello, **OPTIONS) as client:
            ready = await self._begin(client, stop)
            if wait == "ack" and ready["next"] < stop:
                await client.until(type="ack")
            elif wait == "stats":
                await client.until(type="stats")
            elif wait == "pong":
                await client.settled()
            daemon.process.send_signal(end)
            await client.over()
            daemon.process.wait()  # a second signal would cut it short
        self._note(client)
        return client.events[-1]

    async def finish(self, daemon: DaemonProcess) -> str:
        """Send the rest and the end; return the name of the session."""
        async with connected(parse_address(daemon.address), self._hello, **OPTIONS) as client:
            ready = await self._begin(client, len(self._chunks))
            await client.send({"type": "end"})
            assert await client.over() == (1000, "end")
        self._note(client)
        self.events.append(client.events[-1])
        return str(ready["session"])

    async def _begin(self, client: TestClient, stop: int) -> Event:
        ready = await client.until(type="ready")
        assert self._acked < ready["next"] <= len(self._chunks), "an acknowledged chunk is asked for again"
        for chunk in self._chunks[ready["next"] : stop]:
            await client.send(chunk)
        self._hello |= {"session": ready["session"], "resume_token": ready["resume_token"]}
        return ready

    def _note(self, client: TestClient) -> None:
        """Take what came: it goes on where the events so far end."""
        durable = [event for event in client.events if "seq" in event]
        assert [event["seq"] for event in durable] == list(
            range(len(self.events) + 1, len(self.events) + 1 + len(durable))
        )
        self.events += durable
        self._acked = max([self._acked, *(event["n"] for event in client.events if event["type"] == "ack")])
        self._hello |= {"after_seq": len(self.events)}


def names_apart(one: list[Event], other: list[Event]) -> int:
    """Return how many of the words that both have, most of them, are of another speaker in the end.

    Which of two voices is A depends on which was told apart first, so the letters of one session may be the other's
    turned round; no letter may change its owner within one.
    """
    texts = [
        [word["text"].strip().lower() for event in events if event["type"] == "commit" for word in event["words"]]
        for events in (one, other)
    ]
    names = [speakers(events) for events in (one, other)]
    assert len(set(names[0])) == 2
    same = SequenceMatcher(None, *texts, autojunk=False).get_matching_blocks()
    pairs = [(names[0][block.a + k], names[1][block.b + k]) for block in same for k in range(block.size)]
    assert 2 * len(pairs) > len(texts[0])
    letters = {"A", "B", *names[1]}
    return min(
        sum(turned[left] != right for left, right in pairs)
        for turned in (dict(zip(sorted(set(names[0])), chosen, strict=True)) for chosen in permutations(letters, 2))
    )


def places(folder: Path) -> dict[str, str]:
    """Return the folders that every process of the test uses, as variables."""
    return {
        "AMANUENSIS_SPOOL_FOLDER": str(folder / "kept"),
        "AMANUENSIS_RECORDING_FOLDER": str(folder / "recordings"),
        "AMANUENSIS_RECORDING_MODE": "asked",
    }


async def killed_often(
    model: Path, folder: Path, sound: NDArray[np.float32], kills: int, seed: int, *, record: bool = False
) -> None:
    """Speak a recording through so many deaths of the daemon, and check all of it against an undisturbed session."""
    chunks, dice, env = cut(pcm(sound), [CHUNK_BYTES]), random.Random(seed), places(folder)
    stops = sorted(dice.sample(range(1, len(chunks)), kills))
    speaker = Speaker(chunks, record)
    for stop in stops:
        with running_daemon(model, folder, env=env) as daemon:
            await speaker.speak_until(daemon, stop, dice.choice(("nothing", "ack", "stats", "pong")))
    with running_daemon(model, folder, env=env) as daemon:
        name = await speaker.finish(daemon)
        fates = json.loads(daemon.get(f"/v1/sessions/{name}.json"))["ledger"]["samples"]
        undisturbed = await caption(daemon.url, sound)
        whole = text_of(undisturbed)
    check_invariants(speaker.events)
    assert names_apart(undisturbed, speaker.events) <= 2 * kills
    assert not list((folder / "kept").rglob("voices-*")), "vectors of voices outlive their session"
    assert fates["received"] == len(sound) == fates["transcribed"] + fates["silence"]
    assert sum(event.get("code") == "recovered" for event in speaker.events) == kills
    heard = committed_text(speaker.events)
    errors = word_errors(whole.lower().split(), heard.lower().split())
    assert errors.total <= kills, f"{heard!r} instead of {whole!r}"


async def test_a_daemon_that_is_killed_loses_nothing(
    builtin_model: Path, tmp_path: Path, speech: NDArray[np.float32]
) -> None:
    """Three kills in 13 s of speech: no acknowledged chunk asked for again, no event told twice or changed."""
    await killed_often(builtin_model, tmp_path, speech, kills=3, seed=5)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(12))
async def test_daemons_that_are_killed_lose_nothing(
    builtin_model: Path, tmp_path: Path, speech: NDArray[np.float32], seed: int
) -> None:
    """The same at other moments, with and without recording."""
    await killed_often(builtin_model, tmp_path, speech, kills=4, seed=seed, record=seed % 2 == 1)


async def test_a_daemon_that_is_restarted_hands_its_sessions_over(
    builtin_model: Path, tmp_path: Path, speech: NDArray[np.float32]
) -> None:
    """SIGTERM: what was heard is told, `bye` says until when to come back, and the next process goes on."""
    chunks, env = cut(pcm(speech), [CHUNK_BYTES]), places(tmp_path)
    speaker = Speaker(chunks)
    for stop in (40, 90):
        with running_daemon(builtin_model, tmp_path, env=env) as daemon:
            bye = await speaker.speak_until(daemon, stop, "pong", signal.SIGTERM)
            assert (bye["type"], bye["reason"], bye["resume_until"] > 0) == ("bye", "shutdown", True)
    with running_daemon(builtin_model, tmp_path, env=env) as daemon:
        await speaker.finish(daemon)
        undisturbed = await caption(daemon.url, speech)
        whole = text_of(undisturbed)
    check_invariants(speaker.events)
    assert names_apart(undisturbed, speaker.events) <= 4
    assert word_errors(whole.lower().split(), committed_text(speaker.events).lower().split()).total <= 2
    assert not list((tmp_path / "kept").rglob("*.damaged"))


async def test_two_daemons_do_not_share_a_folder(builtin_model: Path, tmp_path: Path) -> None:
    """The second one does not start, and says why in one line."""
    with running_daemon(builtin_model, tmp_path, env=places(tmp_path)):
        second = run_command("serve", "--listen", "127.0.0.1:0", "--model", builtin_model, env=places(tmp_path))
    assert second.returncode == 1
    assert second.stderr.count("\n") == 1
    assert f"{tmp_path / 'recordings'}: another daemon keeps its sessions there" in second.stderr

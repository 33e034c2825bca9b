"""Who speaks, over the deaths of daemons: the look at all speech reaches what was said before them."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from amanuensis.daemon.connection import Chunk
from amanuensis.daemon.live_session import END, LiveSession
from amanuensis.daemon.meetings.recording import Recording, read_recording
from amanuensis.daemon.protocol import Hello
from amanuensis.daemon.spool.log_file import reading
from amanuensis.daemon.spool.places import RecordingMode
from amanuensis.daemon.voice_desk import VoiceDesk
from amanuensis.stream.formats import AudioFormat
from tests.daemon.test_session_speakers import WORDS, speakers
from tests.helpers.daemon_client import Event, cut, pcm
from tests.helpers.kept_sessions import as_killed, kept_sessions, only, speak, told
from tests.helpers.late_desk import LateDesk
from tests.helpers.tone_engine import say
from tests.helpers.torn_log import append_junk
from tests.helpers.voices import PitchEmbedder

HIGH, LOW = 190.0, 120.0
PARTS = ((LOW, 10), (HIGH, 3), (LOW, 10), (HIGH, 10), (LOW, 10))  # three words are too few to know a new voice by
NAMES = [name for name, (_, n) in zip("ABABA", PARTS, strict=True) for _ in range(n)]
SOUND = np.concatenate([*(say(WORDS[:n], pitch_hz=hz, lead_s=1.0) for hz, n in PARTS), np.zeros(16_000, np.float32)])
CHUNKS = cut(pcm(SOUND), [3200])
AFTER_23_WORDS = 121


@pytest.fixture
def voices() -> Iterator[VoiceDesk]:
    """What tells voices apart by their pitch."""
    with closing(VoiceDesk(PitchEmbedder())) as desk:
        yield desk


@dataclass(slots=True)
class Taken:
    """A talk whose daemon is killed and started again.

    Attributes:
        folder: of the newest daemon.
        files: of vectors in it, while the session went on and after its end.

    """

    folder: Path
    voices: VoiceDesk
    mode: RecordingMode = "off"
    files: tuple[list[Path], list[Path]] = ([], [])

    async def through(
        self, stops: Sequence[int], meanwhile: Callable[[Path], None] = lambda _: None, then: VoiceDesk | None = None
    ) -> list[Event]:
        """Speak all, with a death after each of so many chunks; return what was told."""
        for k, stop in enumerate([*stops, len(CHUNKS)]):
            desk = then if k and then else self.voices
            limits = {} if self.mode == "off" else {"linger_s": 0, "ended_sessions": 0}  # finished at once
            async with kept_sessions(self.folder, mode=self.mode, voices=desk, **limits) as sessions:
                hello = Hello("speak", AudioFormat(), record=self.mode == "asked")
                session = only(sessions) if k else sessions.open(hello)
                await speak(session, CHUNKS[:stop])
                left = as_killed(self.folder, self.folder.with_name(f"{self.folder.name}-"))
                at_work = sorted(self.folder.rglob("voices-*"))
                await over(session)
                self.files = at_work, sorted(self.folder.rglob("voices-*"))
                if stop == len(CHUNKS):
                    return told(session.journal.replay(0))
            self.folder = left
            for path in left.rglob("voices-*"):
                meanwhile(path)
        raise AssertionError


async def over(session: LiveSession) -> None:
    """End a session."""
    session.finish(END)
    assert session.task is not None
    await session.task


def speakers_of(recording: Recording) -> list[str | None]:
    """Return whose each word of a recording is."""
    return [word.spk for _, words in sorted(recording.words.items()) for word in words]


def labels(events: list[Event]) -> list[dict[str, Any]]:
    """Return all that was told of speakers, its numbers left out."""
    return [
        {name: value for name, value in event.items() if name != "seq"}
        for event in events
        if event["type"] in {"turn", "speaker_revised"}
    ]


@pytest.mark.parametrize(
    "stops",
    [
        [33, 90, 140, 181],
        *(pytest.param(stops, marks=pytest.mark.long) for stops in ([AFTER_23_WORDS], [60], list(range(20, 225, 17)))),
    ],
)
async def test_a_talk_whose_daemon_dies_ends_as_an_undisturbed_one(
    tmp_path: Path, voices: VoiceDesk, stops: list[int]
) -> None:
    """The same names at the end, and the same turns and revisions in between, wherever it dies and how often."""
    undisturbed = await Taken(tmp_path / "undisturbed", voices).through([])
    assert speakers(undisturbed) == NAMES
    taken = Taken(tmp_path / "disturbed", voices)
    events = await taken.through(stops)
    assert speakers(events) == NAMES
    assert labels(events) == labels(undisturbed)
    at_work, afterwards = taken.files
    assert (len(at_work) > 0, afterwards) == (True, [])


async def test_voices_that_still_waited_are_heard_again(tmp_path: Path, voices: VoiceDesk) -> None:
    """Killed when words were final long before there was time for their voices: their sound is kept until then."""
    folder, n_words = tmp_path / "first", 23
    with closing(LateDesk()) as late:
        async with kept_sessions(folder, voices=late) as sessions:
            session = sessions.open(Hello("speak", AudioFormat()))
            for n, chunk in enumerate(CHUNKS[: AFTER_23_WORDS + 15]):
                session.cursor.next_chunk = n + 1
                session.cursor.position_bytes += len(chunk)
                session.hear(Chunk(n, 0, chunk))
            while sum(1 for _ in session.journal.said()) < n_words or session.pump.session.has_utterances:
                await asyncio.sleep(0)  # a turn of the loop: nothing but the engine's answers is waited for
            assert all(word.spk is None for _, _, word in session.journal.said())
            left = as_killed(folder, tmp_path / "left")
            late.opened.set()
            await over(session)
    async with kept_sessions(left, voices=voices) as sessions:
        session = only(sessions)
        await speak(session, CHUNKS)
        await over(session)
        assert speakers(told(session.journal.replay(0))) == NAMES


async def test_a_finished_recording_holds_no_voices(tmp_path: Path, voices: VoiceDesk) -> None:
    """Taken up again, its words have the right names, and the vectors are gone before its folder is moved."""
    taken = Taken(tmp_path / "one", voices, "asked")
    assert speakers(await taken.through([AFTER_23_WORDS])) == NAMES
    (recording,) = (path for path in (taken.folder / "recordings").iterdir() if path.is_dir() and path.name != "open")
    checkpoints = []
    for path in recording.glob("events-*"):
        with reading(path) as reader:
            checkpoints += [record["c"] for record in reader if record["k"] == "step"]
    assert len(checkpoints) > 0 == len([checkpoint for checkpoint in checkpoints if checkpoint])
    assert speakers_of(read_recording(recording)) == NAMES
    assert not list(taken.folder.rglob("voices-*"))


@pytest.mark.parametrize(
    "damage", ["cut", *(pytest.param(damage, marks=pytest.mark.long) for damage in ("junk", "gone", "unreadable"))]
)
async def test_damaged_vectors_stop_nobody(
    tmp_path: Path, voices: VoiceDesk, caplog: pytest.LogCaptureFixture, damage: str
) -> None:
    """What is left is looked at again, what is not stays as it was told; the log says how much is missing."""

    def harm(path: Path) -> None:
        if damage == "junk":
            append_junk(path, random.Random(1))
        elif damage == "cut":
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        else:
            path.unlink()
            if damage == "unreadable":
                path.mkdir()

    with caplog.at_level(logging.WARNING):
        found = speakers(await Taken(tmp_path / "one", voices).through([AFTER_23_WORDS], harm))
    lines = [record.getMessage() for record in caplog.records if "is looked at again in part" in record.getMessage()]
    assert len(lines) == (damage != "junk")
    assert len(found) == len(NAMES)
    if damage == "junk":
        assert found == NAMES
    else:
        assert all(name in {"A", "B"} for name in found)
        assert found[23:] == NAMES[23:]


async def test_another_speaker_model_ignores_the_vectors_and_says_so(
    tmp_path: Path, voices: VoiceDesk, caplog: pytest.LogCaptureFixture
) -> None:
    """All voices are new ones from the speech on that was not settled, and the files hold vectors of the new model."""
    taken = Taken(tmp_path / "one", voices)
    with closing(VoiceDesk(PitchEmbedder("pitch-2"))) as other, caplog.at_level(logging.WARNING):
        found = speakers(await taken.through([AFTER_23_WORDS], then=other))
    assert found == [name for name, (_, n) in zip("AABCB", PARTS, strict=True) for _ in range(n)]
    assert any(
        "it was heard with speaker model 'pitch', and this one is 'pitch-2'" in record.getMessage()
        for record in caplog.records
    )
    assert len(taken.files[0]) == 1

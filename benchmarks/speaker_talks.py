"""Recorded conversations with known turns, played to the pipeline as if people spoke now."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from amanuensis.benchmarks.sound import read_sound
from amanuensis.benchmarks.speaker_pairs import Samples
from amanuensis.benchmarks.streaming_wer import FORMAT, pieces
from amanuensis.npu.loading import LoadedModel
from amanuensis.npu.tokenizer import Tokenizer
from amanuensis.stream.config import StreamConfig
from amanuensis.stream.events import Commit, Event, SpeakerRevised
from amanuensis.stream.session import StreamSession
from amanuensis.stream.speakers import SpeakerRules
from amanuensis.stream.voice_jobs import VoiceEmbedder

CHUNK_MS: Final = 100
Turn = tuple[float, float, str]  # start and end in seconds, speaker


@dataclass(frozen=True, slots=True)
class Talk:
    """A recording with reference turns; `kind` is what the manifest says of it."""

    path: str
    kind: str
    turns: tuple[Turn, ...]
    samples: Samples = field(repr=False)

    @property
    def seconds(self) -> float:
        """Of the recording."""
        return len(self.samples) / 16_000


@dataclass(slots=True)
class SpokenWord:
    """A word as it was told.

    Attributes:
        start_s, end_s: where it is said.
        at_commit: whose it was when it was committed; None: nobody's.
        live: whose it was when people had spoken.
        final: whose it was after the second look.
        settled_s: when, in sound received, it was given the live one.
        revised: when it was given another, and whose it was then.

    """

    start_s: float
    end_s: float
    at_commit: str | None
    live: str | None
    final: str | None
    settled_s: float
    revised: list[tuple[float, str]] = field(default_factory=list)

    def whose(self, after_s: float) -> str | None:
        """Return whose it was so long after it was said; not before it was committed."""
        names = [name for at_s, name in self.revised if at_s <= self.end_s + after_s]
        return names[-1] if names else self.at_commit


@dataclass(slots=True)
class Heard:
    """What was made of a talk."""

    words: list[SpokenWord]
    live: list[Turn]
    final: list[Turn]
    voices_s: float  # computing time of what tells voices apart, words left out


def load_talks(folder: Path) -> Iterator[Talk]:
    """Yield the recordings of a folder that `turns.jsonl` has speaker turns of.

    Raises:
        ValueError: it has none.

    """
    kinds = {row["path"]: row.get("kind", "") for row in _rows(folder / "manifest.jsonl")}
    rows = [row for row in _rows(folder / "turns.jsonl") if row.get("turns")]
    if not rows:
        raise ValueError(f"{folder / 'turns.jsonl'}: has no rows with turns; see docs/speakers.md")
    for row in rows:
        turns = tuple((float(start), float(end), str(who)) for start, end, who, *_ in row["turns"])
        yield Talk(row["path"], kinds.get(row["path"], ""), turns, read_sound(folder / row["path"]))


def _rows(path: Path) -> list[dict[str, Any]]:
    if not path.is_file():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


class Audience:
    """Hears talks with one model and one embedder, in this process; vectors are there as soon as they are due."""

    def __init__(self, model: LoadedModel, tokenizer: Tokenizer, embedder: VoiceEmbedder) -> None:
        self._model = model
        self._tokenizer = tokenizer
        self._embedder = embedder

    def hear(self, talk: Talk) -> Heard:
        """Play a talk from its beginning to its end."""
        rules = SpeakerRules(self._embedder.same_above)
        session = StreamSession(StreamConfig(), FORMAT, self._tokenizer, self._model.info, voices=rules)
        speakers = session.speakers
        assert speakers is not None
        words: dict[tuple[int, int], SpokenWord] = {}
        counts: dict[int, int] = {}
        heard = Heard([], [], [], 0.0)
        for piece in pieces(talk.samples, CHUNK_MS):
            told = session.receive(piece)
            _take(told + self._work(session, heard), words, counts, session.received_ms / 1000)
        told = session.end()
        _take(told + self._work(session, heard, is_over=False), words, counts, session.received_ms / 1000)
        heard.live = _turns(speakers.turns())
        for word in words.values():
            word.live = word.final
        _take(self._work(session, heard), words, counts, session.received_ms / 1000)
        heard.final = _turns(speakers.turns())
        heard.words = list(words.values())
        return heard

    def _work(self, session: StreamSession, heard: Heard, *, is_over: bool = True) -> list[Event]:
        """Do all that is due; the second look only when `is_over`."""
        told: list[Event] = []
        while True:
            if ticket := session.next_job():
                told += session.deliver(ticket.id, self._model.decode(ticket.job))
                continue
            started_s = time.process_time()
            speakers = session.speakers
            assert speakers is not None
            job = speakers.due(words_over=is_over and session.ended)
            if job is None:
                return told + speakers.news()
            told += speakers.deliver(job.id, job.work(self._embedder))
            heard.voices_s += time.process_time() - started_s


def _take(
    events: Sequence[Event], words: dict[tuple[int, int], SpokenWord], counts: dict[int, int], now_s: float
) -> None:
    for event in events:
        if isinstance(event, Commit):
            for word in event.words:
                index = counts[event.utt] = counts.get(event.utt, -1) + 1
                start_s, end_s = word.start_ms / 1000, word.end_ms / 1000
                words[event.utt, index] = SpokenWord(start_s, end_s, word.spk, word.spk, word.spk, now_s)
        elif isinstance(event, SpeakerRevised):
            for utt, index, spk in event.words:
                words[utt, index].final = spk
                words[utt, index].settled_s = now_s
                words[utt, index].revised.append((now_s, spk))


def _turns(pieces_ms: Sequence[tuple[float, float, str]]) -> list[Turn]:
    """Return pieces in a row of one speaker as turns, in seconds; half a second of silence parts them."""
    turns: list[Turn] = []
    for start_ms, stop_ms, who in pieces_ms:
        start_s, stop_s = start_ms / 1000, stop_ms / 1000
        if turns and turns[-1][2] == who and start_s - turns[-1][1] < 0.5:
            turns[-1] = (turns[-1][0], stop_s, who)
        else:
            turns.append((start_s, stop_s, who))
    return turns

"""Who speaks in one stream, told while people talk and put right later. Pure; it never makes a word wait.

Speech is cut into windows; whoever drives the stream has their vectors computed (`due`, `deliver`) when there is time.
A word says whose it seems to be when it is committed; that is put right at most once when the speech that it is in is
settled, and at most once whenever all is looked at together: now and then while people talk, and at the end.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import Final

import numpy as np
from numpy.typing import NDArray

from amanuensis.stream.config import MAX_SPEAKERS
from amanuensis.stream.events import (
    Commit,
    Event,
    SpeakerRevised,
    Turn,
    Warning,  # noqa: A004 - the name on the wire
    Word,
)
from amanuensis.stream.resample import MODEL_RATE
from amanuensis.stream.speaker_state import SpeakerState
from amanuensis.stream.vad import FRAME_SAMPLES
from amanuensis.stream.voice_book import VoiceBook, VoiceRules, unit
from amanuensis.stream.voice_clusters import ClusterRules, Voices
from amanuensis.stream.voice_jobs import Review, VoiceAnswer, VoiceJob
from amanuensis.stream.voice_log import PieceLog, WordLog
from amanuensis.stream.voice_memory import Kept, MemoryState, kept_since, recalled
from amanuensis.stream.voice_names import letters_after
from amanuensis.stream.voice_queue import VoiceQueue
from amanuensis.stream.voice_turns import Piece, VoiceTurns
from amanuensis.stream.voice_windows import PAUSE, VoiceCutter, VoiceWindow
from amanuensis.stream.words import to_ms

__all__ = ["MAX_SPEAKERS", "SpeakerRules", "Speakers"]

Float32 = NDArray[np.float32]
BATCH: Final = 4  # windows of a job: what is told must not wait long for what comes after it
MAX_REVISED: Final = 500  # words of one event
TOLD_TURNS: Final = 64
SLACK: Final = MODEL_RATE // 4  # words may be timed so much before the turn that they begin
ANCHOR_S: Final = 30.0  # speech that a voice of before a restart counts for in the second look
JOIN_ABOVE: Final = 0.15  # clusters that are more alike than `same_above` plus this are one voice
AGAIN: Final = 30 * MODEL_RATE  # sound at most that is heard again: all that may wait, and what is open
REVIEW_S: Final = 3.0  # of new speech, and REVIEW_SHARE of all, before all is looked at together again
REVIEW_SHARE: Final = 0.1
NODE_S: Final = 1.0  # of speech in a piece that may begin a cluster
YOUNG_S: Final = 30.0  # of speech: who began in the last of it is not taken for nobody while people talk


@dataclass(frozen=True, slots=True)
class SpeakerRules:
    """How the voices of a stream are told apart.

    Attributes:
        same_above: of the embedder.
        most: voices at most, 1 to MAX_SPEAKERS.
        exactly: how many there are, where that is known.
        known: vectors of voices with a name.
        model: name of the embedder: vectors of another one say nothing.

    """

    same_above: float
    most: int = MAX_SPEAKERS
    exactly: int | None = None
    known: Mapping[str, Float32] | None = None
    model: str = ""


class Speakers:
    """Tells the speakers of one stream apart.

    Args:
        rules: how.
        state: where to go on; None: at the beginning.

    Attributes:
        stopped: nobody is told apart any more.
        hears_from: the first sample that it needs again of what was heard before the state.

    """

    def __init__(self, rules: SpeakerRules, state: SpeakerState | None = None) -> None:
        self._rules = rules
        most = rules.exactly or rules.most
        self._book = VoiceBook(VoiceRules(rules.same_above, most), rules.known)
        self._turns = VoiceTurns(self._book)
        self._cutter = VoiceCutter()
        self._waiting = VoiceQueue()
        self._pieces = PieceLog()
        self._words = WordLog()
        self._told: deque[tuple[int, int]] = deque(maxlen=TOLD_TURNS)  # where a turn begins, whose it is
        self._ids = count()
        self._outstanding: VoiceJob | None = None
        self._settled = self._told_settled = 0  # speech before it is settled, and that was told
        self._since_review_s = self._total_s = 0.0
        self._n_looks = 0
        self._heard = self._latest = self.hears_from = 0
        self._utt, self._n_words = 0, 0
        self._untold: list[Event] = []
        self._over = self._is_last = self._reviewed = self.stopped = False
        if state is not None:
            self._go_on(state)

    def _go_on(self, state: SpeakerState) -> None:
        voices, first_letter = state.voices, state.first_letter
        if state.model != self._rules.model:  # all are strangers, with names of their own
            first_letter = max(first_letter, letters_after(voice.name for voice in voices))
            voices = ()
        self._book.restore(voices, first_letter)
        self._heard = state.heard
        self._settled = self._latest = self.hears_from = min(state.settled, state.heard)
        self._told_settled = min(state.told_settled, self._settled)
        self._utt, self._n_words, self._over = state.utt, state.n_words, state.over
        self._turns.before = self._numbers.get(state.before or "")
        if (voice := self._numbers.get(state.turn or "")) is not None:
            self._told.append((state.turn_start, voice))
        self.recall((), (), MemoryState(is_whole=False))

    def recall(self, kept: Sequence[Kept], words: Iterable[tuple[int, int, Word]], memory: MemoryState) -> None:
        """Take note of what was said before the stream was taken up, so that second looks reach it; before any sound.

        Args:
            kept: what `kept` gave for the state, oldest first, as far as it is there and of the same model.
            words: those that were committed: utterance, index in it, the word.
            memory: of the state.

        """
        numbers = self._numbers
        anchors = {
            voice: Piece(0, 0, ANCHOR_S, self._book.centroid(voice), voice, goes_on=False) for voice in numbers.values()
        }
        self._pieces = recalled(kept, numbers, memory, anchors)
        self._n_looks = memory.n_looks
        self._since_review_s, self._total_s = memory.unseen_s, self._pieces.speech_s
        for utt, index, word in words:
            self._words.add(utt, index, middle(word), numbers.get(word.spk or ""))
        self._words.n_settled = len(self._words.before(self._told_settled))

    def kept(self, n_pieces: int, n_looks: int) -> list[Kept]:
        """Return what has to be kept for `recall` beside what was kept of the first pieces and looks."""
        names = {voice: self._book.name(voice) for voice in self._book.numbers}
        return kept_since(self._pieces, names, n_pieces, self._memory, n_looks)

    @property
    def model(self) -> str:
        """Whose vectors these are."""
        return self._rules.model

    @property
    def _memory(self) -> MemoryState:
        pieces = self._pieces
        return MemoryState(pieces.n_ever, self._n_looks, pieces.is_whole, self._since_review_s)

    @property
    def _numbers(self) -> dict[str, int]:
        """Those who have spoken, by name."""
        return {self._book.name(voice): voice for voice in self._book.numbers}

    def state(self) -> SpeakerState:
        """Return what another one needs to go on from here; speech that is not settled is not in it."""
        book, before = self._book, self._turns.before
        names = {voice: name for name, voice in self._numbers.items()}
        turn_start, turn = self._told[-1] if self._told else (0, None)
        return SpeakerState(
            self._heard,
            self._settled,
            self._told_settled,
            book.state(),
            book.first_letter,
            None if before is None else names.get(before),
            self._utt,
            self._n_words,
            self.model,
            self._memory,
            None if turn is None else names.get(turn),
            turn_start,
            self._over,
        )

    @property
    def names(self) -> list[str]:
        """Those who have spoken."""
        return [self._book.name(voice) for voice in self._book.numbers]

    @property
    def settled(self) -> int:
        """Words that are said before this 16 kHz sample get no other speaker while people talk; that was told."""
        return self._told_settled

    @property
    def needs_from(self) -> int:
        """Sound before this 16 kHz sample is needed no more, should the stream be taken up from its state."""
        if self.stopped:
            return self._heard
        waiting = self._waiting.next
        begun = (self._turns.start, waiting.start if waiting else None, self._cutter.start, self._latest)
        return max(self._heard - AGAIN, min(start for start in begun if start is not None))

    @property
    def n_waiting(self) -> int:
        """Windows that wait for their vectors."""
        return self._waiting.n_windows

    @property
    def done(self) -> bool:
        """Whether nothing more will be told once the stream is over."""
        return self.stopped or (self._reviewed and self._outstanding is None)

    def turns(self) -> list[tuple[float, float, str]]:
        """Return who spoke from when to when, in ms, as far as it is settled."""
        return [(to_ms(start), to_ms(stop), self._book.name(voice)) for start, stop, voice in self._pieces.turns()]

    # Sound

    def hear(self, position: int, samples: Float32, decisions: Sequence[bool]) -> None:
        """Take whole frames of 16 kHz sound, in order, with the decisions of the voice detector."""
        self._latest = position + samples.size
        self._heard = max(self._heard, self._latest)
        if not self.stopped:
            self._waiting.put(self._cutter.push(position, samples, decisions))

    def end(self) -> None:
        """Take note that no more sound comes."""
        self._over = True
        self._waiting.put(self._cutter.end())

    # Work

    def due(self, *, words_over: bool) -> VoiceJob | None:
        """Return the job that is due now, if any; at most one is outstanding.

        Args:
            words_over: the stream is over, and no more words come.

        """
        if self._outstanding is not None or self.stopped:
            return None
        if self._over:
            self._waiting.put(self._cutter.end())  # of what was heard again
        self._untold += self._work_off(())
        if not self._untold:
            self._told_settled = self._settled
        windows = self._waiting.windows(BATCH)
        self._is_last = self._over and words_over and not windows and not self._reviewed
        if self._is_last or (self._wants_review and not self._over):
            self._outstanding = self._review_job()
        elif windows:
            self._outstanding = VoiceJob(next(self._ids), tuple(windows))
        return self._outstanding

    @property
    def _wants_review(self) -> bool:
        """Whether so much was said since all was looked at together that it is due again."""
        return self._since_review_s >= max(REVIEW_S, REVIEW_SHARE * self._total_s)

    def _review_job(self) -> VoiceJob:
        self._since_review_s = 0.0
        return VoiceJob(next(self._ids), review=Review(self._pieces.evidence(), self._cluster_rules()))

    def deliver(self, job: int, answer: VoiceAnswer) -> list[Event]:
        """Take what came of a job; of another one than is outstanding nothing is taken."""
        if self._outstanding is None or self._outstanding.id != job:
            return []
        self._outstanding = None
        if answer.clusters is None:
            self._untold += self._work_off(answer.vectors)
        else:
            self._n_looks += 1
            self._reviewed = self._is_last  # a look that was due before the stream was over is not the last one
            self._settled = self._heard if self._is_last else self._settled
            self._untold += self._review(answer.clusters)
        return self.news()

    def news(self) -> list[Event]:
        """Return what was found out since something was told."""
        news, self._untold = self._untold, []
        self._told_settled = self._settled
        return news

    def failed(self, why: str) -> list[Event]:
        """Take note that voices cannot be told apart any more; words go on."""
        self.stopped, self._outstanding = True, None
        self._waiting.clear()
        return [*self.news(), Warning("speakers_stopped", f"speakers are not told apart any more: {why}")]

    def _work_off(self, vectors: Sequence[Float32]) -> list[Event]:
        """Go through what waits as far as vectors are there."""
        pieces: list[Piece] = []
        rest = iter(vectors)
        while (item := self._waiting.next) is not None:
            if isinstance(item, VoiceWindow):
                if (vector := next(rest, None)) is None:
                    break
                pieces += self._turns.hear(item, vector)
                self._settled = max(self._settled, pieces[-1].stop if pieces else 0)
            else:
                pieces += self._turns.end(item)
                self._settled = max(self._settled, item.stop + PAUSE * FRAME_SAMPLES)
            self._waiting.pop()
        for piece in pieces:
            self._pieces.add(piece)
        self._since_review_s += sum(piece.speech_s for piece in pieces)
        self._total_s += sum(piece.speech_s for piece in pieces)
        return [*self._settle_words(), *self._tell_turns(pieces)]

    # Words

    def commit(self, commit: Commit) -> list[Event]:
        """Return a commit with a speaker at each word, as far as one is known, after the turns that begin with them."""
        return [commit] if self.stopped else [*self.news(), *self._labelled(commit)]

    def _labelled(self, commit: Commit) -> Iterator[Event]:
        if commit.utt != self._utt:
            self._utt, self._n_words = commit.utt, 0
        words: list[Word] = []
        for word in commit.words:
            position = middle(word)
            voice = self._voice_at(position)
            self._words.add(commit.utt, self._n_words, position, voice)
            self._n_words += 1
            words.append(word if voice is None else replace(word, spk=self._book.name(voice)))
            if voice is not None and voice != self._told_at(position):
                yield self._turn(commit.utt, round(word.start_ms * MODEL_RATE / 1000), voice, position < self._settled)
        yield replace(commit, words=tuple(words))

    def _voice_at(self, position: int) -> int | None:
        guess = self._turns.guess
        if guess is not None and position >= guess.start:
            return guess.voice
        at, who = self._told[-1] if self._told else (-1, -1)
        if guess is None and self._settled <= at <= position + SLACK and who in self._book.numbers:
            return who  # told before a restart: its speech is not heard again yet
        voice = self._pieces.voice_at(position)
        return guess.voice if voice is None and guess is not None else voice

    def _settle_words(self) -> list[Event]:
        """Put right the words whose speech is settled now."""
        revised: list[tuple[int, int, str]] = []
        words = self._words
        while words.n_settled < len(words) and words.position(words.n_settled) < self._settled:
            k = words.n_settled
            voice = self._pieces.voice_at(words.position(k))
            if voice is None:
                break
            words.n_settled += 1
            if voice != words.voice(k):
                words.give(k, voice)
                revised.append((*words.which(k), self._book.name(voice)))
        return in_events(revised)

    # Turns

    def _tell_turns(self, pieces: Iterable[Piece]) -> list[Event]:
        """Tell where turns begin that were not told so."""
        told: list[Event] = [
            self._turn(self._utt, piece.start, piece.voice, is_settled=True)
            for piece in pieces
            if piece.voice != self._told_at(piece.start)
        ]
        guess = self._turns.guess
        if guess is not None and guess.voice != self._told_at(guess.start):
            told.append(self._turn(self._utt, guess.start, guess.voice, is_settled=False))
        return told

    def _turn(self, utt: int, start: int, voice: int, is_settled: bool) -> Turn:
        self._told = deque(((at, who) for at, who in self._told if at < start - SLACK), TOLD_TURNS)
        self._told.append((start, voice))
        return Turn(utt, self._book.name(voice), to_ms(start), provisional=not is_settled)

    def _told_at(self, position: int) -> int | None:
        return next((voice for at, voice in reversed(self._told) if at <= position + SLACK), None)

    # Second looks

    def _review(self, clusters: Voices) -> list[Event]:
        """Give each piece, and the words in it, to the voice of its cluster."""
        voices = self._named(clusters)
        for k, cluster in enumerate(clusters.tolist()):
            self._pieces.relabel(k, voices[cluster])
        first = self._pieces.first
        if first is None:
            return []
        words = range(len(self._words)) if self._pieces.is_whole else self._words.since(first)
        changes: dict[int, int] = {}
        for k in words if self._is_last else range(words.start, self._words.n_settled):
            voice = self._pieces.voice_at(self._words.position(k))
            if voice is not None and voice != self._words.voice(k):
                changes[k] = voice
        told = self._give(changes)
        self._turns.reconsider(self._pieces.voice_at(self._heard))
        self._told = deque(((at, who) for at, who in self._told if who in self._book.numbers), TOLD_TURNS)
        return told

    def _named(self, clusters: Voices) -> dict[int, int]:
        """Return the voice of each cluster: the one that it shares most speech with, a new one where that is taken."""
        shares = self._pieces.shares(clusters)
        evidence = self._pieces.evidence()
        weighted = evidence.vectors * evidence.speech_s[:, None]
        sums = {cluster: weighted[clusters == cluster].sum(axis=0) for cluster in np.unique(clusters).tolist()}
        found: dict[int, int] = {}
        for cluster, voice in sorted(shares, key=lambda pair: -shares[pair]):
            if cluster not in found and voice not in found.values():
                found[cluster] = voice
        for cluster, total in sums.items():
            if cluster not in found:
                found[cluster] = self._book.found(unit(total), float(np.linalg.norm(total)))
        self._book.reform({found[cluster]: total for cluster, total in sums.items()})
        return found

    def _give(self, changes: Mapping[int, int]) -> list[Event]:
        """Give words to other voices."""
        revised = []
        for k, voice in sorted(changes.items()):
            self._words.give(k, voice)
            revised.append((*self._words.which(k), self._book.name(voice)))
        return in_events(revised)

    def _cluster_rules(self) -> ClusterRules:
        rules = self._rules
        return ClusterRules(
            rules.same_above + JOIN_ABOVE,
            node_s=NODE_S,
            young_s=0.0 if self._is_last else YOUNG_S,
            most=rules.most,
            exactly=rules.exactly,
        )


def middle(word: Word) -> int:
    """Return where a word is said, 16 kHz samples."""
    return round((word.start_ms + word.end_ms) / 2 * MODEL_RATE / 1000)


def in_events(revised: Sequence[tuple[int, int, str]]) -> list[Event]:
    """Return the events that tell of revised words: several, where there are many."""
    return [SpeakerRevised(tuple(revised[k : k + MAX_REVISED])) for k in range(0, len(revised), MAX_REVISED)]

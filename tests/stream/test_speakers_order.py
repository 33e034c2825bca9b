"""Who speaks in the end does not depend on when there was time to find out."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from amanuensis.stream.events import Commit, Event, SpeakerRevised, Word
from amanuensis.stream.speakers import SpeakerRules, Speakers
from amanuensis.stream.vad import FRAME_SAMPLES
from amanuensis.stream.voice_jobs import VoiceJob
from tests.helpers.voices import RATE, SAME_ABOVE, BandEmbedder, sound

SCRIPT = [
    (0, 4.0),
    (None, 0.5),
    (1, 3.0),
    (None, 0.4),
    (0, 0.3),
    (None, 0.4),
    (1, 4.0),
    (2, 5.0),
    (None, 0.6),
    (0, 3.0),
]
CHUNK = 10 * FRAME_SAMPLES
TRUTH = [(voice, k) for voice, seconds in SCRIPT if voice is not None for k in range(int(seconds / 0.4))]


@dataclass(slots=True)
class Play:
    """The script, in pieces whose order with jobs and words is drawn by chance.

    Attributes:
        told: the events of each step.
        job: that is under way.

    """

    speakers: Speakers = field(default_factory=lambda: Speakers(SpeakerRules(SAME_ABOVE)))
    told: list[list[Event]] = field(default_factory=list)
    job: VoiceJob | None = None
    n_words: int = 0

    def work(self, embedder: BandEmbedder, *, words_over: bool) -> bool:
        """Deliver the job that is under way, else take one; False: there is nothing to do."""
        if self.job is None:
            self.job = self.speakers.due(words_over=words_over)
            return self.job is not None
        job, self.job = self.job, None
        self.told.append(self.speakers.deliver(job.id, job.work(embedder)))
        return True

    def commit(self, start_ms: float) -> None:
        """Commit a word."""
        word = Word(f" w{self.n_words}", start_ms, start_ms + 300, 0.9)
        self.told.append(self.speakers.commit(Commit(0, (word,))))
        self.n_words += 1

    def names(self) -> list[str | None]:
        """Return whose each word is after all that was told."""
        names: list[str | None] = []
        for event in [event for step in self.told for event in step]:
            if isinstance(event, Commit):
                names += [word.spk for word in event.words]
            elif isinstance(event, SpeakerRevised):
                for _, index, spk in event.words:
                    names[index] = spk
        return names


def played(seed: int, busy: float, late: float) -> Play:
    """Play the script; `busy`: how seldom there is time for voices, `late`: how seldom a word is committed."""
    rng, play, embedder = random.Random(seed), Play(), BandEmbedder()
    position, waiting = 0, list[float]()
    for voice, seconds in SCRIPT:
        samples = sound(voice, seconds)
        if voice is not None:
            waiting += [1000 * position / RATE + 400 * k for k in range(int(seconds / 0.4))]
        for at in range(0, samples.size, CHUNK):
            piece = samples[at : at + CHUNK]
            play.speakers.hear(position, piece, [voice is not None] * (piece.size // FRAME_SAMPLES))
            position += piece.size
            if rng.random() > busy:
                play.work(embedder, words_over=False)
            if waiting and rng.random() > late and waiting[0] + 300 < 1000 * position / RATE:
                play.commit(waiting.pop(0))
    play.speakers.end()
    while waiting:
        play.commit(waiting.pop(0))
        if rng.random() > busy:
            play.work(embedder, words_over=False)
    while not play.speakers.done and play.work(embedder, words_over=True):
        pass
    return play


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([0.0, 0.5, 0.9, 1.0]), st.sampled_from([0.0, 0.8, 1.0]))
def test_whenever_there_was_time_the_end_is_the_same(seed: int, busy: float, late: float) -> None:
    """All is worked off, each word has its voice, and no step gives a word to two."""
    play = played(seed, busy, late)
    assert (play.speakers.done, play.speakers.n_waiting) == (True, 0)
    assert len(play.names()) == len(TRUTH)
    pairs = Counter(zip((voice for voice, _ in TRUTH), play.names(), strict=True))
    right = sum(max(n for (who, _), n in pairs.items() if who == voice) for voice in range(3))
    assert len({name for _, name in pairs}) == 3
    assert right >= len(TRUTH) - 2  # at a change without a pause
    for step in play.told:
        given_to = Counter(word[:2] for event in step if isinstance(event, SpeakerRevised) for word in event.words)
        assert max(given_to.values(), default=0) <= 1

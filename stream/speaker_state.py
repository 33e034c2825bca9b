"""The speakers of a stream put down: the part of a checkpoint."""

from __future__ import annotations

from dataclasses import dataclass

from amanuensis.stream.voice_book import VoiceState
from amanuensis.stream.voice_memory import MemoryState

__all__ = ["SpeakerState"]


@dataclass(frozen=True, slots=True)
class SpeakerState:
    """The speakers of a stream put down: some 300 bytes a voice.

    Attributes:
        heard: speech before this 16 kHz sample is known.
        settled: speech before this one is settled; what comes behind is heard again if it can be.
        told_settled: and that was told.
        voices: those that have spoken.
        first_letter: letters before it belong to voices that are not known any more.
        before: name of who spoke last.
        utt, n_words: the open utterance, and how many words of it are committed.
        model: whose vectors these are.
        memory: what is kept elsewhere for the second look.
        turn, turn_start: who was told to speak last, and from where on.
        over: no more sound comes.

    """

    heard: int
    settled: int
    told_settled: int
    voices: tuple[VoiceState, ...]
    first_letter: int
    before: str | None
    utt: int
    n_words: int
    model: str
    memory: MemoryState
    turn: str | None
    turn_start: int
    over: bool

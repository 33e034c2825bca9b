"""A stream put down, so that another process can take it up: everything but the sound that is still needed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from amanuensis.stream.captions import CaptionState
from amanuensis.stream.config import CHANGEABLE
from amanuensis.stream.counters import Counters
from amanuensis.stream.intake import IntakeState
from amanuensis.stream.marks import Mark
from amanuensis.stream.plain import PlainError, from_plain, to_plain
from amanuensis.stream.speaker_state import SpeakerState
from amanuensis.stream.utterance_state import UtteranceState
from amanuensis.stream.words import WordTokenizer

__all__ = ["Checkpoint", "CheckpointError"]

VERSION: Final = 4


class CheckpointError(ValueError):
    """A checkpoint cannot be used; the message says why."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The state of a stream between two calls.

    It holds no sound: after `StreamSession.restore`, raw audio comes again from the source sample `needs_from` on.
    Committed words whose sound is in the open window are in it, so they are not committed again. Its size is bounded by
    `max_pending_s` and `max_utterance_s`: about 1 KB in a usual stream, some KB at the defaults whatever happens.

    Attributes:
        rate: of the source, Hz.
        model: whose tokens its words are spelt in.
        intake: what came in, and what became of it.
        settled: 16 kHz samples before it have their fate.
        last_end: where the newest utterance ended, likewise.
        settings: those that were changed while the stream ran.
        language: set or detected.
        said: tokens of the words before the window, word by word.
        counters: what happened so far.
        captions: the numbering of utterances and partials, and the text of the open utterance.
        warned: warnings about the sound that were given.
        marks: those that wait.
        utterances: those that are not final, in order; only the last one may be open.
        speakers: who was heard; None: nobody was told apart.

    Raises:
        ValueError: its parts contradict each other.

    """

    rate: int
    model: str
    intake: IntakeState
    settled: int
    last_end: int
    settings: Mapping[str, Any]
    language: str | None
    said: tuple[tuple[int, ...], ...]
    counters: Counters
    captions: CaptionState
    warned: tuple[str, ...]
    marks: tuple[Mark, ...]
    utterances: tuple[UtteranceState, ...]
    speakers: SpeakerState | None = None

    def __post_init__(self) -> None:
        if unknown := sorted(set(self.settings) - set(CHANGEABLE)):
            raise ValueError(f"setting {unknown[0]!r} cannot have changed")
        if any(utterance.end is None for utterance in self.utterances[:-1]):
            raise ValueError("an utterance is open that is not the last one")
        starts = [utterance.start for utterance in self.utterances]
        if starts != sorted(starts):
            raise ValueError("the utterances are not in order")

    @property
    def needs_from(self) -> int:
        """The first source sample of each channel whose raw audio must come again after `restore`.

        What lies before it has its fate in the totals that the checkpoint holds; so has some of what comes again.
        """
        return self.intake.needs_from

    @property
    def received(self) -> int:
        """Source samples of each channel that had come in."""
        return self.intake.ledger.received

    def to_plain(self) -> dict[str, Any]:
        """Return it in values that msgpack can carry."""
        return {"version": VERSION, "state": to_plain(self)}

    @classmethod
    def from_plain(cls, plain: Any) -> Checkpoint:
        """Return the checkpoint that `to_plain` was called on.

        Raises:
            CheckpointError: it is not one, or one of another version.

        """
        if not isinstance(plain, Mapping) or "version" not in plain:
            raise CheckpointError("this is no checkpoint: it must be a map with a version")
        if plain["version"] != VERSION:
            raise CheckpointError(f"checkpoint version {plain['version']!r} cannot be read: this is version {VERSION}")
        try:
            return from_plain(cls, plain.get("state"), "checkpoint")
        except PlainError as error:
            raise CheckpointError(str(error)) from error

    def fitting(self, model: str, tokenizer: WordTokenizer) -> Checkpoint:
        """Return it for a model: with another one, words are spelt anew and what was said before is forgotten."""
        if model == self.model:
            return self
        utterances = tuple(state.spelt_by(tokenizer) for state in self.utterances)
        return replace(self, model=model, said=(), utterances=utterances)

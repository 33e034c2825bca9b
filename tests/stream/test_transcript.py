"""What was said so far."""

from __future__ import annotations

from amanuensis.stream.events import Commit, EngineUse, Final, Word
from amanuensis.stream.transcript import KEPT_UTTERANCES, Transcript

ENGINE = EngineUse("cpu", "cpu", "scripted")


def utterance(utt: int) -> list[Commit | Final]:
    """Return the events of an utterance of two words."""
    first, second = Word(" a", 0, 1, 0.9), Word(" b", 1, 2, 0.9)
    return [Commit(utt, (first,)), Commit(utt, (second,)), Final(utt, "pause", " a b", 0, 2, ENGINE)]


def test_finals_are_kept_with_their_words() -> None:
    """A finished utterance has the words of all its commits; an open one is not listed."""
    transcript = Transcript()
    transcript.note([*utterance(0), *utterance(1)[:1]])
    assert [(u.utt, u.text, len(u.words)) for u in transcript.utterances] == [(0, " a b", 2)]


def test_it_is_bounded() -> None:
    """Only the newest utterances are kept."""
    transcript = Transcript()
    for utt in range(KEPT_UTTERANCES + 5):
        transcript.note(utterance(utt))
    assert len(transcript.utterances) == KEPT_UTTERANCES
    assert transcript.utterances[0].utt == 5

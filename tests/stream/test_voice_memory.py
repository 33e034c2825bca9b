"""Pieces of speech that outlive a process: second looks then reach what was said before it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pytest

from amanuensis.stream.events import Event, SpeakerRevised, Turn
from amanuensis.stream.voice_memory import Kept, KeptNames, KeptPieces
from tests.helpers.voices import Talk

SCRIPT: list[tuple[int | None, float]] = [
    (voice, seconds)
    for who, long in ((0, 4.0), (1, 6.0), (0, 3.0), (1, 3.0), (0, 7.0), (2, 5.0), (1, 2.5), (2, 3.5))
    for voice, seconds in ((who, long), (None, 0.6))
]


def in_parts(script: Iterable[tuple[int | None, float]], part_s: float = 0.8) -> list[tuple[int | None, float]]:
    """Return the same in shorter parts, after each of which a process may die."""
    return [
        (voice, min(part_s, seconds - at)) for voice, seconds in script for at in np.arange(0, seconds - 0.01, part_s)
    ]


def labels(events: Iterable[Event]) -> list[Event]:
    """Return all that was told of speakers."""
    return [event for event in events if isinstance(event, Turn | SpeakerRevised)]


def keep(talk: Talk, kept: list[Kept]) -> None:
    """Keep what was found out since it was kept last."""
    pieces = [part for part in kept if isinstance(part, KeptPieces)]
    looks = [part.look for part in kept if isinstance(part, KeptNames)]
    kept += talk.speakers.kept(pieces[-1].end if pieces else 0, looks[-1] if looks else 0)


def disturbed(every: int, first: int = 1) -> Talk:
    """Return a conversation whose process dies again and again."""
    talk, kept = Talk(), list[Kept]()
    for k, part in enumerate(in_parts(SCRIPT)):
        talk.play([part])
        keep(talk, kept)
        if k % every == first:
            talk.taken_up(kept)
    return talk.end()


@pytest.mark.parametrize(("every", "first"), [(60, 7), (60, 22), (60, 33), (9, 4), (5, 0), (2, 1)])
def test_a_stream_that_is_taken_up_ends_as_an_undisturbed_one(every: int, first: int) -> None:
    """Words that were said before are looked at again like the others: all end with the same names."""
    undisturbed = Talk()
    for part in in_parts(SCRIPT):
        undisturbed.play([part])
    undisturbed.end()
    again = disturbed(every, first)
    assert again.last == undisturbed.last
    assert set(again.last) == {"A", "B", "C"}
    assert max(again.revisions()) <= max(undisturbed.revisions()) + 1


def test_a_word_that_comes_before_its_voice_is_heard_again_is_of_the_turn_that_was_told() -> None:
    """Not of who spoke before that turn, and no other turn is told."""
    talk, kept = Talk(), list[Kept]()
    talk.play([(0, 5.0), (None, 0.5), (1, 3.0)])
    keep(talk, kept)
    n_events = len(talk.events)
    talk.taken_up(kept)
    talk.commit(float("inf"))
    assert [name for voice, name in talk.ended() if voice == 1][-2:] == ["B", "B"]
    assert not labels(talk.events[n_events:])


def test_what_was_told_before_is_not_told_again() -> None:
    """One death in the middle of speech: the same turns and revisions, in the same order."""
    undisturbed = Talk()
    for part in in_parts(SCRIPT):
        undisturbed.play([part])
    told = labels(undisturbed.end().events)
    assert labels(disturbed(60, 22).events) == told
    assert labels(disturbed(60, 7).events) == told


@pytest.mark.parametrize("left", [0.0, 0.5, 0.9])
def test_what_is_lost_of_what_was_kept_loses_nobody(left: float) -> None:
    """With a part of the pieces, or none, voices have the names that they had, and nobody is invented."""
    talk, kept = Talk(), list[Kept]()
    for part in SCRIPT:
        talk.play([part])
        keep(talk, kept)
    talk.taken_up(kept[: int(left * len(kept))])
    assert not talk.speakers.state().memory.is_whole
    talk.play([(1, 4.0), (None, 0.6), (0, 4.0), (None, 0.6), (2, 4.0)]).end()
    names = {voice: {name for who, name in talk.ended()[-30:] if who == voice} for voice in range(3)}
    assert names == {0: {"A"}, 1: {"B"}, 2: {"C"}}


def test_after_a_loss_what_is_kept_goes_on() -> None:
    """The next process knows what was kept before and after the loss, and that something is missing between."""
    talk, kept = Talk(), list[Kept]()
    for part in SCRIPT:
        talk.play([part])
        keep(talk, kept)
    del kept[len(kept) // 2 :]
    talk.taken_up(kept)
    for part in SCRIPT:
        talk.play([part])
        keep(talk, kept)
    n_pieces = talk.speakers.state().memory.n_pieces
    assert n_pieces == sum(len(part.names) for part in kept if isinstance(part, KeptPieces))
    talk.taken_up(kept)
    memory = talk.speakers.state().memory
    assert (memory.n_pieces, memory.is_whole) == (n_pieces, False)
    assert set(talk.end().last) == {"A", "B", "C"}


def test_pieces_whose_voice_is_not_known_say_nothing() -> None:
    """They are left out, and what is left is not taken for all."""
    talk, kept = Talk(), list[Kept]()
    talk.play(SCRIPT)
    keep(talk, kept)
    pieces = kept[0]
    assert isinstance(pieces, KeptPieces)
    talk.taken_up([replace(pieces, names=("nobody",) * len(pieces.names))])
    assert not talk.speakers.state().memory.is_whole
    assert set(talk.end().last) - {None} == {"A", "B", "C"}


def test_kept_pieces_that_cannot_be_are_refused() -> None:
    """Parts of different lengths, and vectors that are not finite."""
    talk, kept = Talk(), list[Kept]()
    talk.play(SCRIPT[:4])
    keep(talk, kept)
    pieces = kept[0]
    assert isinstance(pieces, KeptPieces)
    with pytest.raises(ValueError, match="not as many"):
        replace(pieces, names=())
    with pytest.raises(ValueError, match="not finite"):
        replace(pieces, vectors=np.full_like(pieces.vectors, np.nan))

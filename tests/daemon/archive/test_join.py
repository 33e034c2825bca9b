"""Recordings heard in pieces, and joined."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from amanuensis.daemon.archive.hearing import HeardPiece, hear
from amanuensis.daemon.archive.join import Joined, JoinError, join
from amanuensis.daemon.archive.pieces import CutRules, PieceCutter
from amanuensis.npu.engine.api import EngineError, PoisonWindowError
from amanuensis.stream.config import StreamConfig
from amanuensis.stream.events import Gap
from tests.helpers.tone_engine import ToneEngine, say, spell
from tests.helpers.tone_pipelines import TonePipelines

RATE = 16_000
RULES = CutRules(stages=((4.0, 1.2), (8.0, 0.6), (12.0, 0.2)), most_s=20.0)
WHOLE = CutRules(stages=(), most_s=10_000.0)


async def heard(sound: NDArray[np.float32], pipelines: TonePipelines, rules: CutRules = RULES) -> list[HeardPiece]:
    """Hear a recording piece by piece."""
    cutter = PieceCutter(rules)
    pieces = [*cutter.push(sound), *cutter.finish()]
    return [await hear(piece, pipelines.pipeline, StreamConfig()) for piece in pieces]


def text(joined: Joined) -> str:
    """Return all words as a line."""
    return "".join(word.text for words in joined.utterances for word in words).strip()


@settings(max_examples=5)
@given(
    words=st.lists(st.integers(0, 6), min_size=1, max_size=40),
    pauses_s=st.lists(st.floats(0, 2), min_size=1, max_size=8),
)
def test_no_word_is_lost_or_doubled_at_a_cut(words: list[int], pauses_s: list[float]) -> None:
    """The joined words are those that were said, when one stream hears them, and the ledger adds up."""
    sound = say(words, pauses_s=pauses_s)
    pieces = asyncio.run(heard(sound, TonePipelines()))
    joined = join(pieces, sound.size)
    (alone,) = asyncio.run(heard(sound, TonePipelines(), WHOLE))
    whole = join([alone], sound.size)
    assert text(joined) == text(whole) == spell(words)
    times, wanted = ([word.start_ms for words in each.utterances for word in words] for each in (joined, whole))
    assert times == sorted(times)
    assert np.allclose(times, wanted, atol=40.0)  # two frames of the encoder: its grid begins with the utterance
    totals = joined.totals
    assert (totals.received, totals.unsettled, totals.gap) == (sound.size, 0, 0)
    assert totals.transcribed + totals.silence == sound.size


async def test_pieces_that_are_not_the_recording_are_refused() -> None:
    """One that is missing, twice there or too short is a fault that is not written down as a transcript."""
    sound = say([k % 7 for k in range(20)], pauses_s=[1.5])
    pieces = await heard(sound, TonePipelines())
    assert join(reversed(pieces), sound.size) == join(pieces, sound.size)
    for wrong in (pieces[1:], pieces[:-1], [*pieces[:1], *pieces], []):
        with pytest.raises(JoinError):
            join(wrong, sound.size)
    totals = replace(pieces[0].totals, silence=pieces[0].totals.silence - 1)
    with pytest.raises(JoinError, match="piece 0 from sample 0"):
        join([replace(pieces[0], totals=totals), *pieces[1:]], sound.size)


async def test_a_poison_window_is_a_gap_and_the_rest_is_heard() -> None:
    """What kills engines is told with its place; no other sound is lost by it."""
    engine = ToneEngine(fail_with=PoisonWindowError(2, "signal 11"))
    pieces = await heard(say([1, 2, 3]), TonePipelines(engine))
    (gap,) = join(pieces, pieces[-1].stop).gaps
    assert "signal 11" in gap.why
    assert 0 < pieces[0].totals.gap < pieces[0].totals.received


async def test_an_engine_that_fails_is_no_gap() -> None:
    """The piece is to be heard once more, by whoever holds it, and the stream is given back."""
    engine = ToneEngine(fail_with=EngineError("odd features"))
    with pytest.raises(EngineError, match="odd features"):
        await heard(say([1, 2, 3]), TonePipelines(engine))
    assert engine.open == set()


async def test_gaps_over_a_cut_are_one() -> None:
    """A gap that goes on in the next piece is told once."""
    sound = say([k % 7 for k in range(20)], pauses_s=[1.5])
    first, second, *_ = await heard(sound, TonePipelines())
    length_ms = first.totals.received / 16
    both = [replace(first, gaps=(Gap(length_ms - 5, length_ms, "x"),)), replace(second, gaps=(Gap(0, 7, "x"),))]
    assert join(both, second.stop).gaps == (Gap(length_ms - 5, length_ms + 7, "x"),)


async def test_a_forced_cut_is_told() -> None:
    """Who reads the text should know where a word may be torn."""
    (piece,) = await heard(say([1, 2]), TonePipelines())
    assert join([replace(piece, in_speech=True)], piece.stop).warnings == (
        "no pause was found before 1 s: it was cut at a quiet place there",
    )

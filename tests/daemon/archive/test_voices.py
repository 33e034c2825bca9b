"""Who speaks in recordings that are heard in pieces."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from amanuensis.daemon.archive.hearing import HeardPiece, hear
from amanuensis.daemon.archive.join import join
from amanuensis.daemon.archive.pieces import CutRules, PieceCutter
from amanuensis.daemon.voice_desk import VoiceDesk
from amanuensis.stream.config import StreamConfig
from tests.helpers.tone_engine import say
from tests.helpers.tone_pipelines import TonePipelines
from tests.helpers.voices import PitchEmbedder

RULES = CutRules(stages=((12.0, 1.2),), most_s=120.0)
PITCHES_HZ = {"low": 100.0, "high": 170.0}
TURNS = ("low", "high", "low", "high", "high", "low", "low", "high", "low")
TURN_WORDS = tuple(k % 7 for k in range(12))


async def heard(config: StreamConfig) -> list[HeardPiece]:
    """Hear a conversation of two in pieces that begin with one or the other."""
    pause = np.random.default_rng(1).normal(0, 1e-4, 24_000).astype(np.float32)
    turns = [part for who in TURNS for part in (say(TURN_WORDS, pitch_hz=PITCHES_HZ[who]), pause)]
    desk = VoiceDesk(PitchEmbedder())
    pipeline = TonePipelines(voices=desk).pipeline
    cutter = PieceCutter(RULES)
    try:
        pieces = [*cutter.push(np.concatenate(turns)), *cutter.finish()]
        return [await hear(piece, pipeline, config) for piece in pieces]
    finally:
        desk.close()


async def test_speakers_are_the_same_over_the_whole_file() -> None:
    """The pieces name their voices in the order in which they begin; the whole has one name for each."""
    pieces = await heard(StreamConfig(max_speakers=4))
    assert len(pieces) > 3
    first_voices = {piece.index: piece.voices.names[0] for piece in pieces if piece.voices}
    assert set(first_voices.values()) == {"A"}
    joined = join(pieces, pieces[-1].stop)
    said = [word for words in joined.utterances for word in words]
    spoken = [said[k * len(TURN_WORDS) : (k + 1) * len(TURN_WORDS)] for k in range(len(TURNS))]
    assert [{word.spk for word in turn} for turn in spoken] == [{"A" if who == "low" else "B"} for who in TURNS]


async def test_enrolled_voices_keep_their_names() -> None:
    """Where a piece knew a voice by its name, it is called so in all of them; the other one gets a letter."""
    pieces = await heard(StreamConfig(max_speakers=4))
    named = []
    for piece in pieces:
        assert piece.voices is not None
        assert piece.rules is not None
        spoken = pieces_of(piece)
        names = tuple("Ann" if TURNS[turn] == "high" else "A" for turn in spoken)
        rules = replace(piece.rules, known={"Ann": np.zeros(1, np.float32)})
        named.append(replace(piece, voices=replace(piece.voices, names=names), rules=rules))
    joined = join(named, pieces[-1].stop)
    assert {word.spk for words in joined.utterances for word in words} == {"A", "Ann"}
    first, *_, last = [word.spk for words in joined.utterances for word in words]
    assert (first, last) == ("A", "A")


def pieces_of(piece: HeardPiece) -> list[int]:
    """Return the turn of each part of speech of a piece."""
    assert piece.voices is not None
    turn_samples = say(TURN_WORDS).size + 24_000
    middles = (piece.voices.starts + piece.voices.stops) // 2 + piece.start
    return [int(turn) for turn in middles // turn_samples]


@pytest.mark.parametrize("config", [StreamConfig(), StreamConfig(speakers=0)])
async def test_nobody_is_told_apart_unless_that_is_asked_for(config: StreamConfig) -> None:
    """As `transcribe` does it with files."""
    pieces = await heard(config)
    joined = join(pieces, pieces[-1].stop)
    assert {word.spk for words in joined.utterances for word in words} == {None}


async def test_as_many_are_told_apart_as_are_said_to_be_there() -> None:
    """One over the whole file, not one in each piece."""
    pieces = await heard(StreamConfig(speakers=1))
    joined = join(pieces, pieces[-1].stop)
    assert {word.spk for words in joined.utterances for word in words} == {"A"}

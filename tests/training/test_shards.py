"""Tests of shards on disk."""

from pathlib import Path

import numpy as np

from amanuensis.training.shards import Shard, ShardWriter, features
from amanuensis.training.speech import Speech


def burst() -> Speech:
    """Half a second of silence, half a second of noise that is the word, half a second of silence."""
    samples = np.zeros(24_000, np.float32)
    samples[8_000:16_000] = np.random.default_rng(1).standard_normal(8_000) * 0.1
    return Speech(samples, 16_000, [(0.5, 1.0)], [(0.5, 0), (1.0, 7), (1.5, 0)])


def test_phones_and_words_lie_where_the_sound_is() -> None:
    """Times after 0.2 s of lead are where the energy is."""
    speech = burst()
    samples = np.concatenate([np.full(3_200, 1e-5, np.float32), speech.samples])
    made = features(speech, samples, 0.2)
    assert made.mel.shape == (170, 80)
    loud = np.flatnonzero(made.mel.astype(np.float32).mean(axis=1) > -4)
    assert (made.word_starts, made.word_ends) == ([70], [120])
    assert abs(int(loud[0]) - 70) <= 2
    assert abs(int(loud[-1]) - 120) <= 2
    assert (made.phones == 7).sum() == 25
    assert made.phones[35] == 7


def test_a_shard_gives_back_what_was_written(tmp_path: Path) -> None:
    """Every sentence comes back with its own frames, phones, words and voice."""
    speech = burst()
    made = [features(speech, speech.samples[: 20_000 + 320 * i], 0.0) for i in range(3)]
    writer = ShardWriter()
    for i, one in enumerate(made):
        writer.add(one, f"text {i}", "flite:slt", "narrow")
    writer.write(tmp_path / "00000")
    shard = Shard.open(tmp_path / "00000.jsonl")
    assert [item.text for item in shard.items] == ["text 0", "text 1", "text 2"]
    for item, one in zip(shard.items, made, strict=True):
        back = shard.features_of(item)
        assert np.array_equal(back.mel, one.mel)
        assert np.array_equal(back.phones, one.phones)
        assert back.word_starts == one.word_starts

"""Tests of virtual speakers, on the real synthesisers; skipped where they are not installed."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from amanuensis.training import virtual_speakers, voices_espeak, voices_flite
from amanuensis.training.speaker_data import in_a_room, utterances
from amanuensis.training.speaker_loader import Corpus, batches, channel, disturb, excerpt, without_pauses
from amanuensis.training.virtual_speakers import UNSEEN_FESTIVAL, UNSEEN_VARIANTS, random_speaker

pytestmark = pytest.mark.skipif(
    not (voices_flite.available() and voices_espeak.available()), reason="libflite1 or libespeak-ng1 is not installed"
)
TEXTS = ["the weather in the hills was fine for most of the week", "nobody knew where the old road went to"]


@pytest.fixture(autouse=True)
def no_festival(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cast the same voices on every machine: festival's, of which each machine has others, are left out."""
    monkeypatch.setattr(virtual_speakers.voices_foreign, "installed", lambda: ())


def test_voices_for_development_are_not_trained_with() -> None:
    """No speaker of the one kind has a voice of the other."""
    rng = np.random.default_rng(0)
    seen, unseen = ({random_speaker(rng, unseen=kept).voice for _ in range(300)} for kept in (False, True))
    assert not seen & unseen
    assert not [voice for voice in seen if voice.rpartition("+")[2] in UNSEEN_VARIANTS]
    assert not [voice for voice in seen if voice.removeprefix("festival:") in UNSEEN_FESTIVAL]


def test_a_speaker_says_what_is_wanted_each_time_a_little_differently() -> None:
    """Two sentences of each of four speakers, at 16 kHz, no two alike."""
    rng = np.random.default_rng(3)
    cast = [random_speaker(rng, unseen=False) for _ in range(4)]
    made = list(utterances(cast, TEXTS[:1], 2, rng))
    assert [number for number, _ in made] == [0, 0, 1, 1, 2, 2, 3, 3]
    for _, samples in made:
        assert 16_000 < len(samples) <= 5 * 16_000
        assert np.isfinite(in_a_room(samples, rng)).all()
    assert all(len(one) != len(other) or (one != other).any() for (_, one), (_, other) in pairwise(made))


def test_batches_hold_windows_of_one_speaker_each(tmp_path: Path) -> None:
    """Shards that come later join; windows are around their mean and finite."""
    rng = np.random.default_rng(0)
    (tmp_path / "shards").mkdir()
    np.save(tmp_path / "noise.npy", rng.normal(-3, 1, (3, 600, 80)).astype(np.float16))
    with pytest.raises(RuntimeError, match="holds no shards"):
        Corpus.open(tmp_path)
    for number in range(2):
        mel = rng.normal(-4 + number, 1, (900, 80)).astype(np.float16)
        np.savez(tmp_path / "shards" / f"{number:05d}.npz", mel=mel, starts=[0, 450, 900], speakers=[number, number])
    corpus = Corpus.open(tmp_path)
    mel, speakers = next(batches(corpus, 4, rng))
    assert sorted(speakers) == [0, 0, 1, 1]
    assert mel.shape[::2] == (4, 80)
    assert np.allclose(mel.mean(axis=(1, 2)), 0, atol=1e-3)
    corpus.grow()
    assert len(corpus.mels) == 4


def test_disturbances_stay_within_bounds() -> None:
    """Channels are smooth and of some 10 dB; noise only ever adds energy; pauses are left out."""
    rng = np.random.default_rng(0)
    gains = np.stack([channel(rng) for _ in range(200)])
    assert 0.1 < gains[:, 15:50].std() < 1.0
    mel = rng.normal(-4, 1, (8, 150, 80)).astype(np.float32)
    changed = mel.copy()
    disturb(changed, rng.normal(-3, 1, (2, 300, 80)).astype(np.float16), rng)
    assert np.isfinite(changed).all()
    assert (changed != mel).any()
    with_pause = np.concatenate([mel[0], mel[0] - 6]).astype(np.float16)
    assert len(without_pauses(with_pause)) == 150
    assert excerpt(with_pause[:50], 120, rng).shape == (120, 80)

"""The second look at who spoke: pieces joined to voices."""

from __future__ import annotations

import numpy as np
import pytest

from amanuensis.stream.voice_clusters import ClusterRules, Evidence, cluster_voices

DIM = 32


def evidence(voices: list[int], speech_s: list[float] | float = 3.0, noise: float = 0.1, seed: int = 0) -> Evidence:
    """Return pieces of voices, each with noise; voice -1 has no vector."""
    rng = np.random.default_rng(seed)
    middles = {voice: np.random.default_rng(voice + 100).normal(0, 1, DIM) for voice in set(voices)}
    rows = [middles[voice] + rng.normal(0, noise * np.sqrt(DIM), DIM) for voice in voices]
    vectors = np.stack([row / np.linalg.norm(row) for row in rows]).astype(np.float32)
    vectors[np.array(voices) < 0] = 0
    seconds = np.broadcast_to(np.asarray(speech_s, np.float32), (len(voices),)).copy()
    return Evidence(vectors, seconds, np.zeros(len(voices), bool))


def same_partition(found: list[int], voices: list[int]) -> bool:
    """Whether two labellings say the same but for names."""
    return len(set(zip(found, voices, strict=True))) == len(set(found)) == len(set(voices))


@pytest.mark.parametrize("n_voices", [1, 2, 5, 8])
def test_pieces_go_to_their_voices(n_voices: int) -> None:
    """The number of voices is found out, and clusters are numbered as they begin."""
    voices = [k % n_voices for k in range(60)]
    found = cluster_voices(evidence(voices), ClusterRules(0.4)).tolist()
    assert found == voices


def test_no_pieces_are_no_clusters() -> None:
    """A stream without speech has nothing to look at."""
    nothing = Evidence(np.zeros((0, DIM), np.float32), np.zeros(0, np.float32), np.zeros(0, bool))
    assert cluster_voices(nothing, ClusterRules(0.4)).size == 0


def test_a_short_piece_goes_with_its_neighbours() -> None:
    """One without a vector, or with a bad one of half a second, does not make a change."""
    voices = [0, 0, -1, 0, 1, 1, 1, 0]
    found = cluster_voices(evidence(voices, [3, 3, 0, 3, 3, 0.2, 3, 3]), ClusterRules(0.4)).tolist()
    assert found == [0, 0, 0, 0, 1, 1, 1, 0]


def test_a_voice_with_little_speech_is_nobody() -> None:
    """Two seconds of a door are given to others."""
    found = cluster_voices(evidence([0, 0, 7, 1, 1, 0], [3, 3, 2, 3, 3, 3]), ClusterRules(0.4)).tolist()
    assert len(set(found)) == 2


def test_a_voice_that_has_just_begun_is_not_taken_for_nobody() -> None:
    """Two seconds are enough for who was first heard in the newest speech; a second is not, nor two long ago."""
    rules = ClusterRules(0.4, young_s=10.0)
    assert len(set(cluster_voices(evidence([0, 0, 1, 0, 1, 7], [3, 3, 3, 3, 3, 2]), rules).tolist())) == 3
    assert len(set(cluster_voices(evidence([0, 0, 1, 0, 1, 7], [3, 3, 3, 3, 3, 1.6]), rules).tolist())) == 2
    assert len(set(cluster_voices(evidence([7, 0, 1, 0, 1, 0], [2, 3, 3, 3, 3, 3]), rules).tolist())) == 2


def test_the_number_of_voices_can_be_given() -> None:
    """Exactly so many clusters, where there are as many pieces; never more than the most."""
    voices = [k % 4 for k in range(40)]
    found = cluster_voices(evidence(voices), ClusterRules(0.4, exactly=4))
    assert same_partition(found.tolist(), voices)
    assert len(set(cluster_voices(evidence(voices), ClusterRules(0.4, exactly=2)).tolist())) == 2
    assert len(set(cluster_voices(evidence(voices), ClusterRules(0.99, most=3)).tolist())) <= 3


def test_a_change_without_a_pause_costs_more() -> None:
    """A piece that is a little more like another voice stays with the speech that it goes on."""
    pieces = evidence([0, 0, 0, 1, 1, 1])
    vectors = pieces.vectors.copy()
    vectors[2] = vectors[0] * 0.45 + vectors[3] * 0.55
    vectors[2] /= np.linalg.norm(vectors[2])
    speech_s = np.array([3, 3, 1, 3, 3, 3], np.float32)
    goes_on = np.array([False, True, True, False, False, False])
    run_on = cluster_voices(Evidence(vectors, speech_s, goes_on), ClusterRules(0.4)).tolist()
    assert run_on == [0, 0, 0, 1, 1, 1]


def test_more_pieces_than_can_be_joined() -> None:
    """The longest make the clusters, the others go to the nearest."""
    voices = [k % 3 for k in range(1700)]
    found = cluster_voices(evidence(voices, noise=0.05), ClusterRules(0.4))
    assert same_partition(found.tolist(), voices)

"""Who speaks in a recording that was heard in pieces: all voices of all pieces in one look. Pure.

A piece names its voices for itself; only enrolled ones are called the same everywhere. So the last look of
`amanuensis.stream.speakers` is taken once more at the end, over the whole recording.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import count
from typing import Final

import numpy as np
from numpy.typing import NDArray

from amanuensis.daemon.archive.hearing import HeardPiece
from amanuensis.stream.events import Word
from amanuensis.stream.speakers import JOIN_ABOVE, NODE_S, SpeakerRules, middle
from amanuensis.stream.voice_clusters import ClusterRules, Evidence, Voices, cluster_voices
from amanuensis.stream.voice_log import PieceLog
from amanuensis.stream.voice_memory import KeptPieces
from amanuensis.stream.voice_names import letters
from amanuensis.stream.voice_turns import Piece

MOST: Final = 0.5  # of the speech of a voice is an enrolled one's, whose name it gets
EMPTY: Final = np.zeros(0, np.float32)


class Who:
    """Tells whose a word is.

    Args:
        logs: speech of each piece by its index; voices are those of `names`.
        names: of the voices.

    """

    def __init__(self, logs: Mapping[int, PieceLog], names: Sequence[str]) -> None:
        self._logs = logs
        self._names = names

    def spoke(self, index: int, word: Word) -> str | None:
        """Return who said a word of a piece, whose times are the piece's; None: nobody was heard there."""
        voice = self._logs[index].voice_at(middle(word)) if index in self._logs else None
        return None if voice is None else self._names[voice]


def who_speaks(heard: Sequence[HeardPiece], rules: SpeakerRules) -> Who:
    """Tell voices apart over a whole recording.

    Args:
        heard: its pieces, in order.
        rules: how; of the embedder that made the vectors.

    """
    kept = [(piece.index, piece.voices) for piece in heard if piece.voices is not None and piece.voices.names]
    if not kept:
        return Who({}, [])
    evidence = _evidence([voices for _, voices in kept])
    clusters = cluster_voices(evidence, last_look(rules))
    known = frozenset(rules.known or ())
    names = _names(clusters, [name for _, voices in kept for name in voices.names], evidence.speech_s, known)
    logs, at = {}, 0
    for index, voices in kept:
        logs[index] = _log(voices, clusters[at : at + len(voices.names)])
        at += len(voices.names)
    return Who(logs, names)


def last_look(rules: SpeakerRules) -> ClusterRules:
    """Return the rules of the look that a stream takes at its end."""
    return ClusterRules(rules.same_above + JOIN_ABOVE, node_s=NODE_S, most=rules.most, exactly=rules.exactly)


def _evidence(kept: Sequence[KeptPieces]) -> Evidence:
    """Return the speech of all pieces; none goes on over a cut."""
    return Evidence(
        np.concatenate([voices.vectors.astype(np.float32) for voices in kept]),
        np.concatenate([voices.speech_s for voices in kept]),
        np.concatenate([voices.goes_on for voices in kept]),
    )


def _names(
    clusters: Voices, heard_as: Sequence[str], speech_s: NDArray[np.float32], known: frozenset[str]
) -> list[str]:
    """Return the name of each cluster: the enrolled one that most of its speech is known as, else the next letter."""
    n = int(clusters.max()) + 1
    total_s = np.bincount(clusters, speech_s, n)
    known_s: dict[tuple[int, str], float] = {}
    for cluster, name, seconds in zip(clusters.tolist(), heard_as, speech_s.tolist(), strict=True):
        if name in known:
            known_s[cluster, name] = known_s.get((cluster, name), 0.0) + seconds
    found: dict[int, str] = {}
    for (cluster, name), seconds in sorted(known_s.items(), key=lambda item: (-item[1], item[0])):
        if seconds > MOST * total_s[cluster] and name not in found.values():
            found[cluster] = name
    free = (name for name in map(letters, count()) if name not in known)
    return [found.get(cluster) or next(free) for cluster in range(n)]


def _log(voices: KeptPieces, clusters: Voices) -> PieceLog:
    log = PieceLog()
    rows = (voices.starts.tolist(), voices.stops.tolist(), voices.speech_s.tolist(), clusters.tolist())
    for start, stop, speech_s, cluster in zip(*rows, strict=True):
        log.add(Piece(start, stop, speech_s, EMPTY, cluster, goes_on=False))
    return log

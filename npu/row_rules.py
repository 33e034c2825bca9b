"""What decoding asks of a row of logits, and what a back end answers: the logits themselves stay on the device.

The rules of a row say which tokens may follow; the scores hold the best of those, apart for text and timestamps, with
their sums, so that the host can still apply Whisper's rule that weighs all timestamps against the likeliest text. The
byte layouts of both are RULES and SCORES of `amanuensis.kernels.records`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from amanuensis.kernels.records import NO_ID

ANYTHING: Final = 0  # rows of `Selection.masks`
TEXT: Final = 1
TEXT_BEGIN: Final = 2
TIMED: Final = 3
TIMED_BEGIN: Final = 4
LANGUAGES: Final = 5
N_MASKS: Final = 6


@dataclass(frozen=True, slots=True)
class Selection:
    """What selecting needs to know of a vocabulary; a back end keeps it resident.

    Attributes:
        masks: bool [N_MASKS, vocabulary], True where an id is suppressed: nothing, text, text at the begin of a
            window, text and timestamps, the same at the begin, languages. On a device they lie as bitmaps of
            ceil(vocabulary / 8) bytes, bit k % 8 of byte k // 8 (`numpy.packbits` with bitorder "little").
        eot: <|endoftext|>; the ids below it are text.
        timestamp_begin: the ids from here on are timestamps; those between are special tokens.
        no_speech: the token whose raw probability is told.

    """

    masks: NDArray[np.bool_]
    eot: int
    timestamp_begin: int
    no_speech: int

    @property
    def vocabulary(self) -> int:
        """Number of logits of a row."""
        return int(self.masks.shape[1])


@dataclass(frozen=True, slots=True)
class RowRules:
    """Which tokens may follow a row, and what is asked about them.

    An id is allowed when its bit of the mask is not set, and `text` (ids below <|endoftext|>), `eot` (that token) or
    `time_from <= id < time_to` (ids from the first timestamp on) permits it; special tokens between are up to the mask.

    Attributes:
        mask: row of `Selection.masks`.
        text: text is allowed.
        eot: <|endoftext|> is allowed.
        time_from: first allowed timestamp id.
        time_to: end of the allowed timestamp ids; 0 with time_from 0: none.
        bonuses: (id, nats) added to the logits before anything is ranked, at most MAX_BONUSES, each id once.
        candidates: how many of the best ids of each kind are wanted, 0 to TOP_K; a back end may answer more, but none
            beyond TOP_K. With 0, neither ids nor sums nor a draw nor `wanted_logit` are wanted.
        wanted: an id whose logit is wanted; NO_ID: none.
        temperature: above 0 an id is drawn at it.
        seed: of the noise, 0 to 2**32 - 1.
        position: of the drawn token, for the noise.
        no_speech: the no-speech probability is wanted.

    """

    mask: int = ANYTHING
    text: bool = True
    eot: bool = True
    time_from: int = 0
    time_to: int = 0
    bonuses: tuple[tuple[int, float], ...] = ()
    candidates: int = 1
    wanted: int = NO_ID
    temperature: float = 0.0
    seed: int = 0
    position: int = 0
    no_speech: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a forward that is to be scored: the index-th of its tokens. The same row may be asked for twice."""

    index: int
    rules: RowRules


@dataclass(frozen=True, slots=True)
class KindScores:
    """Scores of the allowed ids of one kind: all below the first timestamp, or all from it on.

    Attributes:
        ids: the best ids, the best first, ties to the lower id; shorter than asked for where fewer are allowed.
        logits: of `ids`, float32 values with bonuses.
        lse: log of the sum of exp over all allowed ids; -inf where none is.
        drawn_id: the id with the greatest logit / temperature + noise (`amanuensis.kernels.reference.noise`); NO_ID
            without a temperature or an allowed id.
        drawn_logit: its logit with bonus.
        drawn_score: its logit / temperature + noise.

    """

    ids: tuple[int, ...] = ()
    logits: tuple[float, ...] = ()
    lse: float = -np.inf
    drawn_id: int = NO_ID
    drawn_logit: float = -np.inf
    drawn_score: float = -np.inf


@dataclass(frozen=True, slots=True)
class RowScores:
    """What a back end answers for a row.

    Attributes:
        text: of the ids below the first timestamp.
        time: of the timestamps.
        wanted_logit: logit of the wanted id with its bonus; -inf where it is not allowed or none is wanted.
        no_speech_prob: softmax over all raw logits at the no-speech token; means nothing where it is not wanted.

    """

    text: KindScores
    time: KindScores
    wanted_logit: float = -np.inf
    no_speech_prob: float = 0.0

"""Pieces of a recording, heard one by one, to one transcript of the whole. Pure.

Every sample is accounted for: the pieces tile the recording, and what became of each of them adds up to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from amanuensis.daemon.archive.hearing import HeardPiece
from amanuensis.daemon.archive.voices import Who, who_speaks
from amanuensis.stream.events import Gap, Word
from amanuensis.stream.ledger import Totals
from amanuensis.stream.words import to_ms

DECIMALS: Final = 3  # of milliseconds: a sum of two floats has noise behind them


class JoinError(Exception):
    """Pieces do not make up their recording: a fault of the program; nothing is written then."""


@dataclass(frozen=True, slots=True)
class Joined:
    """A whole recording.

    Attributes:
        utterances: words of each, in order, on the clock of the recording.
        gaps: what was not transcribed, in order; neighbours with one reason are one.
        totals: what became of its 16 kHz samples.
        language: of the first piece that knew it.
        warnings: each once.
        devices: that computed it, each once.
        model: name of the model.
        compute_ms: of all pieces together.

    """

    utterances: tuple[tuple[Word, ...], ...]
    gaps: tuple[Gap, ...]
    totals: Totals
    language: str | None
    warnings: tuple[str, ...]
    devices: tuple[str, ...]
    model: str
    compute_ms: float

    @property
    def n_words(self) -> int:
        """Words in all utterances."""
        return sum(map(len, self.utterances))


def join(pieces: Iterable[HeardPiece], n_samples: int) -> Joined:
    """Return the transcript of a recording.

    Args:
        pieces: all of them, in any order.
        n_samples: of the recording at 16 kHz.

    Raises:
        JoinError: the pieces or what became of them do not make up the recording.

    """
    heard = sorted(pieces, key=lambda piece: piece.index)
    check_whole(heard, n_samples)
    rules = next((piece.rules for piece in heard if piece.rules), None)
    who = who_speaks(heard, rules) if rules else None
    return Joined(
        utterances=tuple(words for piece in heard for words in _later(piece, who) if words),
        gaps=tuple(_gaps(heard)),
        totals=_total(heard),
        language=next((piece.language for piece in heard if piece.language), None),
        warnings=tuple(dict.fromkeys(line for piece in heard for line in _warnings(piece))),
        devices=tuple(sorted({device for piece in heard for device in piece.devices})),
        model=next(piece.model for piece in heard),
        compute_ms=sum(piece.compute_ms for piece in heard),
    )


def check_whole(heard: Sequence[HeardPiece], n_samples: int) -> None:
    """Refuse pieces, in order, that leave something out or hold something twice."""
    at = 0
    for k, piece in enumerate(heard):
        totals = piece.totals
        settled = totals.transcribed + totals.silence + totals.gap
        if piece.index != k or piece.start != at or not settled == totals.received == piece.stop - piece.start:
            raise JoinError(f"piece {piece.index} from sample {piece.start} to {piece.stop} does not follow {at}")
        at = piece.stop
    if not heard or at != n_samples:
        raise JoinError(f"the pieces hold {at} samples of {n_samples}")


def _later(piece: HeardPiece, who: Who | None) -> Iterable[tuple[Word, ...]]:
    """Yield the words of a piece on the clock of the recording."""
    later_ms = to_ms(piece.start)
    for words in piece.utterances:
        yield tuple(
            replace(
                word,
                start_ms=round(word.start_ms + later_ms, DECIMALS),
                end_ms=round(word.end_ms + later_ms, DECIMALS),
                spk=who.spoke(piece.index, word) if who else None,
            )
            for word in words
        )


def _gaps(heard: Sequence[HeardPiece]) -> list[Gap]:
    gaps: list[Gap] = []
    for piece in heard:
        for gap in piece.gaps:
            start_ms, end_ms = (round(edge + to_ms(piece.start), DECIMALS) for edge in (gap.start_ms, gap.end_ms))
            later = Gap(start_ms, end_ms, gap.why)
            if gaps and (gaps[-1].end_ms, gaps[-1].why) == (later.start_ms, later.why):
                later = Gap(gaps.pop().start_ms, later.end_ms, later.why)
            gaps.append(later)
    return gaps


def _total(heard: Sequence[HeardPiece]) -> Totals:
    names = ("received", "transcribed", "silence", "gap", "unsettled", "empty")
    return Totals(*(sum(getattr(piece.totals, name) for piece in heard) for name in names))


def _warnings(piece: HeardPiece) -> Iterable[str]:
    yield from piece.warnings
    if piece.in_speech:
        yield f"no pause was found before {to_ms(piece.stop) / 1000:.0f} s: it was cut at a quiet place there"

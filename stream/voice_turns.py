"""Windows of speech and their vectors to pieces of speech, each of one voice. Pure; nothing is known of sound here.

A segment ends at a pause, or where two seconds of speech are unlike the two seconds before. It is guessed at as soon as
there is a window of it, and settled when it is over; of a long one, what lies more than two seconds back.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from amanuensis.stream.resample import MODEL_RATE
from amanuensis.stream.voice_book import Match, VoiceBook, unit
from amanuensis.stream.voice_windows import FRAMES_S, StretchEnd, VoiceWindow
from amanuensis.stream.voice_windows import WINDOW as WINDOW_FRAMES

__all__ = ["Guess", "Heard", "Piece", "VoiceTurns"]

Float32 = NDArray[np.float32]
WINDOW_S: Final = WINDOW_FRAMES / FRAMES_S
PIECE_S: Final = 4.0  # of speech: a longer piece of a segment is settled while it goes on
CONTEXT: Final = 12  # windows that a change is looked for in: 2 s on both sides and what lies between


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """Speech of one voice; positions are 16 kHz samples.

    Attributes:
        start, stop: where it lies.
        speech_s: of speech in it; 0: too little to judge by, it was given to who spoke before.
        vector: of unit length, or zeros.
        voice: its number in the book.
        goes_on: the same segment as the piece before it: no pause and no change lie between.

    """

    start: int
    stop: int
    speech_s: float
    vector: Float32
    voice: int
    goes_on: bool


@dataclass(frozen=True, slots=True, eq=False)
class Heard:
    """A window and its vector."""

    start: int
    stop: int
    speech_s: float
    vector: Float32

    @property
    def is_full(self) -> bool:
        """Whether it is as long as windows are."""
        return self.speech_s >= WINDOW_S


@dataclass(frozen=True, slots=True)
class Guess:
    """Who seems to speak from `start` on."""

    start: int
    voice: int


@dataclass(slots=True)
class _Segment:
    """Speech that goes on."""

    start: int  # of what is not settled
    windows: list[Heard] = field(default_factory=list)  # of it
    settled: Float32 | None = None  # sum of the vectors of its settled pieces, each as long as its speech
    settled_s: float = 0.0
    voice: int | None = None
    made: bool = False  # the voice was new with it


class VoiceTurns:
    """Tells the voices of one stream apart while it goes on.

    Args:
        book: of the voices.
        change_below: speech changes hands without a pause where 2 s are less like the 2 s before than `same_above`
            plus this.

    """

    def __init__(self, book: VoiceBook, change_below: float = 0.0) -> None:
        self.book = book
        self._change_below = book.rules.same_above + change_below
        self._context: deque[Heard] = deque(maxlen=CONTEXT)
        self._segment: _Segment | None = None
        self.before: int | None = None  # who spoke last

    @property
    def guess(self) -> Guess | None:
        """Who seems to speak now; None: nobody, or nothing is known yet."""
        segment = self._segment
        if segment is None or segment.voice is None:
            return None
        return Guess(segment.start, segment.voice)

    @property
    def start(self) -> int | None:
        """Where speech begins that is not settled; None: there is none."""
        return None if self._segment is None else self._segment.start

    def reconsider(self, before: int | None) -> None:
        """Take note that the voices of the book have become others, and who spoke last."""
        self.before = before
        if self._segment is not None:
            self._segment.voice, self._segment.made = None, False
            self._guess()

    def hear(self, window: VoiceWindow, vector: Float32) -> list[Piece]:
        """Take the next window; return what is settled now."""
        heard = Heard(window.start, window.stop, window.n_speech / MODEL_RATE, unit(vector))
        if self._segment is None:
            self._segment = _Segment(window.start)
        self._context.append(heard)
        self._segment.windows.append(heard)
        pieces = self._split()
        self._guess()
        if pieces or not heard.is_full:
            return pieces
        return self._settle_beginning()

    def end(self, stretch: StretchEnd) -> list[Piece]:
        """Take a pause: the segment is over."""
        if self._segment is None:  # too little speech for a window
            if self.before is None:
                return []
            return [Piece(stretch.start, stretch.stop, 0.0, self._nothing(), self.before, goes_on=False)]
        pieces = self._split(is_over=True)
        pieces.append(self._settle(self._segment, self._segment.windows, stretch.stop))
        self._segment = None
        self._context.clear()
        return pieces

    def _nothing(self) -> Float32:
        assert self.before is not None
        return np.zeros_like(self.book.centroid(self.before))

    def _split(self, *, is_over: bool = False) -> list[Piece]:
        """Cut the segment where its voice changes, once that is seen."""
        segment = self._segment
        at = self._change(is_over=is_over)
        if segment is None or at is None:
            return []
        left = [window for window in segment.windows if window.stop <= at]
        right = [window for window in self._context if window.start >= at]
        if not left and segment.settled is None:
            return []
        piece = self._settle(segment, left, at)
        self._context = deque(right, CONTEXT)
        self._segment = _Segment(at, list(right))
        return [piece]

    def _change(self, *, is_over: bool) -> int | None:
        """Return where a change lies that is the deepest around it; None: none is seen."""
        scores = [(self._against(window), window.start) for window in self._context if window.is_full]
        known = [(score, start) for score, start in scores if score is not None]
        if not known:
            return None
        newest = len(known) - 1
        low = min(range(len(known)), key=lambda k: known[k][0])
        if known[low][0] >= self._change_below or (low == newest and not is_over):
            return None
        return known[low][1]

    def _against(self, window: Heard) -> float | None:
        """Return how much a window is like what was said just before it in the segment."""
        before = [other for other in self._context if other.stop <= window.start]
        return float(before[-1].vector @ window.vector) if before else None

    def _settle_beginning(self) -> list[Piece]:
        """Settle what no change can be found in any more, once it is long."""
        segment = self._segment
        if segment is None or len(segment.windows) < 2:
            return []
        at = segment.windows[-2].start
        past = [window for window in segment.windows if window.stop <= at]
        if not past or _speech_s(past) < PIECE_S - WINDOW_S:
            return []
        piece = self._settle(segment, past, at)
        segment.settled = piece.vector * np.float32(piece.speech_s) + (
            0 if segment.settled is None else segment.settled
        )
        segment.settled_s += piece.speech_s
        segment.start = at
        segment.windows = [window for window in segment.windows if window.start >= at]
        return [piece]

    def _guess(self) -> None:
        """Say whose the open segment seems to be."""
        segment = self._segment
        if segment is None or not segment.windows:
            return
        vector, speech_s = self._evidence(segment, segment.windows)
        self._decide(segment, vector, speech_s)

    def _settle(self, segment: _Segment, windows: list[Heard], stop: int) -> Piece:
        """Return what is settled of a segment, up to `stop`, and learn from it."""
        vector, speech_s = self._evidence(segment, windows)
        voice = self._decide(segment, vector, speech_s)
        own, own_s = _mean(windows) if windows else np.zeros_like(vector), _speech_s(windows)
        if windows:
            self.book.learn(voice, own, own_s)
        segment.made = False
        self.before = voice
        return Piece(
            segment.start, stop, own_s, own if windows else self._nothing(), voice, segment.settled is not None
        )

    def _decide(self, segment: _Segment, vector: Float32, speech_s: float) -> int:
        """Return whose the segment is; a voice that it was the only sign of goes when it turns out to be another's."""
        if segment.made and segment.voice is not None:
            own = segment.voice
            rest = self.book.match_but(own, vector)
            if rest is None or self.book.is_new(rest, speech_s):
                return own
            self.book.forget(own)
            segment.voice, segment.made = rest.voice, False
            return rest.voice
        match = self.book.match(vector, speech_s, self.before)
        if self.book.is_new(match, speech_s):
            segment.voice, segment.made = self.book.add(vector, speech_s), True
        else:
            segment.voice = _sure(match).voice
        return _sure_voice(segment)

    def _evidence(self, segment: _Segment, windows: list[Heard]) -> tuple[Float32, float]:
        """Return the mean of all of a segment, and how much speech that is."""
        own, own_s = (_mean(windows), _speech_s(windows)) if windows else (None, 0.0)
        if segment.settled is None:
            assert own is not None
            return own, own_s
        total = segment.settled if own is None else segment.settled + own * np.float32(own_s)
        return unit(total), segment.settled_s + own_s


def _sure(match: Match | None) -> Match:
    assert match is not None  # or the voice would be new
    return match


def _sure_voice(segment: _Segment) -> int:
    assert segment.voice is not None
    return segment.voice


def _mean(windows: list[Heard]) -> Float32:
    """Return the mean of the full windows; where there is none, the newest, which holds the others."""
    full = [window.vector for window in windows if window.is_full]
    return unit(np.sum(full, axis=0)) if full else windows[-1].vector


def _speech_s(windows: list[Heard]) -> float:
    """Return how much speech the windows hold together; full ones are half a second apart."""
    n_full = sum(window.is_full for window in windows)
    if not n_full:
        return windows[-1].speech_s if windows else 0.0
    return WINDOW_S + (n_full - 1) / 2

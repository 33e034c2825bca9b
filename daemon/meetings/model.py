"""What a meeting is made of. Times are milliseconds on the clock of the meeting, unless they say otherwise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

TrackState: TypeAlias = Literal[
    "recording", "interrupted", "stopped", "repaired", "finished"
]  # the least finished first
OVER: frozenset[TrackState] = frozenset(("stopped", "repaired", "finished"))


class MeetingError(Exception):
    """A meeting cannot be had as asked; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class HeardWord:
    """A word; `text` keeps its own leading space."""

    text: str
    start_ms: float
    end_ms: float
    conf: float

    def later(self, offset_ms: float) -> HeardWord:
        """Return it on a clock that was started so much earlier."""
        return HeardWord(self.text, self.start_ms + offset_ms, self.end_ms + offset_ms, self.conf)


@dataclass(frozen=True, slots=True)
class Utterance:
    """Words that one speaker says in a row.

    Attributes:
        utt: number of the utterance in its session; one in which the speaker changes is cut there.
        spk: as the session named the speaker; None: nobody was told apart.

    """

    utt: int
    spk: str | None
    words: tuple[HeardWord, ...]

    @property
    def text(self) -> str:
        """Its words as a line."""
        return " ".join("".join(word.text for word in self.words).split())


@dataclass(frozen=True, slots=True)
class Remark:
    """A note, or without text a mark."""

    id: str
    at_ms: float
    text: str


@dataclass(frozen=True, slots=True)
class Hole:
    """Time of a track of which there is no text, and why."""

    start_ms: float
    end_ms: float
    why: str


@dataclass(frozen=True, slots=True)
class Track:
    """One recorded session of a meeting.

    Attributes:
        session: its name.
        name: of the track, such as `me`.
        offset_ms: where the session begins.
        duration_ms: of its sound, holes included.

    """

    session: str
    name: str
    offset_ms: float
    duration_ms: float
    rate: int
    model: str
    state: TrackState


@dataclass(frozen=True, slots=True)
class Meeting:
    """A meeting at a glance; `opened_s` and `ended_s` are seconds since the epoch."""

    id: str
    title: str
    opened_s: float
    tracks: tuple[Track, ...]

    @property
    def state(self) -> TrackState:
        """Of the whole: the least finished of its tracks."""
        states = {track.state for track in self.tracks}
        order: tuple[TrackState, ...] = get_args(TrackState)
        return next((state for state in order if state in states), "finished")

    @property
    def duration_ms(self) -> float:
        """From its beginning to the end of its last track."""
        return max((track.offset_ms + track.duration_ms for track in self.tracks), default=0.0)

    @property
    def ended_s(self) -> float:
        """When its last track ended, as far as that is known."""
        return self.opened_s + self.duration_ms / 1000


@dataclass(frozen=True, slots=True)
class Line:
    """An utterance in its place in a meeting; word times are on the clock of the meeting."""

    track: str
    speaker: str
    session: str
    utterance: Utterance

    @property
    def start_ms(self) -> float:
        """Where its first word begins."""
        return self.utterance.words[0].start_ms

    @property
    def end_ms(self) -> float:
        """Where its last word ends."""
        return self.utterance.words[-1].end_ms


@dataclass(frozen=True, slots=True)
class Record:
    """All of a meeting."""

    meeting: Meeting
    lines: tuple[Line, ...]
    remarks: tuple[Remark, ...]
    holes: tuple[tuple[str, Hole], ...]  # with the track

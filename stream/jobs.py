"""Which window of an utterance is decoded, and why; and the ticket with which a stream hands it out."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from amanuensis.npu.window import WindowJob

__all__ = ["JobKind", "Ticket", "Window"]


class JobKind(Enum):
    """Why a window is decoded."""

    TICK = "tick"  # new audio came
    PAUSE = "pause"  # no speech came for a moment: the speaker may have stopped
    FULL = "full"  # the window has reached its longest
    LAST = "last"  # the utterance is over

    @property
    def final(self) -> bool:
        """Whether its hypothesis is the last one for some of the audio."""
        return self in {JobKind.FULL, JobKind.LAST}

    @property
    def urgent(self) -> bool:
        """Whether somebody waits for its answer now, not only for newer words."""
        return self is not JobKind.TICK


@dataclass(frozen=True, slots=True)
class Window:
    """The audio [start, stop) of a job.

    Attributes:
        kind: why it is decoded.
        start: position of its first sample.
        stop: position after its last sample.
        lead: samples of silence put before it, which count in the frames of the answer.
        again: whether it is the second look at speech for which no words were found.

    """

    kind: JobKind
    start: int
    stop: int
    lead: int
    again: bool


@dataclass(frozen=True, slots=True)
class Ticket:
    """A job that is due.

    Attributes:
        id: what `deliver` and the others are told.
        job: for the engine.
        urgent: an utterance may be final with its answer; it goes before other jobs.
        audio_start_ms: media time of the first sample in the window.
        audio_end_ms: media time after its last sample.
        lead_ms: silence that stands before the audio in the job's features.

    """

    id: int
    job: WindowJob
    urgent: bool
    audio_start_ms: float
    audio_end_ms: float
    lead_ms: float

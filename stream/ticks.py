"""When an open utterance is decoded again."""

from __future__ import annotations

from typing import Final

from amanuensis.stream.jobs import JobKind

__all__ = ["HEARD", "tick_kind"]

HEARD: Final = 1_600  # samples, 100 ms without speech: decode at once, the speaker may have stopped; then all is heard
SPEAKING: Final = 640  # samples, two frames of the detector: from more silence on a tick waits for HEARD or for speech
IDLE_TICKS: Final = 2  # a tick that hears no more speech than the one before comes later by so many


def tick_kind(newest: int, last_voiced: int, decoded_end: int, tick: int, *, told: bool) -> JobKind | None:
    """Return what is due, None while nothing is; positions are 16 kHz samples.

    Args:
        newest: how far there is sound.
        last_voiced: where the newest speech ends.
        decoded_end: how far the sound was decoded.
        tick: samples of new sound after which a tick is due.
        told: all words that were heard are final; without more speech there is nothing to decode for.

    """
    if decoded_end >= last_voiced + HEARD:
        return JobKind.PAUSE if not told and newest - decoded_end >= IDLE_TICKS * tick else None
    silence = newest - last_voiced
    if silence >= HEARD:
        return JobKind.PAUSE
    return JobKind.TICK if newest - decoded_end >= tick and silence <= SPEAKING else None

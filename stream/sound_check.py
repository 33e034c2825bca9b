"""Warnings about the sound that a source sends."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from amanuensis.stream.events import Warning  # noqa: A004 - the name on the wire
from amanuensis.stream.formats import PcmDecoder

__all__ = ["SoundCheck"]

CLIPPED_SHARE: Final = 0.01  # of all samples: more is worth a warning
MIN_CLIPPED: Final = 1_000


class SoundCheck:
    """Says once what is wrong with the samples of one source."""

    def __init__(self, decoder: PcmDecoder, warned: Iterable[str] = ()) -> None:
        self._decoder = decoder
        self._warned: set[str] = set(warned)

    @property
    def warned(self) -> tuple[str, ...]:
        """The codes of the warnings that were given."""
        return tuple(sorted(self._warned))

    def warnings(self, n_samples: int) -> list[Warning]:
        """Return the warnings that are new, when `n_samples` of each channel have come in."""
        found = {}
        if self._decoder.non_finite:
            found["non_finite"] = "the audio has NaN or infinite samples: they are taken as silence"
        n_all = n_samples * self._decoder.format.channels
        if self._decoder.clipped > max(MIN_CLIPPED, CLIPPED_SHARE * n_all):
            found["clipped"] = "the audio is clipped: lower the level at the source"
        new = [Warning(code, message) for code, message in found.items() if code not in self._warned]
        self._warned.update(found)
        return new

"""The enrolled voices that a running process compares with: as the file has them when a session begins."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from amanuensis.daemon.enrolled import EnrolError, VoiceFile
from amanuensis.stream.voice_jobs import VoiceEmbedder

log = logging.getLogger(__name__)

Vectors: TypeAlias = Mapping[str, NDArray[np.float32]]
Stamp: TypeAlias = tuple[int, ...]
UNREAD: Final[Stamp] = ()
NONE: Final[Vectors] = MappingProxyType({})
ENROL: Final = "amanuensis speakers enroll NAME FILE"


class KnownVoices:
    """Reads the file again when it was changed: whoever is removed is known to no session that begins afterwards.

    Args:
        file: of enrolled voices; not looked at before somebody asks.
        embedder: whose vectors can be compared.

    """

    def __init__(self, file: VoiceFile, embedder: VoiceEmbedder) -> None:
        self._file = file
        self._embedder = embedder
        self._stamp: Stamp | None = UNREAD
        self._vectors = NONE

    def read(self) -> None:
        """Read the file.

        Raises:
            EnrolError: it cannot be read.

        """
        self._stamp = self._look()
        self._vectors = self._read()

    def vectors(self) -> Vectors:
        """Return the vectors by name; none, and the log says why, where the file cannot be read any more."""
        stamp = self._look()
        if stamp != self._stamp:
            self._stamp = stamp
            try:
                self._vectors = self._read()
            except EnrolError as error:
                self._vectors = NONE
                log.warning("nobody is known by name: %s", error)
        return self._vectors

    def _read(self) -> Vectors:
        voices = self._file.read()
        model, dim = self._embedder.name, self._embedder.dim
        fitting = {voice.name: voice.vector for voice in voices if voice.model == model and voice.vector.size == dim}
        if not voices:
            log.warning("known_speakers is set, and nobody is enrolled: %s", ENROL)
        elif len(fitting) < len(voices):
            n_others = len(voices) - len(fitting)
            log.warning(
                "%d of %d voices are of another speaker model: enrol them again: %s", n_others, len(voices), ENROL
            )
        return fitting

    def _look(self) -> Stamp | None:
        """Return what tells that the file was changed: it is replaced as a whole."""
        try:
            found = self._file.path.stat()
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size, found.st_mode

"""What is wanted of all files of an archive, and the fingerprint that tells when that has changed."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field, replace

from amanuensis.daemon.archive.manifest import Entry
from amanuensis.daemon.archive.pieces import CutRules
from amanuensis.daemon.config import Config
from amanuensis.stream.config import StreamConfig

VERSION = 1  # of how pieces are heard and joined: another one may give other words


@dataclass(frozen=True, slots=True)
class Wanted:
    """How all files are heard and written.

    Attributes:
        stream: of their streams, but for the language of a file.
        model: content hash of the model.
        precision: as it was asked for.
        word_times: are written.
        meetings: they are filed as meetings.
        rules: where they are cut.

    """

    stream: StreamConfig
    model: str
    precision: str = "auto"
    word_times: bool = False
    meetings: bool = False
    rules: CutRules = field(default_factory=CutRules)

    def config(self, entry: Entry) -> StreamConfig:
        """Return the settings of the streams of a file."""
        return replace(self.stream, language=entry.language) if entry.language else self.stream

    def fingerprint(self, entry: Entry) -> str:
        """Return what changes whenever the words of a file, or what is written of them, may change."""
        parts = {
            "version": VERSION,
            "stream": asdict(self.config(entry)),
            "cuts": asdict(self.rules),
            "model": self.model,
            "precision": self.precision,
            "word_times": self.word_times,
            "meetings": (entry.title or "") if self.meetings else None,
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]


def wanted(config: Config, rules: CutRules | None = None, *, word_times: bool, meetings: bool) -> Wanted:
    """Return what settings say; reads the model once.

    Raises:
        amanuensis.npu.engine.api.EngineError: there is no such model.

    """
    from amanuensis.npu.model_files import ModelFiles
    from amanuensis.npu.store import resolve

    model = ModelFiles.load(resolve(config.engine.model)).content_hash()
    return Wanted(config.stream, model, config.engine.precision, word_times, meetings, rules or CutRules())

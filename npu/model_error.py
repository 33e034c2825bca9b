"""The error of a model folder that cannot be used."""

from __future__ import annotations

from amanuensis.npu.engine.api import EngineError


class ModelError(EngineError):
    """A model folder is broken or unusable; the message names the file, what is wrong and what to do."""

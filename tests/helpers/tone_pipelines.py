"""Archives of tones: pipelines whose engine reads sound without a model."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, cast

from amanuensis.daemon.config import Config
from amanuensis.daemon.pipeline import Pipeline
from amanuensis.daemon.voice_desk import VoiceDesk
from tests.helpers.tone_engine import ToneEngine, ToneTokenizer


@dataclass
class TonePipelines:
    """Starts pipelines whose engine reads tones, and counts them."""

    engine: ToneEngine = field(default_factory=ToneEngine)
    voices: VoiceDesk | None = None
    started: int = 0

    @contextlib.asynccontextmanager
    async def __call__(self) -> AsyncIterator[Pipeline]:
        self.started += 1
        yield self.pipeline

    @property
    def pipeline(self) -> Pipeline:
        """One of them."""
        return Pipeline(self.engine, cast(Any, ToneTokenizer()), Config(), self.voices)

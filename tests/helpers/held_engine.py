"""An engine that answers only when it is let."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from amanuensis.npu.window import WindowJob, WindowResult
from tests.helpers.tone_engine import ToneEngine


@dataclass(slots=True)
class HeldEngine(ToneEngine):
    """Reads tones once `go` is set."""

    go: asyncio.Event = field(default_factory=asyncio.Event)

    async def decode(self, stream: int, job: WindowJob, deadline_s: float) -> WindowResult:
        await self.go.wait()
        return await ToneEngine.decode(self, stream, job, deadline_s)

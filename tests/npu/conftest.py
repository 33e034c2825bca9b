"""Engines with models that tests steer."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from amanuensis.npu.engine.api import EngineConfig
from amanuensis.npu.engine.process import SupervisedEngine, start_engine
from amanuensis.npu.engine.supervision import Supervision
from tests.helpers.engine_desk import HELPERS, Desk, Starter


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """Return the desk of the models in `tmp_path`."""
    desk = Desk(tmp_path)
    yield desk
    desk.close()


@pytest.fixture
async def start(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Starter]:
    """Return a starter of engines with steered models; they are closed at the end."""
    monkeypatch.setenv("PYTHONPATH", str(HELPERS))
    engines = []

    async def starter(model: str = "steered", max_streams: int = 64, **changes: float) -> SupervisedEngine:
        hurry = {"backoff_s": 0.0, "device_retry_s": 1e6}  # a device is tried again when a test wants it
        supervision = replace(Supervision(loader=f"engine_models:{model}"), **(hurry | changes))
        engines.append(await start_engine(EngineConfig(desk.folder, max_streams=max_streams), supervision))
        return engines[-1]

    yield starter
    for engine in engines:
        await engine.aclose()

"""One device of one node, without Ray: what the actor keeps of fronts and their streams."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from amanuensis.daemon.cluster.answers import Refusal
from amanuensis.daemon.cluster.host import EngineHost
from amanuensis.daemon.cluster.model_store import manifest
from amanuensis.daemon.cluster.spec import HostSpec, versions
from amanuensis.daemon.cluster.window_pieces import apart
from amanuensis.npu.engine.supervision import Supervision
from amanuensis.npu.log_mel import log_mel_spectrogram
from amanuensis.npu.window import WindowJob, WindowResult
from tests.helpers.ray_cluster import until
from tests.helpers.tone_engine import say
from tests.helpers.tone_process import ROOT, SLOW_LOADER


@pytest.fixture
async def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[EngineHost]:
    """A host that reads tones; nobody has asked it for anything yet."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    (tmp_path / "config.json").write_text("{}")
    supervision = Supervision(loader=SLOW_LOADER)
    spec = HostSpec("m", str(tmp_path), manifest(tmp_path), "cpu", capacity=3.0, supervision=supervision)
    made = EngineHost(spec.to_plain())
    yield made
    for task in made._tasks:
        task.cancel()
    if made._engine is not None:
        await made._engine.aclose()


async def started(host: EngineHost) -> None:
    """Ask as a front does, until the engine is there."""
    await host.describe("front")
    await until(lambda: host._phase == "up")


async def ask(host: EngineHost, serial: int, word: int, stream: int = 1) -> WindowResult | Refusal:
    """Have a window of one word decoded."""
    head, *pieces = apart(WindowJob(log_mel_spectrogram(say([word]), 80)))
    assert isinstance(head, WindowJob)
    features: list[Any] = pieces
    return await host.decode("front", stream, serial, head, *features, wait_s=0.5)


async def test_who_only_looks_starts_nothing(host: EngineHost) -> None:
    """An operator sees versions and that no engine runs; a window is refused then, as one that goes elsewhere."""
    facts = await host.describe()
    assert (facts["phase"], facts["info"], facts["streams"], facts["versions"]) == ("starting", None, {}, versions())
    assert host._tasks == []
    answer = await ask(host, 1, 0)
    assert isinstance(answer, Refusal)
    assert answer.kind == "EngineLostError"


async def test_a_window_that_was_overtaken_on_the_way_is_superseded(host: EngineHost) -> None:
    """Of two that arrive in the wrong order the later one of the stream counts; other streams are not concerned."""
    await started(host)
    newer, older, other = await ask(host, 5, 1), await ask(host, 3, 2), await ask(host, 3, 2, stream=2)
    assert isinstance(newer, WindowResult)
    assert newer.tokens == (1,)
    assert isinstance(older, Refusal)
    assert older.kind == "SupersededError"
    assert isinstance(other, WindowResult)
    facts = await host.describe("front")
    assert (facts["streams"], facts["capacity"], facts["stats"]["encodes"]) == ({"front": 2}, 3.0, {"cpu": 2})


async def test_streams_go_with_their_front(host: EngineHost) -> None:
    """Closed one by one or all at once; a stream that was forgotten is opened by its next window."""
    await started(host)
    await ask(host, 1, 0)
    await ask(host, 2, 0, stream=2)
    await host.close_stream("front", 1)
    assert (await host.describe("other"))["streams"] == {"front": 1}
    await host.leave("front")
    assert (await host.describe("other"))["streams"] == {}
    assert isinstance(await ask(host, 3, 4, stream=2), WindowResult)


async def test_a_host_without_the_model_asks_one_front_for_it(host: EngineHost, tmp_path: Path) -> None:
    """The first that offers it gives it; another is told so."""
    content = (tmp_path / "config.json").read_bytes()
    (tmp_path / "config.json").unlink()
    await host.describe("front")
    await until(lambda: host._phase == "wants files")
    assert [await host.begin_files(front) for front in ("front", "other")] == [True, False]
    assert (await host.take_file("other", "config.json", content)) is not None
    assert await host.take_file("front", "config.json", content) is None
    assert await host.finish_files("front") is None
    await until(lambda: host._phase == "up")

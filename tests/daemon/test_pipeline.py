"""What turns sound into words: engine and speaker model, loaded side by side."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from amanuensis.benchmarks.random_model import make_random_model
from amanuensis.daemon import pipeline
from amanuensis.daemon.config import Config
from amanuensis.daemon.pipeline import open_pipeline
from amanuensis.npu.engine.api import EngineError
from amanuensis.npu.model_error import ModelError


def children() -> set[str]:
    """Return the processes that this one has started."""
    return {child for file in Path("/proc/self/task").glob("*/children") for child in file.read_text().split()}


def config_of(folder: Path, device: str = "cpu") -> Config:
    """Return settings that run a model with one thread."""
    settings = Config()
    return replace(settings, engine=replace(settings.engine, model=str(folder), device=device, threads=1))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a small model folder with random weights."""
    return make_random_model(tmp_path_factory.mktemp("model") / "random")


async def test_voices_are_there_with_the_engine_and_go_with_it(folder: Path) -> None:
    """A recording for which nobody asks has none; afterwards no process and no thread of theirs is left."""
    before = children()
    async with open_pipeline(config_of(folder)) as running:
        assert running.voices is not None
        assert running.voices.embedder.name.startswith("builtin")
        assert len(children() - before) == 1
    assert children() == before
    with pytest.raises(RuntimeError, match="after shutdown"):
        running.voices._thread.submit(children)


async def test_the_network_of_the_voices_lies_on_the_device(folder: Path) -> None:
    """Where the engine has one and voices are wanted; a recording for which nobody asks costs the device nothing."""
    config = config_of(folder, "sim")
    async with open_pipeline(config) as running:
        assert running.engine.info.voices == "sim"
    async with open_pipeline(config, live=False) as running:
        assert (running.engine.info.voices, running.voices) == ("", None)


async def test_a_speaker_model_that_cannot_be_used_is_named_and_the_engine_stopped(
    folder: Path, tmp_path: Path
) -> None:
    """As clearly as if it were loaded alone."""
    own = make_random_model(tmp_path / "own")
    (own / "speakers.onnx").write_bytes(b"no graph")
    before = children()
    with pytest.raises(ModelError, match=r"speakers\.json"):
        async with open_pipeline(config_of(own)):
            pytest.fail("it was opened")
    assert children() == before
    async with open_pipeline(config_of(own), live=False) as running:
        assert running.voices is None


async def test_an_engine_that_does_not_start_is_told_of_first(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is wrong with the speaker model as well does not hide it."""

    def broken(*_: object) -> None:
        raise ModelError("the speaker model is wrong")

    monkeypatch.setattr(pipeline, "_voices", broken)
    with pytest.raises(EngineError) as told:
        async with open_pipeline(config_of(folder, "npu")):
            pytest.fail("it was opened")
    assert "speaker" not in str(told.value)

"""Several windows at once on the CPU: each as alone, and each answered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from amanuensis.benchmarks.random_model import make_random_model
from amanuensis.npu.devices.cpu import CpuModel
from amanuensis.npu.devices.proven import CpuRunner
from amanuensis.npu.devices.side_by_side import SideBySide
from amanuensis.npu.engine.api import EngineError
from amanuensis.npu.model_files import ModelFiles
from amanuensis.npu.tokenizer import Tokenizer
from amanuensis.npu.window import DecodeOptions, WindowJob, WindowResult


@pytest.fixture(scope="module")
def runners(tmp_path_factory: pytest.TempPathFactory) -> list[CpuRunner]:
    """Two runners on one set of graphs of random weights."""
    folder: Path = make_random_model(tmp_path_factory.mktemp("model") / "random")
    model = CpuModel(ModelFiles.load(folder), threads=1)
    return [CpuRunner(each, Tokenizer(folder)) for each in (model, model.twin())]


def job(seed: int) -> WindowJob:
    """Return a window of 3 s with a draft that is partly right at best."""
    features = np.random.default_rng(seed).standard_normal((80, 300)).astype(np.float32)
    return WindowJob(features, draft=(7, 8, seed), options=DecodeOptions(max_tokens=24))


def answers(runner: SideBySide, jobs: Sequence[WindowJob]) -> list[WindowResult | EngineError]:
    """Return what came of windows that were decoded together."""
    found: dict[int, WindowResult | EngineError] = {}
    runner.decode_together(jobs, found.__setitem__)
    return [found[place] for place in range(len(jobs))]


def told(result: WindowResult | EngineError) -> WindowResult:
    """Return a result without the times that its computation took."""
    assert isinstance(result, WindowResult)
    return replace(result, encode_ms=0.0, decode_ms=0.0)


def test_windows_are_decoded_as_alone(runners: list[CpuRunner]) -> None:
    """Tokens, scores and times of ten pairs are those of each window by itself, to the last bit."""
    together = SideBySide(runners)
    for seed in range(10):
        jobs = [job(seed), job(100 + seed)]
        alone = [told(together.decode(each)) for each in jobs]
        assert alone[0].tokens != alone[1].tokens
        assert [told(each) for each in answers(together, jobs)] == alone


def test_a_wrong_window_takes_no_other_along(runners: list[CpuRunner]) -> None:
    """A window that does not fit the model is refused, the other is decoded."""
    wrong = replace(job(1), features=np.full((80, 300), np.nan, np.float32))
    refused, result = answers(SideBySide(runners), [wrong, job(2)])
    assert isinstance(refused, EngineError)
    assert told(result) == told(runners[0].decode(job(2)))


def test_a_fault_of_ours_is_raised_after_the_other_answers(runners: list[CpuRunner]) -> None:
    """The window beside one that fails in an unknown way is answered all the same."""

    class Broken:
        def decode(self, job: WindowJob) -> WindowResult:
            raise ZeroDivisionError

    found: dict[int, WindowResult | EngineError] = {}
    with pytest.raises(ZeroDivisionError):
        SideBySide([Broken(), runners[0]]).decode_together([job(1), job(2)], found.__setitem__)
    assert list(found) == [1]
    assert told(found[1]) == told(runners[0].decode(job(2)))

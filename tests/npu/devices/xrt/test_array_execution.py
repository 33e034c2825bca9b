"""The engine on an emulated NPU that executes the designs of the array: the words and numbers of the fast path."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from amanuensis.npu import pyxrt_emulator
from amanuensis.npu.calibration_sound import HELD_OUT, demo_windows
from amanuensis.npu.engine.api import EngineConfig
from amanuensis.npu.loading import load_model
from amanuensis.npu.model_files import ModelFiles
from amanuensis.npu.pyxrt_emulator import Settings, control
from amanuensis.npu.tokenizer import Tokenizer
from amanuensis.npu.window import DecodeOptions, WindowJob, WindowResult
from tests.kernels.cores import needs_compiler

pytestmark = needs_compiler
MAX_LOGPROB_DIFFERENCE = 0.05  # nats a token: an int8 may round the other way


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    """Leave no device with settings behind."""
    yield
    pyxrt_emulator.reset()


@pytest.fixture
def job(builtin_model: Path) -> WindowJob:
    """A few seconds of speech, and the first words of it."""
    files = ModelFiles.load(builtin_model)
    window = demo_windows(Tokenizer(files.folder), files.dimensions.n_mels, HELD_OUT)[0]
    return WindowJob(window.features[:, :301], options=DecodeOptions(max_tokens=4))


def decoded(model: Path, settings: Settings, job: WindowJob) -> WindowResult:
    """Decode on an emulated NPU of its own."""
    pyxrt_emulator.configure(settings)
    return load_model(EngineConfig(model, device="sim")).decode(job)


@pytest.mark.long  # compiled launches on the same array: test_package_engine
def test_the_engine_runs_on_the_designs(
    builtin_model: Path, job: WindowJob, capsys: pytest.CaptureFixture[str]
) -> None:
    """Self-test, encode, prefill and steps are launches of the four configurations; text and counts do not change."""
    fast = decoded(builtin_model, Settings(), job)
    designed = decoded(builtin_model, Settings(execution="designs"), job)
    array = control.current().array
    assert array is not None
    assert designed.tokens == fast.tokens
    assert designed.logprobs == pytest.approx(fast.logprobs, abs=MAX_LOGPROB_DIFFERENCE)
    assert replace(designed.work, device_us=0.0) == replace(fast.work, device_us=0.0)
    assert set(array.tally.launches) == {"products", "attention", "decoder", "choice"}
    assert not array.tally.by_machine
    with capsys.disabled():
        tally = array.tally
        told = f"launches {dict(tally.launches)}, {tally.switches} switches, without a design {dict(tally.by_machine)}"
        print(f" [{told}]", end="")


@pytest.mark.parametrize(
    ("value", "execution"), [("designs", "designs"), ("", "operators"), ("operators", "operators")]
)
def test_the_environment_says_what_executes(monkeypatch: pytest.MonkeyPatch, value: str, execution: str) -> None:
    """A variable chooses the designs for a whole daemon."""
    monkeypatch.setenv("AMANUENSIS_SIMULATE", value)
    pyxrt_emulator.reset()
    assert control.current().settings.execution == execution


def test_another_word_in_the_environment_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the value and what is allowed."""
    monkeypatch.setenv("AMANUENSIS_SIMULATE", "dreams")
    with pytest.raises(ValueError, match="execution 'dreams': it must be one of operators, designs"):
        pyxrt_emulator.reset()

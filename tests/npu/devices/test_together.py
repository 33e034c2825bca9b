"""Several windows decoded at once give what each gives alone, for fewer dispatches."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from amanuensis.npu import pyxrt_emulator
from amanuensis.npu.calibration_sound import demo_windows
from amanuensis.npu.devices.together import Outcome
from amanuensis.npu.engine.api import Device, EngineConfig, EngineError
from amanuensis.npu.loading import LoadedModel, load_model
from amanuensis.npu.model_files import ModelFiles
from amanuensis.npu.pyxrt_emulator import Fault
from amanuensis.npu.tokenizer import Tokenizer
from amanuensis.npu.window import NO_WORK, DecodeOptions, DeviceWork, WindowJob, WindowResult

Float32 = NDArray[np.float32]


@pytest.fixture(scope="module")
def windows(builtin_model: Path) -> list[Float32]:
    """Windows of speech of different lengths."""
    files = ModelFiles.load(builtin_model)
    found = demo_windows(Tokenizer(files.folder), files.dimensions.n_mels, slice(None))
    return [window.features[:, : window.features.shape[1] - 40 * place] for place, window in enumerate(found[:4])]


@pytest.fixture
def opened(builtin_model: Path) -> Iterator[Callable[..., LoadedModel]]:
    """Return what opens the built-in model on given devices; every time an emulated NPU of its own."""

    def open_model(encoder: Device, decoder: Device) -> LoadedModel:
        pyxrt_emulator.reset()
        return load_model(EngineConfig(builtin_model, encoder=encoder, decoder=decoder))

    yield open_model
    pyxrt_emulator.reset()


@pytest.fixture
def model(opened: Callable[..., LoadedModel]) -> LoadedModel:
    """The built-in model on the emulated NPU."""
    return opened("sim", "sim")


def together(model: LoadedModel, jobs: Sequence[WindowJob]) -> list[Outcome]:
    """Decode jobs at once and return what came of each, in their order."""
    outcomes: dict[int, Outcome] = {}
    model.decode_together(jobs, outcomes.__setitem__)
    return [outcomes[place] for place in range(len(jobs))]


def total_work(outcomes: Sequence[Outcome]) -> DeviceWork:
    """Return the work of results together."""
    return sum((outcome.work for outcome in outcomes if isinstance(outcome, WindowResult)), NO_WORK)


def same(ours: Outcome, theirs: WindowResult) -> bool:
    """Return whether two results say the same, bit for bit; times and work aside."""
    if not isinstance(ours, WindowResult):
        return False
    plain = {"encode_ms": 0.0, "decode_ms": 0.0, "encode_work": theirs.encode_work, "decode_work": theirs.decode_work}
    return replace(ours, **plain) == replace(theirs, encode_ms=0.0, decode_ms=0.0)


def test_each_window_is_decoded_as_if_alone(model: LoadedModel, windows: list[Float32]) -> None:
    """With drafts, prompts, timestamps and sampling beside one another, every result is that of the window alone."""
    jobs = [
        WindowJob(windows[0], prompt=(5, 6)),
        WindowJob(windows[1], options=DecodeOptions(timestamps=True)),
        WindowJob(windows[2], options=DecodeOptions(temperatures=(0.4,)), seed=3),
        WindowJob(windows[3], draft=model.decode(WindowJob(windows[3])).tokens[:4]),
    ]
    alone = [model.decode(job) for job in jobs]
    assert all(map(same, together(model, jobs), alone))


def test_the_device_gains_from_it_and_every_dispatch_is_told_once(
    model: LoadedModel, windows: list[Float32], capsys: pytest.CaptureFixture[str]
) -> None:
    """Work of the windows sums up to what the emulator counts, with fewer dispatches and less time than one by one."""
    jobs = [WindowJob(window) for window in windows]
    alone = total_work([model.decode(job) for job in jobs])
    before = pyxrt_emulator.counters()
    total = total_work(together(model, jobs))
    after = pyxrt_emulator.counters()
    assert total.dispatches == after.dispatches - before.dispatches
    assert total.bytes_to_device == after.bytes_to_device - before.bytes_to_device
    assert total.bytes_from_device == after.bytes_from_device - before.bytes_from_device
    assert total.device_us == pytest.approx(after.device_us - before.device_us)
    assert total.dispatches < 0.6 * alone.dispatches
    assert total.device_us < 0.9 * alone.device_us
    with capsys.disabled():
        told = f"{alone.device_us / 1e3:.1f} ms modelled one by one, {total.device_us / 1e3:.1f} together"
        print(f" [4 windows: {alone.dispatches} dispatches and {total.dispatches}; {told}]", end="")


def test_a_wrong_job_spoils_no_other(model: LoadedModel, windows: list[Float32]) -> None:
    """It is refused in its own words, before the device is asked or in the middle; the others are answered."""
    longest = model.info.max_window_s
    jobs = [
        WindowJob(windows[0]),
        WindowJob(windows[1], prompt=(10**6,)),
        WindowJob(windows[2], forced=(7,) * 600),
    ]
    first, second, third = together(model, jobs)
    assert longest > 0
    assert same(first, model.decode(jobs[0]))
    assert isinstance(second, EngineError)
    assert "prompt has token 1000000" in str(second)
    assert isinstance(third, EngineError)
    assert "force fewer" in str(third)


def test_windows_of_a_device_that_fails_are_decoded_on_the_cpu(
    opened: Callable[..., LoadedModel], windows: list[Float32]
) -> None:
    """Whenever the device hangs, every window is answered once, and no thread is left behind."""
    jobs = [WindowJob(window) for window in windows]
    for at in (1, 3, 9):
        model = opened("sim", "sim")
        threads = threading.active_count()
        pyxrt_emulator.inject(Fault("hang", at=at, lasts=1 << 20))
        results = together(model, jobs)
        assert all(isinstance(result, WindowResult) for result in results)
        assert any(isinstance(result, WindowResult) and result.fallback_kind == "timeout" for result in results)
        assert threading.active_count() == threads


def test_a_decoder_on_the_device_takes_windows_from_an_encoder_on_the_cpu(
    opened: Callable[..., LoadedModel], windows: list[Float32]
) -> None:
    """The parts on two devices decode together what they decode alone; the bus work counts for the decoder."""
    model = opened("cpu", "sim")
    assert model.info.batch > 1
    jobs = [WindowJob(window) for window in windows[:2]]
    alone, results = [model.decode(job) for job in jobs], together(model, jobs)
    assert all(map(same, results, alone))
    for result in results:
        assert isinstance(result, WindowResult)
        assert (result.encode_work.dispatches, result.encoder) == (0, "cpu")


def test_a_decoder_on_the_cpu_beside_a_device_takes_one_window_at_a_time(opened: Callable[..., LoadedModel]) -> None:
    """The device encodes one window after the other."""
    assert opened("sim", "cpu").info.batch == 1

"""While the device works on one window the host prepares the next: virtual time tells."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from amanuensis.benchmarks.random_model import make_random_model
from amanuensis.npu.devices.xrt.model import XrtModel
from amanuensis.npu.devices.xrt.opening import open_runtime
from amanuensis.npu.model_files import ModelFiles
from amanuensis.npu.pyxrt_emulator import Settings, configure, control
from tests.helpers.parity_fixture import MODEL

WINDOWS = 8
FRAMES = 256  # encoder positions a window: one whole bucket
DISPATCH_US = 50.0


@pytest.fixture(autouse=True)
def emulated() -> Iterator[None]:
    """Leave the emulator as it was."""
    yield
    control.reset()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> ModelFiles:
    """A small model."""
    return ModelFiles.load(make_random_model(tmp_path_factory.mktemp("random"), MODEL))


def take_s(files: ModelFiles, sync_bytes_per_s: float, *, overlapped: bool) -> tuple[float, float]:
    """Encode windows; return the virtual seconds that took and how many of them the device computed."""
    settings = Settings(dispatch_us=(DISPATCH_US, DISPATCH_US), sync_bytes_per_s=sync_bytes_per_s)
    configure(settings)
    model = XrtModel.open(files, open_runtime("sim"), "bf16")
    sound: NDArray[np.float32] = np.zeros((80, 2 * FRAMES), np.float32)
    clock, before_us = control.clock(), control.counters().device_us
    started_s = clock.monotonic()
    if overlapped:
        encoding = model.start(sound)
        for _ in range(WINDOWS - 1):
            following = model.start(sound)
            model.finish(encoding)
            encoding = following
        model.finish(encoding)
    else:
        for _ in range(WINDOWS):
            model.encode(sound)
    return clock.monotonic() - started_s, (control.counters().device_us - before_us) / 1e6


@pytest.mark.parametrize("share", [0.5, 2.0])
def test_windows_take_the_longer_of_transfer_and_compute(files: ModelFiles, share: float) -> None:
    """N windows take n times the longer part and one time the shorter; without overlap they take the sum."""
    _, compute_s = take_s(files, 1e12, overlapped=False)
    transfer_s = share * compute_s / WINDOWS
    window_bytes = 1024 + 2 * 80 * 2 * FRAMES
    per_s = window_bytes / transfer_s
    apart_s, _ = take_s(files, per_s, overlapped=False)
    together_s, _ = take_s(files, per_s, overlapped=True)
    one_s = compute_s / WINDOWS
    extra_s = (WINDOWS + 1) * 3 * DISPATCH_US * 1e-6  # starts, polls and the receipts that come back
    assert apart_s >= WINDOWS * (one_s + transfer_s)
    assert together_s <= WINDOWS * max(one_s, transfer_s) + min(one_s, transfer_s) + extra_s
    assert together_s < apart_s

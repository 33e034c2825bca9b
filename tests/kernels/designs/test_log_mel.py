"""The design of log-mel in the simulator, against the reference and Whisper's definition on real speech."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from amanuensis.kernels.designs._iron import NPU1, NPU2, Device, NPU1Col1, NPU1Col2
from amanuensis.kernels.designs.launch import LaunchError
from amanuensis.kernels.designs.log_mel import Window, log_mel
from amanuensis.kernels.dtypes import Float32
from amanuensis.kernels.mel_layout import filter_tiles, transform_tiles
from amanuensis.kernels.reference.log_mel import log_mel_device
from amanuensis.kernels.sim import limits
from amanuensis.kernels.sim.check import check
from amanuensis.kernels.sim.engine import Speed
from amanuensis.kernels.sim.run import simulate
from amanuensis.kernels.sim.trace import Trace
from amanuensis.npu.log_mel import log_mel_spectrogram, mel_filters
from tests.kernels.cores import needs_compiler
from tests.kernels.speech import frames_of, made_sound, padded_samples, recordings

pytestmark = needs_compiler

DEVICES = pytest.mark.parametrize("device", [NPU1(), NPU2()], ids=str)
SPEEDS: tuple[Speed, Speed] = "exact", "object"
SECONDS = 1.5  # of each recording
ERROR = 2e-3  # of a feature: a power at a tie of bf16 may round the other way, 2**-8 / 4 / ln 10


def features_of(
    samples: Float32, frames: int, n_mels: int, device: Device, speed: Speed = "object"
) -> tuple[Float32, Trace]:
    """Return the first frames' features of a recording, [frames, n_mels], and what the dispatch did."""
    window = Window(frames, n_mels)
    given = np.full(window.samples, 0.7, np.float32)  # beyond the recording: loud, and not in the window
    padded = padded_samples(samples)[: window.samples]
    given[: len(padded)] = padded
    logs, features = (np.full(window.rows * n_mels, np.nan, np.float32) for _ in range(2))
    matrix, filters = transform_tiles().ravel(), filter_tiles(mel_filters(n_mels)).ravel()
    trace = simulate(log_mel(device, window), given, matrix, filters, logs, features, speed=speed)
    return features.reshape(window.rows, n_mels)[:frames], trace


@DEVICES
@pytest.mark.parametrize("speed", SPEEDS)
@pytest.mark.parametrize(("frames", "n_mels"), [(1, 80), (16, 128), (33, 80), (90, 128)])
def test_features_are_the_references(frames: int, n_mels: int, speed: Speed, device: Device) -> None:
    """Windows of whole and of ragged blocks give the features of the device's arithmetic, at both speeds."""
    found, _ = features_of(made_sound(), frames, n_mels, device, speed)
    expected = log_mel_device(frames_of(made_sound())[:frames], mel_filters(n_mels))
    assert np.abs(found - expected).max() < ERROR


def test_speeds_agree_to_the_bit() -> None:
    """How data is moved changes nothing."""
    exact, whole = (features_of(made_sound(), 40, 80, NPU1(), speed)[0] for speed in SPEEDS)
    assert np.array_equal(exact, whole)


@pytest.mark.parametrize("n_mels", [80, 128])
def test_real_speech_gives_whispers_features(speech_dir: Path, n_mels: int) -> None:
    """On recorded speech the features correlate with Whisper's by 0.999 or more, and every mel bin lives."""
    sounds = recordings(speech_dir, SECONDS)
    assert len(sounds) >= 3
    for sound in sounds:
        truth = log_mel_spectrogram(sound, n_mels).T
        found, _ = features_of(sound, len(truth), n_mels, NPU1())
        correlation = np.corrcoef(found.ravel(), truth.ravel())[0, 1]
        print(f"design log_mel, {n_mels} mels: correlation with Whisper's features {correlation:.7f}")
        assert correlation >= 0.999
        assert (found.std(axis=0) > 0).all()


def test_long_windows_repeat_their_transfers() -> None:
    """A window of more blocks than one transfer repeats takes a second one, and reads the matrix once a block."""
    frames, n_mels = 16 * 64 + 5, 80
    sound = np.tile(made_sound(), 11)
    found, trace = features_of(sound, frames, n_mels, NPU1())
    expected = log_mel_device(frames_of(sound)[:frames], mel_filters(n_mels))
    assert np.abs(found - expected).max() < ERROR
    read = [task.bytes for task in trace.tasks if task.fifo.startswith("matrix")]
    assert read == [64 * transform_tiles().nbytes, transform_tiles().nbytes]


@DEVICES
def test_all_windows_have_one_graph(device: Device) -> None:
    """The number of frames changes the sequence and its tensors alone."""
    plans = [log_mel(device, Window(frames, 80)).resolve_program() for frames in (1, 250, 3000)]
    loaded = [
        (
            [(pool.name, pool.place, pool.array, pool.depth) for pool in plan.pools],
            [(name, c.place, c.direction, c.number, c.descriptors) for name, c in plan.channels],
            [(k._name, k.arg_types()) for k in plan.kernels],
            [(b._name, b._array) for worker in plan.workers for b in worker.buffers],
        )
        for plan in plans
    ]
    assert loaded[1:] == loaded[:1] * 2
    assert len({tuple(map(str, plan.commands)) for plan in plans}) == len(plans)


@DEVICES
@pytest.mark.parametrize("n_mels", [80, 128])
def test_the_design_fits_the_device(n_mels: int, device: Device, capsys: pytest.CaptureFixture[str]) -> None:
    """The marks of the longest window are within the limits."""
    report = check(log_mel(device, Window(3000, n_mels)).resolve_program())
    core, shim = report.most("core"), report.most("shim")
    with capsys.disabled():
        print(f"\nlog_mel on {device}, {n_mels} mels, most of a core: {core}; of a shim: {shim}")
    assert core.memory_bytes < limits.of("core").memory_bytes
    assert core.program_bytes < limits.PROGRAM_BYTES
    assert (core.s2mm, shim.mm2s) == (2, 2)


@pytest.mark.parametrize(
    ("frames", "n_mels", "message"),
    [
        (0, 80, "log_mel: frames is 0; allowed are 1 to 3000"),
        (3001, 80, "log_mel: frames is 3001; allowed are 1 to 3000"),
        (10, 96, "log_mel: n_mels is 96; allowed are 80, 128"),
    ],
)
def test_impossible_windows_are_refused(frames: int, n_mels: int, message: str) -> None:
    """A window that Whisper has not is named."""
    with pytest.raises(LaunchError, match=message):
        Window(frames, n_mels)


def test_one_column_is_too_few() -> None:
    """Four transfers into the array need two shims."""
    assert log_mel(NPU1Col2(), Window(1, 80)).resolve_program()
    with pytest.raises(LaunchError, match="the device has 1 columns; 2 are needed"):
        log_mel(NPU1Col1(), Window(1, 80))

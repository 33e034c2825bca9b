"""The network that tells voices apart on the emulated NPU, beside the model whose queue it shares."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from amanuensis.npu import pyxrt_emulator
from amanuensis.npu.devices.xrt.dispatcher import Dispatcher
from amanuensis.npu.devices.xrt.errors import WrongAnswerError
from amanuensis.npu.devices.xrt.opening import open_runtime
from amanuensis.npu.devices.xrt.runtime import XrtRuntime
from amanuensis.npu.devices.xrt.voices import VoiceSession
from amanuensis.npu.pyxrt_emulator import Fault
from amanuensis.npu.speaker_builtin import FOLDER, NETWORK_FILE
from amanuensis.npu.speaker_graph import read_weights
from amanuensis.npu.speaker_network import SpeakerNetwork
from amanuensis.npu.speaker_sound import DEVICE_FRAMES, MIN_FRAMES, N_MELS, Float32, normalised

NETWORK = FOLDER / NETWORK_FILE
MIN_COSINE = 0.995  # of bf16 with the float32 of ONNX Runtime


@pytest.fixture
def runtime() -> Iterator[XrtRuntime]:
    """An emulated NPU without faults."""
    pyxrt_emulator.reset()
    runtime = open_runtime("sim")
    yield runtime
    runtime.close()
    pyxrt_emulator.reset()


def session(runtime: XrtRuntime, on_host: frozenset[str] = frozenset()) -> VoiceSession:
    """Return the shipped network on a device."""
    return VoiceSession(runtime, Dispatcher(runtime, {}, on_host), read_weights(NETWORK))


def mel_of(frames: int, seed: int = 0) -> Float32:
    """Return energies that wander over time and bands, as those of speech do."""
    steps = np.random.default_rng((seed, frames)).standard_normal((frames, N_MELS))
    return np.cumsum(np.cumsum(0.05 * steps, axis=0), axis=1).astype(np.float32)


@pytest.mark.parametrize("frames", [1, MIN_FRAMES, 133, 200, DEVICE_FRAMES])
def test_windows_of_any_length_have_the_vector_of_the_cpu(runtime: XrtRuntime, frames: int) -> None:
    """What is computed behind a window changes nothing; each window is one dispatch."""
    voices, mel = session(runtime), mel_of(frames)
    before = runtime.work
    found, wanted = voices.embed(normalised(mel)), SpeakerNetwork(NETWORK).embed(mel)
    assert found @ wanted / np.linalg.norm(found) > MIN_COSINE
    assert runtime.work.since(before).dispatches == 1


def test_a_window_says_nothing_of_the_one_before(runtime: XrtRuntime) -> None:
    """A short window after a long one has, bit for bit, the vector that it has alone."""
    short, long = (normalised(mel_of(frames)) for frames in (40, DEVICE_FRAMES))
    alone = session(runtime).embed(short)
    voices = session(runtime)
    voices.embed(long)
    np.testing.assert_array_equal(voices.embed(short), alone)


def test_what_the_host_computes_in_the_devices_place(runtime: XrtRuntime) -> None:
    """With an operator that the device computes wrongly on the host the vector is the same."""
    features = normalised(mel_of(100))
    wanted = session(runtime).embed(features)
    np.testing.assert_allclose(session(runtime, frozenset({"LayerNorm"})).embed(features), wanted, rtol=1e-5, atol=1e-5)


def test_zeros_are_no_voice(runtime: XrtRuntime) -> None:
    """A device that answers nothing but zeros is found out."""
    voices = session(runtime)
    pyxrt_emulator.inject(Fault("zeros"))
    with pytest.raises(WrongAnswerError):
        voices.embed(normalised(mel_of(100)))

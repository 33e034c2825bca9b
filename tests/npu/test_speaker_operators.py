"""Tests of the speaker network as operators of the device."""

from __future__ import annotations

import numpy as np
import pytest

from amanuensis.benchmarks.sound import continuous_speech
from amanuensis.kernels.operands import Buffer
from amanuensis.npu.speaker_builtin import FOLDER, NETWORK_FILE
from amanuensis.npu.speaker_graph import read_weights
from amanuensis.npu.speaker_network import SpeakerNetwork, normalised
from amanuensis.npu.speaker_operators import Places, SpeakerOperators
from amanuensis.npu.speaker_sound import speech_mel
from tests.kernels.device import Device

MIN_COSINE = 0.995  # of bf16 with the float32 of ONNX Runtime


@pytest.mark.parametrize("frames", [200, 133])
def test_the_device_gives_the_voice_that_the_cpu_gives(frames: int) -> None:
    """Every operator of the network on the machine of the operators, from features to vector."""
    mel = speech_mel(continuous_speech(3.0))[:frames]
    weights = read_weights(FOLDER / NETWORK_FILE)
    device = Device(1 << 23)
    places = Places(device.put, lambda n_bytes: device.room(Buffer.SCRATCH, n_bytes))
    built = SpeakerOperators(weights, places, len(mel))
    features = device.put(normalised(mel), Buffer.INPUT)
    voice = device.room(Buffer.OUTPUT, 4 * built.shape.dim)
    device.run(*built.sequence(features, voice))
    found = device.get(voice, np.float32, (built.shape.dim,))
    wanted = SpeakerNetwork(FOLDER / NETWORK_FILE).embed(mel)
    assert found @ wanted / np.linalg.norm(found) > MIN_COSINE

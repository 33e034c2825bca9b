"""Tests of the speaker network as operators of the device."""

from __future__ import annotations

import numpy as np
import pytest

from amanuensis.benchmarks.sound import continuous_speech
from amanuensis.kernels.compile.lowering import configuration_of
from amanuensis.kernels.compile.work import covers_of, launched, load_designs
from amanuensis.kernels.designs.launch import run_launch
from amanuensis.kernels.memory import Memory
from amanuensis.kernels.operands import Buffer
from amanuensis.kernels.operators import Operator
from amanuensis.kernels.ops import Region
from amanuensis.kernels.sim.iron import NPU1
from amanuensis.npu.speaker_builtin import FOLDER, NETWORK_FILE
from amanuensis.npu.speaker_graph import read_weights
from amanuensis.npu.speaker_network import SpeakerNetwork
from amanuensis.npu.speaker_operators import Places, SpeakerOperators, counts
from amanuensis.npu.speaker_sound import Float32, normalised, speech_mel
from tests.kernels.cores import needs_compiler
from tests.kernels.device import Device

MIN_COSINE = 0.995  # of bf16 with the float32 of ONNX Runtime


def laid_out(mel: Float32) -> tuple[Device, list[Operator], Region]:
    """Return a device with weights and features, the operators, and where they leave the vector."""
    device = Device(1 << 23)
    places = Places(lambda _, array: device.put(array), lambda n_bytes: device.room(Buffer.SCRATCH, n_bytes))
    built = SpeakerOperators(read_weights(FOLDER / NETWORK_FILE), places, len(mel), counts(len(mel)))
    features = device.put(normalised(mel), Buffer.INPUT)
    voice = device.room(Buffer.OUTPUT, 4 * built.shape.dim)
    return device, list(built.sequence(features, voice)), voice


def assert_same_voice(device: Device, voice: Region, mel: Float32) -> None:
    """Assert that the device left the vector that ONNX Runtime computes."""
    wanted = SpeakerNetwork(FOLDER / NETWORK_FILE).embed(mel)
    found = device.get(voice, np.float32, wanted.shape)
    assert found @ wanted / np.linalg.norm(found) > MIN_COSINE


@pytest.mark.parametrize("frames", [200, 133])
def test_the_operators_give_the_voice_that_the_cpu_gives(frames: int) -> None:
    """Every operator of the network on the machine of the operators, from features to vector."""
    mel = speech_mel(continuous_speech(3.0))[:frames]
    device, operators, voice = laid_out(mel)
    device.run(*operators)
    assert_same_voice(device, voice, mel)


@needs_compiler
@pytest.mark.long
def test_the_array_gives_the_voice_that_the_cpu_gives() -> None:
    """The same, each operator as a launch of its array configuration, in the simulator of the array."""
    mel = speech_mel(continuous_speech(1.0))[:24]
    device, operators, voice = laid_out(mel)
    designs = load_designs()
    used = set()
    for operator in operators:
        name = configuration_of(operator, "encoder", covers_of(designs))
        assert name is not None
        used.add(name)
        run_launch(launched(designs[name], (operator,), Memory(device.buffers), NPU1()), device.buffers)
    assert used == {"products", "attention"}
    assert_same_voice(device, voice, mel)

"""The network's part of a speaker embedding, asked of the engine from the thread of the voices."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from amanuensis.daemon.voice_network import MOST_SKIPPED, EngineNetwork
from amanuensis.npu.engine.api import EngineInfo, NotEmbeddedError
from amanuensis.npu.speaker_sound import DEVICE_FRAMES, N_MELS, Float32
from amanuensis.npu.voice_vector import VoiceVector
from amanuensis.npu.window import NO_WORK
from tests.helpers.tone_engine import INFO

ON_DEVICE = replace(INFO, voices="sim")
MEL = np.zeros((40, N_MELS), np.float32)


class OnCpu:
    """The network's place on the CPU."""

    dim = 2

    def embed(self, mel: Float32) -> Float32:
        """Return the second axis."""
        return np.array([0.0, 1.0], np.float32)


@dataclass
class Answering:
    """An engine that answers with the first axis, refuses, or says nothing."""

    does: str = "answer"
    asked: int = 0
    info: EngineInfo = ON_DEVICE

    def embed(self, features: Float32) -> Coroutine[Any, Any, VoiceVector]:
        """Do as told."""
        assert features.shape == (40, N_MELS)
        self.asked += 1
        return self._answer()

    async def _answer(self) -> VoiceVector:
        if self.does == "refuse":
            raise NotEmbeddedError("4 vectors wait")
        if self.does == "silence":
            await asyncio.get_running_loop().create_future()
        return VoiceVector(np.array([3.0, 0.0], np.float32), "sim", NO_WORK, 1.0)


async def vectors(network: EngineNetwork, count: int) -> list[list[float]]:
    """Return some vectors, made in a thread."""
    return [(await asyncio.to_thread(network.embed, MEL)).tolist() for _ in range(count)]


def network_of(engine: Answering, told: list[str], wait_s: float = 60.0) -> EngineNetwork:
    """Return a network that asks an engine of this loop."""
    return EngineNetwork(OnCpu(), engine, asyncio.get_running_loop(), told.append, wait_s)


async def test_the_device_makes_the_vectors() -> None:
    """Of unit length, as the CPU makes them, each counted for the device."""
    engine, told = Answering(), list[str]()
    network = network_of(engine, told)
    assert await vectors(network, 3) == [[1.0, 0.0]] * 3
    assert (network.dim, told) == (2, ["sim"] * 3)


@pytest.mark.parametrize(("does", "wait_s"), [("refuse", 60.0), ("silence", 0.0)])
async def test_what_the_device_does_not_make_the_cpu_does(does: str, wait_s: float) -> None:
    """A refusal and silence alike: no vector is missing, and the device is asked ever more rarely."""
    engine, told = Answering(does), list[str]()
    network = network_of(engine, told, wait_s)
    assert await vectors(network, 32) == [[0.0, 1.0]] * 32
    assert (engine.asked, set(told)) == (4, {"cpu"})  # the first, and those after 2, 4 and 8 more
    while len(asyncio.all_tasks()) > 1:  # what was asked in vain is given up
        await asyncio.sleep(0)


async def test_the_device_comes_back() -> None:
    """Once it answers again it makes all vectors, and another miss costs as little as the first."""
    engine, told = Answering("refuse"), list[str]()
    network = network_of(engine, told)
    await vectors(network, 3)
    engine.does = "answer"
    await vectors(network, 2)
    engine.does = "refuse"
    await vectors(network, 4)
    assert told == ["cpu"] * 3 + ["sim"] * 2 + ["cpu"] * 4
    assert engine.asked == 1 + 2 + 2


async def test_a_device_that_stays_away_is_not_forgotten() -> None:
    """The wait between two tries has an end."""
    engine, told = Answering("refuse"), list[str]()
    network = network_of(engine, told)
    await asyncio.to_thread(lambda: [network.embed(MEL) for _ in range(3 * MOST_SKIPPED)])
    before = engine.asked
    await asyncio.to_thread(lambda: [network.embed(MEL) for _ in range(MOST_SKIPPED + 1)])
    assert engine.asked == before + 1


async def test_an_engine_without_a_device_is_not_asked() -> None:
    """While the engine says that it makes none, the CPU does at once."""
    engine, told = Answering(info=INFO), list[str]()
    assert await vectors(network_of(engine, told), 2) == [[0.0, 1.0]] * 2
    assert (engine.asked, told) == (0, ["cpu"] * 2)


async def test_what_is_too_long_for_the_device_is_no_miss() -> None:
    """The CPU makes the vector, and the next one is the device's again."""
    engine, told = Answering(), list[str]()
    network = network_of(engine, told)
    await asyncio.to_thread(network.embed, np.zeros((DEVICE_FRAMES + 1, N_MELS), np.float32))
    await vectors(network, 1)
    assert told == ["cpu", "sim"]


def test_a_loop_that_is_closed_answers_nobody() -> None:
    """A vector that is made while the daemon stops is the CPU's."""
    engine, told = Answering(), list[str]()

    async def opened() -> EngineNetwork:
        return network_of(engine, told)

    network = asyncio.run(opened())
    assert network.embed(MEL).tolist() == [0.0, 1.0]
    assert told == ["cpu"]

"""Who speaks, with the network of voices on the engine's device: the same labels, whatever becomes of the device."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager, closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from amanuensis.daemon.captioner import Captioner
from amanuensis.daemon.config import Config
from amanuensis.daemon.outputs import Transcript
from amanuensis.daemon.pipeline import Pipeline, open_pipeline
from amanuensis.daemon.sources.file import FileSource
from amanuensis.daemon.voice_desk import VoiceDesk
from amanuensis.npu.engine.api import EngineConfig
from amanuensis.npu.engine.process import SupervisedEngine, start_engine
from amanuensis.npu.speaker_builtin import BuiltinEmbedder
from amanuensis.npu.speakers import builtin_network
from tests.helpers.daemon_client import cut, pcm, running, speak
from tests.helpers.engine_desk import kill, until
from tests.helpers.tone_engine import say
from tests.helpers.voices import PitchEmbedder

RATE = 16_000
ONE = ("narrow_seen_004", "general_seen_004")  # flite's awb
OTHER = ("narrow_seen_000", "general_seen_000")  # flite's slt
SWITCH_AFTER = 6  # vectors
PATIENT_S = 600.0  # for a vector: no label may depend on how busy the machine is


@pytest.fixture(scope="module")
def talk(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file in which two voices speak in turn, twice each."""
    clips = [soundfile.read(repository / f"tests/data/synthetic/{name}.flac", dtype="float32")[0] for name in ONE]
    others = [soundfile.read(repository / f"tests/data/synthetic/{name}.flac", dtype="float32")[0] for name in OTHER]
    pause = np.zeros(RATE // 2, np.float32)
    path = tmp_path_factory.mktemp("talk") / "talk.wav"
    soundfile.write(path, np.concatenate([*clips, pause, *others, pause] * 2), RATE)
    return path


def settings(device: str) -> Config:
    """Return settings for a talk of two."""
    usual = Config()
    engine = replace(usual.engine, device=device, model="builtin")
    return replace(usual, engine=engine, stream=replace(usual.stream, speakers=2, language="en"))


async def labels(talk: Path, pipeline: Pipeline) -> list[tuple[str, str | None]]:
    """Return the words of a talk and whose they are in the end."""
    transcript = Transcript()
    async for event in Captioner(FileSource(talk), pipeline, mode="lockstep").events():
        transcript.add(event)
    return [(word.text, word.spk) for word in transcript.words]


@asynccontextmanager
async def device_engine(folder: Path) -> AsyncIterator[SupervisedEngine]:
    """Yield an engine on the emulated device that makes vectors of voices."""
    engine = await start_engine(EngineConfig(folder, "sim", voices=builtin_network(folder)))
    async with aclosing(engine):
        yield engine


async def test_labels_are_those_of_the_cpu_through_a_switch_in_the_middle(talk: Path, builtin_model: Path) -> None:
    """Vectors come from the device, from the CPU while its process is killed, and from the device; no label changes."""
    async with open_pipeline(settings("cpu"), live=False) as on_cpu, device_engine(builtin_model) as engine:
        wanted = await labels(talk, on_cpu)
        assert {spk for _, spk in wanted} == {"A", "B"}
        with closing(VoiceDesk(BuiltinEmbedder())) as desk:
            desk.use(engine, PATIENT_S)
            made: list[str] = []
            loop = asyncio.get_running_loop()

            def count(device: str) -> None:
                made.append(device)
                if len(made) == SWITCH_AFTER:
                    kill(engine)
                elif len(made) == SWITCH_AFTER + 1:
                    back = until(lambda: engine.stats().restarts == 1 and engine.pid is not None)
                    asyncio.run_coroutine_threadsafe(back, loop).result()

            desk.on_vector = count
            found = await labels(talk, Pipeline(on_cpu.engine, on_cpu.tokenizer, on_cpu.config, desk))
    assert found == wanted
    after = SWITCH_AFTER + 3  # the vector that was lost, and two for which the device is not asked
    assert made == ["sim"] * SWITCH_AFTER + ["cpu"] * 3 + ["sim"] * (len(made) - after)
    assert len(made) > after


@pytest.mark.long
async def test_a_talk_on_the_emulated_device_has_the_labels_of_the_cpu(talk: Path, builtin_model: Path) -> None:
    """Words and voices on one device: as many turns, with the same names, and every vector is the device's."""
    turns, made = [], Counter[str]()
    for device in ("cpu", "sim"):
        async with open_pipeline(settings(device), live=False) as pipeline:
            assert pipeline.voices is not None
            pipeline.voices.use(pipeline.engine, PATIENT_S)
            pipeline.voices.on_vector = lambda device: made.update([device])
            words = await labels(talk, pipeline)
        turns.append([spk for at, (_, spk) in enumerate(words) if not at or spk != words[at - 1][1]])
    assert turns[0] == turns[1]
    assert (len(turns[0]), set(turns[0])) == (4, {"A", "B"})
    assert made["cpu"] == made["sim"] > 0


async def test_the_daemon_counts_vectors() -> None:
    """By the device that made them; an embedder of one's own is the CPU's."""
    with closing(VoiceDesk(PitchEmbedder())) as desk:
        async with running(voices=desk) as (daemon, address):
            await speak(address, cut(pcm(say((0, 3, 1, 6, 2, 4, 5, 0), pitch_hz=120.0, lead_s=0.5)), [3200]))
            name, labels = "amanuensis_speaker_embeddings_total", {"device": "cpu"}
            assert (daemon.metrics.registry.get_sample_value(name, labels) or 0) > 0

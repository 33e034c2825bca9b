"""The streamed measurement says what its script says, so its figure is that of real work."""

from __future__ import annotations

from pathlib import Path

import pytest

from amanuensis.benchmarks.random_model import RandomModel, make_random_model
from amanuensis.benchmarks.sound import SAMPLE_RATE, continuous_speech
from amanuensis.benchmarks.stream_ours import UNSTABLE_TOKENS, Script, Streamer, filler_tokens
from amanuensis.npu.devices.cpu import CpuModel
from amanuensis.npu.model_files import ModelFiles
from amanuensis.npu.tokenizer import Tokenizer

SPOKEN = 12
RATE = 3.0


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small model with random weights and words enough for a script."""
    return make_random_model(
        tmp_path_factory.mktemp("model") / "random", RandomModel(multilingual=True, fillers=15_000)
    )


@pytest.fixture(scope="module")
def script(model: Path) -> Script:
    """Four seconds of speech."""
    tokens = filler_tokens(model, SPOKEN + UNSTABLE_TOKENS * (SPOKEN + 1))
    return Script(tokens[:SPOKEN], tokens[SPOKEN:], RATE)


def test_script_is_unsure_only_at_the_edge(script: Script) -> None:
    """While speech goes on the newest tokens are misheard; after it nothing is."""
    heard = script.heard(2.0)
    assert heard[: 6 - UNSTABLE_TOKENS] == script.tokens[: 6 - UNSTABLE_TOKENS]
    assert not set(heard[6 - UNSTABLE_TOKENS :]) & set(script.tokens)
    assert script.heard(SPOKEN / RATE + 1) == script.tokens


def test_streamed_words_are_those_of_the_script(model: Path, script: Script) -> None:
    """Session, verification and agreement bring every word out once, and the forwards really ran."""
    cpu = CpuModel(ModelFiles.load(model), "float32", threads=1)
    streamer = Streamer(cpu, Tokenizer(model), script, tick_s=0.5)
    decoded = streamer.stream(continuous_speech(SPOKEN / RATE))
    assert decoded > SPOKEN


def test_continuous_speech_has_the_asked_length() -> None:
    """Speech is repeated as needed and never silent for long."""
    speech = continuous_speech(90.0)
    assert len(speech) == 90 * SAMPLE_RATE
    assert abs(speech).reshape(-1, SAMPLE_RATE).max(axis=1).min() > 0.01

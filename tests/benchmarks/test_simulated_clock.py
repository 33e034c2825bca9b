"""A stream whose clock stands still while anything is computed."""

from __future__ import annotations

from amanuensis.benchmarks.measures import Latencies
from amanuensis.benchmarks.simulated_clock import unaware_take
from amanuensis.benchmarks.timed_speech import timed_speech
from amanuensis.npu.engine.api import EngineConfig
from amanuensis.npu.loading import load_model
from amanuensis.npu.store import resolve
from amanuensis.npu.tokenizer import Tokenizer
from amanuensis.stream.config import StreamConfig


def test_times_are_those_of_the_sound_and_always_the_same() -> None:
    """Everything is shown when a packet has come, so two runs are equal whatever this machine does meanwhile."""
    folder = resolve("builtin")
    model, speech = load_model(EngineConfig(folder, threads=1)), timed_speech(3)
    takes = [unaware_take(model, Tokenizer(folder), StreamConfig(language="en"), speech.samples) for _ in range(2)]
    assert takes[0] == takes[1]
    due = {piece.at_s for piece in takes[0].sent}
    assert {one.at_s for one in takes[0].shown} <= due
    latencies = Latencies.none()
    latencies.add(takes[0], speech.words)
    assert latencies.figures()["final_s"]["n"] == 1
    assert 0 < latencies.figures()["final_s"]["p50"] < 1.5

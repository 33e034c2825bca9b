"""Settings of a stream."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from amanuensis.stream.config import StreamConfig, StreamConfigError
from tests.helpers.scripted_engine import INFO


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"tick_ms": 50}, "tick_ms 50 is not allowed: it must be 100 to 5000"),
        ({"tick_ms": True}, "tick_ms True"),
        ({"tick_ms": "fast"}, "tick_ms 'fast'"),
        ({"tick_ms": float("nan")}, "tick_ms nan"),
        ({"policy": "guess"}, "policy 'guess' is not allowed: use agreement or alignatt"),
        ({"task": "sing"}, "task 'sing'"),
        ({"max_window_s": 31}, "max_window_s 31"),
        ({"max_utterance_s": 1}, "max_utterance_s 1"),
        ({"max_pending_s": 1}, "max_pending_s 1"),
        ({"beam_size": 0}, "beam_size 0"),
        ({"temperatures": ()}, "temperatures"),
        ({"temperatures": (0.4, 0.2)}, "temperatures"),
        ({"temperatures": (-1.0, 0.0)}, "temperatures"),
        ({"language": 5}, "language 5"),
        ({"prompt": "x" * 1001}, "prompt"),
        ({"hotwords": ("",)}, "hotwords"),
        ({"hotwords": ("a",) * 101}, "hotwords"),
        ({"hotword_bonus": 99}, "hotword_bonus 99"),
        ({"edge_ms": -1}, "edge_ms -1"),
        ({"speakers": -1}, "speakers -1 is not allowed: it must be 0 to 20"),
        ({"speakers": 1000}, "speakers 1000 is not allowed: it must be 0 to 20"),
        ({"max_speakers": 0}, "max_speakers 0 is not allowed: it must be 1 to 20"),
        ({"speakers": 3, "max_speakers": 2}, "speakers 3 is not allowed beside max_speakers 2: give one of the two"),
    ],
)
def test_wrong_values_are_named(values: dict[str, Any], message: str) -> None:
    """A wrong value is refused by name, with what is allowed."""
    with pytest.raises(StreamConfigError) as error:
        StreamConfig(**values)
    assert message in str(error.value)


def test_changes_are_checked() -> None:
    """What a client may change is taken, all else is refused by name."""
    config = StreamConfig().changed({"tick_ms": 250, "hotwords": ["Xilinx"], "prompt": "p", "language": None})
    assert (config.tick_ms, config.hotwords, config.prompt) == (250, ("Xilinx",), "p")
    with pytest.raises(StreamConfigError, match="'policy' cannot change"):
        config.changed({"policy": "alignatt"})
    with pytest.raises(StreamConfigError, match="'volume' is not known"):
        config.changed({"volume": 11})
    with pytest.raises(StreamConfigError, match="tick_ms 1"):
        config.changed({"tick_ms": 1})


def test_the_model_must_know_the_task_and_language() -> None:
    """An English-only model translates nothing and knows no other language."""
    with pytest.raises(StreamConfigError, match="English-only"):
        StreamConfig(task="translate").check_model(INFO)
    with pytest.raises(StreamConfigError, match="language 'de' is not known to model scripted: use one of en"):
        StreamConfig(language="de").check_model(INFO)
    multilingual = replace(INFO, multilingual=True, languages=tuple("abcdefghij"))
    StreamConfig(task="translate").check_model(multilingual)
    with pytest.raises(StreamConfigError, match=r"use one of a, b, c, d, e, f, g, h, \.\.\."):
        StreamConfig(language="de").check_model(multilingual)


def test_the_window_is_what_the_model_reads() -> None:
    """A longer window than the model's is not used, and live windows are shorter unless told otherwise."""
    long = replace(INFO, max_window_s=28.0)
    assert StreamConfig().window_limit_s(INFO, live=True) == 12
    assert StreamConfig(max_window_s=8).window_limit_s(INFO, live=True) == 8
    assert StreamConfig(max_window_s=30).window_limit_s(INFO, live=True) == 12
    assert StreamConfig().window_limit_s(long, live=True) == 15
    assert StreamConfig().window_limit_s(long, live=False) == 28
    assert StreamConfig(max_window_s=30).window_limit_s(long, live=True) == 28


def test_only_finals_are_costly() -> None:
    """Ticks are greedy; beams and fallback are for finals."""
    config = StreamConfig(beam_size=5)
    tick = config.options("en", final=False, max_tokens=1000)
    final = config.options("en", final=True, max_tokens=10)
    assert (tick.beam_size, tick.temperatures, tick.max_tokens) == (1, (0.0,), 224)
    assert (final.beam_size, final.temperatures, final.max_tokens) == (5, config.temperatures, 10)

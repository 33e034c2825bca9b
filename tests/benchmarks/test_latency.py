"""The measurement of latency on what streams got."""

from __future__ import annotations

from pathlib import Path

import pytest

from amanuensis.benchmarks.clips import SYNTHETIC
from amanuensis.benchmarks.latency import all_latencies, costs, readable, recorded_speech
from amanuensis.benchmarks.live import LiveRun
from amanuensis.benchmarks.measures import Sent, Shown, Take
from amanuensis.benchmarks.streaming_wer import Listener
from amanuensis.benchmarks.targets import KNOWN
from amanuensis.benchmarks.timed_speech import timed_speech
from amanuensis.npu.engine.api import EngineConfig
from amanuensis.npu.loading import load_model
from amanuensis.npu.store import resolve
from amanuensis.npu.tokenizer import Tokenizer
from amanuensis.stream.config import StreamConfig

SPEECH = timed_speech(0)


def got(after_s: float, **facts: float) -> LiveRun:
    """A stream that got everything so long after the last word."""
    at_s = (SPEECH.words[-1].end_s or 0.0) + after_s
    take = Take((Shown(at_s, "final", SPEECH.text),), (Sent(SPEECH.seconds, SPEECH.seconds),))
    fields = {"gaps_ms": 0.0, "late_s": 0.0, "wall_s": 3.0} | facts
    return LiveRun(take, [(1.0, 100.0), (2.0, 50.0)], **fields)


def test_streams_of_one_load_are_pooled() -> None:
    """All words of all streams of all rounds make one distribution; the worst lag and lateness are kept."""
    runs = [([got(0.4), got(0.6, late_s=0.2)], 1.0), ([got(0.5), got(0.5, gaps_ms=20.0)], 3.0)]
    latencies = all_latencies([SPEECH, SPEECH], runs)
    assert latencies.final_s == pytest.approx([0.4, 0.6, 0.5, 0.5])
    cost = costs([SPEECH, SPEECH], runs)
    assert cost["cpu_s_per_s"]["median"] == pytest.approx(2.0 / (2 * SPEECH.seconds))
    assert (cost["lag_ms_max"], cost["gaps_ms"], cost["sent_late_s"]) == (100.0, 20.0, 0.2)


def test_lines_have_both_clocks_and_say_where_word_times_come_from() -> None:
    """Computation-aware, computation-unaware, and the rest."""
    latencies = all_latencies([SPEECH], [([got(0.4)], 1.0)]).figures()
    figure = latencies | costs([SPEECH], [([got(0.4)], 1.0)])
    lines = readable({"1 stream": figure | {"unaware": latencies, "wer_offline": 0.0, "word_times": KNOWN}})
    assert "clock stopped" in lines[2]
    assert lines[3].endswith(KNOWN)


def test_recordings_are_timed_by_the_offline_run_of_the_model() -> None:
    """Their words are those that the model says of the whole sound, with their times."""
    folder = resolve("builtin")
    listener = Listener(load_model(EngineConfig(folder, threads=1)), Tokenizer(folder), StreamConfig(language="en"))
    speech = recorded_speech(Path(SYNTHETIC), 3.0, listener)
    assert speech.words
    assert all((word.start_s or 0.0) <= (word.end_s or 0.0) <= speech.seconds + 0.1 for word in speech.words)

"""Systems beside each other."""

from __future__ import annotations

import pytest

from amanuensis.benchmarks.measures import Sent, Shown, Spoken, Take
from amanuensis.benchmarks.systems import PAUSE_S, SystemRun, compare, readable
from amanuensis.benchmarks.timed_speech import TimedSpeech, timed_speech

SPEECH = timed_speech(0)
WORDS = SPEECH.words


def ran(cpu_s: float, late_s: float = 0.5) -> SystemRun:
    """A run that said everything right, so long after the last word."""
    end_s = WORDS[-1].end_s or 0.0
    seconds = SPEECH.seconds + PAUSE_S
    take = Take((Shown(end_s + late_s, "final", SPEECH.text),), (Sent(seconds, seconds),))
    return SystemRun(take, cpu_s, 200.0, 150.0, 1.0, seconds)


def test_costs_are_medians_and_ratios_are_of_ours() -> None:
    """The pause after the speech is sound too: seconds of CPU are for each second of both."""
    figures = compare({"amanuensis": [ran(1.0), ran(3.0), ran(2.0)], "other": [ran(20.0)]}, SPEECH)
    seconds = SPEECH.seconds + PAUSE_S
    assert figures["amanuensis"]["cpu_s_per_s"]["median"] == pytest.approx(2 / seconds)
    assert figures["other"]["ratio"] == pytest.approx(10.0)
    assert figures["other"]["wer"] == 0.0


def test_latencies_are_of_all_runs() -> None:
    """Each run adds its words; percentiles are taken over all."""
    figures = compare({"amanuensis": [ran(1.0, 0.4), ran(1.0, 0.6)]}, SPEECH)["amanuensis"]
    assert figures["final_s"]["n"] == 2
    assert figures["final_s"]["p50"] == pytest.approx(0.5)


def test_a_reference_without_times_has_errors_but_no_latency() -> None:
    """A text alone is enough for WER."""
    untimed = TimedSpeech(SPEECH.samples, tuple(Spoken(word.text, None, None) for word in WORDS))
    figures = compare({"amanuensis": [ran(1.0)]}, untimed)["amanuensis"]
    assert figures["commit_s"] == {"n": 0, "p50": None, "p95": None, "p99": None}
    assert figures["wer"] == 0.0


def test_lines_name_who_was_not_run_and_why() -> None:
    """A system is never left out silently."""
    lines = readable(compare({"amanuensis": [ran(1.0)]}, SPEECH), {"other": "no environment"})
    assert "1.0 times ours" in lines[1]
    assert lines[2].endswith("not run: no environment")

"""The cost of a decode at every tick."""

from __future__ import annotations

from pathlib import Path

import pytest

from amanuensis.benchmarks.measures import Sent, Shown, Take, transcript
from amanuensis.benchmarks.systems import OURS
from amanuensis.benchmarks.timed_speech import timed_speech
from amanuensis.benchmarks.unpaced import AGREEMENT, compared, ours, readable

SPEECH = timed_speech(0)


def told(cpu_s: float) -> dict[str, object]:
    """A run that said everything half a second after the end."""
    end_s = SPEECH.words[-1].end_s or 0.0
    take = Take((Shown(end_s + 0.5, "commit", SPEECH.text),), (Sent(SPEECH.seconds, SPEECH.seconds),))
    return take.as_json() | {"cpu_s": cpu_s, "rss_mb": 100.0}


def test_costs_are_compared_with_ours() -> None:
    """Seconds of CPU for each second of sound, as medians over the runs."""
    figures = compared({OURS: [told(1.0), told(3.0), told(2.0)], AGREEMENT: [told(40.0)]}, SPEECH, 10.0)
    assert figures[OURS]["cpu_s_per_s"]["median"] == pytest.approx(0.2)
    assert figures[AGREEMENT]["ratio"] == pytest.approx(20.0)
    assert figures[AGREEMENT]["wer"] == 0.0
    assert "20.0 times ours" in "\n".join(readable(figures))
    assert readable({}) == []


def test_ours_says_the_words_with_time_stopped(builtin_model: Path) -> None:
    """The built-in model hears the first utterance; nothing is shown before it is spoken."""
    run = ours(builtin_model, SPEECH.samples, 0.5, 1)
    take = Take.of_json(run)
    assert transcript(take).lower().startswith("good morning")
    assert all(one.at_s <= SPEECH.seconds + 0.02 for one in take.shown)
    assert run["cpu_s"] > 0

"""The real daemon at live speed and as fast as it goes."""

from __future__ import annotations

import argparse

import pytest

from amanuensis.benchmarks.measures import Sent, Shown, Take
from amanuensis.benchmarks.stream_cost import add_arguments, run
from amanuensis.benchmarks.stream_live import fast_figures
from amanuensis.benchmarks.systems import PAUSE_S, SystemRun
from amanuensis.benchmarks.timed_speech import timed_speech
from amanuensis.daemon.commands.common import UsageError

SPEECH = timed_speech(0)


def ran(cpu_s: float, wall_s: float) -> SystemRun:
    """A run that said everything right."""
    return SystemRun(Take((Shown(1.0, "final", SPEECH.text),), (Sent(1.0, 1.0),)), cpu_s, 1.0, 1.0, 1.0, wall_s)


def asked(*words: str) -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return parser.parse_args(words)


def test_speed_is_sound_through_time() -> None:
    """Speech and the pause after it, through the wall seconds of the run."""
    seconds = SPEECH.seconds + PAUSE_S
    figures = fast_figures([ran(0.5, 2.0), ran(0.5, 1.0), ran(0.5, 4.0)], SPEECH)
    assert figures["audio_s_per_s"]["median"] == pytest.approx(seconds / 2)
    assert figures["cpu_s_per_s"]["median"] == pytest.approx(0.5 / seconds)
    assert figures["wer"]["high"] == 0.0


def test_others_run_live_only() -> None:
    """One line says what to ask for instead."""
    with pytest.raises(UsageError, match="--live"):
        run(asked("--vs", "whisperlive"))


def test_one_that_is_not_known_is_named_with_those_that_are() -> None:
    """--vs goes on to the comparison of systems."""
    with pytest.raises(UsageError, match="'nobody' is not known: one or more of whisper_streaming"):
        run(asked("--live", "--vs", "nobody"))

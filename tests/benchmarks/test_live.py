"""A client that notes what it is shown, and the daemon that it measures."""

from __future__ import annotations

from typing import Any

import pytest

from amanuensis.benchmarks.daemon_run import DaemonFailedError, running_daemon
from amanuensis.benchmarks.live import Notes, Speaker, speak_together
from amanuensis.benchmarks.measures import Shown, streaming_errors, transcript
from amanuensis.benchmarks.timed_speech import timed_speech


def noted(*events: dict[str, Any]) -> Notes:
    """Notes of events that come a second apart."""
    notes = Notes()
    for k, event in enumerate(events):
        notes.note(float(k), event)
    return notes


def test_partials_of_two_open_utterances_are_shown_together() -> None:
    """The next utterance may be heard before the last one is final."""
    notes = noted(
        {"type": "partial", "utt": 0, "text": " one"},
        {"type": "partial", "utt": 1, "text": " two"},
        {"type": "final", "utt": 0, "text": " one"},
        {"type": "partial", "utt": 1, "text": " two three"},
        {"type": "commit", "utt": 1, "words": [{"text": " two"}, {"text": " three"}]},
    )
    assert notes.shown == [
        Shown(0.0, "partial", " one"),
        Shown(1.0, "partial", " one two"),
        Shown(2.0, "final", " one"),
        Shown(3.0, "partial", " two three"),
        Shown(4.0, "commit", " two three"),
    ]


def test_lag_and_gaps_are_noted_and_other_events_are_not() -> None:
    """What was not transcribed adds up."""
    notes = noted(
        {"type": "stats", "lag_ms": 120},
        {"type": "gap", "from": 1000, "to": 1500},
        {"type": "gap", "from": 3000, "to": 3250},
        {"type": "ack", "n": 3},
    )
    assert notes.lags_ms == [(0.0, 120.0)]
    assert notes.gaps_ms == 750
    assert notes.shown == []


async def test_two_clients_of_the_real_daemon_get_their_words() -> None:
    """Each take has its own speech whole; a live speaker's packets keep the times at which their sound was due."""
    speech = [timed_speech(3), timed_speech(3, shift=6)]
    async with running_daemon("builtin", 1) as daemon:
        runs = await speak_together(daemon.url, [Speaker(one.samples, is_live=False) for one in speech], 0.0)
        live = await Speaker(speech[0].samples[:8000], packet_s=0.1).speak(daemon.url)
        assert daemon.cpu_s() > 0
        assert daemon.memory().pss_mb > 20
        assert daemon.metric("amanuensis_sessions_total") == 3
    assert [piece.at_s for piece in live.take.sent] == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5])
    for one, run in zip(speech, runs, strict=True):
        assert streaming_errors(one.text, transcript(run.take)).rate < 0.4
        assert run.take.sent[-1].until_s == pytest.approx(one.seconds)
        assert run.gaps_ms == 0


async def test_a_daemon_that_does_not_start_says_why() -> None:
    """The error has the daemon's own words."""
    with pytest.raises(DaemonFailedError, match="no-such-model"):
        async with running_daemon("no-such-model", 1):
            pass

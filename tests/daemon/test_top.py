"""The live view of a daemon's sessions."""

from __future__ import annotations

from typing import Any

import pytest
from rich.console import Console

from amanuensis.daemon.top import COLUMNS, headline, row, span, table

SESSION: dict[str, Any] = {
    "id": "4f0c2e9a71d3",
    "state": "live",
    "age_s": 3725.0,
    "audio_s": 3700.0,
    "lag_ms": 612.0,
    "tick_ms": 181.4,
    "tick_every_ms": 625.2,
    "rtf": 0.123,
    "clients": 3,
    "ledger": {"seconds": {"received": 100.0, "transcribed": 60.0, "silence": 39.0, "gap": 0.0, "unsettled": 1.0}},
    "engine": {"encoder": "npu", "decoder": "cpu", "model": "base.en", "why": ""},
}
FACTS = {"version": "1", "uptime_s": 90061.0, "ready": True, "why": "", "sessions": [SESSION], "ended": []}


def test_a_session_is_a_row() -> None:
    """Every column has its cell: times in units that can be read, fates as shares, gaps as seconds."""
    cells = dict(zip(COLUMNS, row(SESSION), strict=True))
    assert cells["age"] == "1h02m"
    assert (cells["lag s"], cells["tick ms"], cells["every ms"], cells["rtf"]) == ("0.6", "181", "625", "0.12")
    assert (cells["text"], cells["silence"], cells["gap s"]) == ("60%", "39%", "0.0")
    assert cells["device"] == "base.en on npu+cpu"


def test_a_session_without_sound_is_a_row_too() -> None:
    """Nothing is divided by nothing."""
    seconds = dict.fromkeys(SESSION["ledger"]["seconds"], 0.0)
    assert row(SESSION | {"ledger": {"seconds": seconds}})[COLUMNS.index("text")] == "0%"


@pytest.mark.parametrize(("seconds", "text"), [(0, "0m00s"), (61, "1m01s"), (3600, "1h00m"), (90061, "1d01h")])
def test_spans(seconds: float, text: str) -> None:
    """A span has at most two units."""
    assert span(seconds) == text


def test_the_daemon_is_a_line() -> None:
    """What is wrong with it stands in the headline."""
    assert headline(FACTS) == "amanuensis 1, up 1d01h, ready; 1 open, 0 ended"
    assert "not ready: the engine is down" in headline(FACTS | {"ready": False, "why": "the engine is down"})


@pytest.mark.parametrize(
    ("change", "stands_out"),
    [
        ({}, False),
        ({"lag_ms": 6000.0}, True),
        ({"ledger": {"seconds": SESSION["ledger"]["seconds"] | {"gap": 1.0}}}, True),
    ],
)
def test_a_session_in_trouble_stands_out(change: dict[str, Any], stands_out: bool) -> None:
    """One that is far behind, or has lost sound, is seen at once."""
    console = Console(force_terminal=True, width=200, color_system="standard")
    with console.capture() as captured:
        console.print(table(FACTS | {"sessions": [SESSION | change]}))
    assert SESSION["id"] in captured.get()
    assert ("\x1b[1;31m" in captured.get()) == stands_out

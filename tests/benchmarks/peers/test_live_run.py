"""A live run of another system, with a program of a few lines in its place."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from amanuensis.benchmarks.peers import live_run, peer
from amanuensis.benchmarks.peers.library import WHISPER_CPP, Library
from amanuensis.benchmarks.peers.live_run import free_port, run_peer
from amanuensis.benchmarks.peers.peer import PeerFailedError, Setup, Weights, interpreter

PAUSE_S = 0.6
PARROT = Path(__file__).parents[2] / "helpers/parrot_peer.py"


@pytest.fixture
def setup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Setup:
    """An environment `.venv-peer-parrot` with this interpreter, and a file in place of weights."""
    python = tmp_path / ".venv-peer-parrot/bin/python"
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    monkeypatch.setattr(peer, "ROOT", tmp_path)
    monkeypatch.setattr(live_run, "PAUSE_S", PAUSE_S)
    monkeypatch.setattr(live_run, "QUIET_S", 0.3)
    weights = tmp_path / "weights.bin"
    weights.touch()
    return Setup(Weights(ggml=weights), 1, 0.5, tmp_path / "warm-up.wav")


def parrot(driver: str = str(PARROT)) -> Library:
    """The program as a library of `script/peers`; an absolute path stays as it is."""
    return replace(WHISPER_CPP, environment="parrot", driver=driver, finishes=True)


async def test_what_a_system_shows_is_noted_with_its_time(setup: Setup) -> None:
    """All sound and the pause come to it; times count from when the first packet was due."""
    run = await run_peer(parrot(), setup, np.zeros(1600, np.float32))
    assert [(one.kind, one.text) for one in run.take.shown] == [
        ("partial", " half"),
        ("final", f" {PAUSE_S + 0.1:.1f} seconds"),
    ]
    half, whole = (one.at_s for one in run.take.shown)
    assert half >= 0.4, "before it was spoken"
    assert whole >= PAUSE_S
    assert [piece.until_s for piece in run.take.sent] == pytest.approx([0.1 * k for k in range(1, 8)])
    assert run.rss_mb >= run.pss_mb > 1
    assert run.ready_s > 0
    assert run.wall_s >= whole
    assert run.cpu_s >= 0


async def test_a_system_without_an_end_hears_silence_until_it_is_quiet(setup: Setup) -> None:
    """As from a microphone that stays open; the cost of that silence is not counted as the speech's."""
    run = await run_peer(replace(parrot(), finishes=False), setup, np.zeros(1600, np.float32))
    heard_s = float(run.take.shown[-1].text.split()[0])
    assert heard_s > PAUSE_S + 0.1
    assert run.take.sent[-1].until_s == pytest.approx(PAUSE_S + 0.1)


async def test_a_system_that_does_not_start_is_told_with_what_it_said(setup: Setup, tmp_path: Path) -> None:
    """The reason stands in the table, so it names the system and its last words."""
    driver = tmp_path / "broken.py"
    driver.write_text("import sys; sys.exit('no such library')")
    with pytest.raises(PeerFailedError, match=r"whisper\.cpp stream: .*no such library"):
        await run_peer(parrot(str(driver)), setup, np.zeros(1600, np.float32))


def test_an_environment_that_is_missing_is_named(setup: Setup) -> None:
    """The message says which command makes it."""
    assert interpreter("parrot").is_file()
    with pytest.raises(PeerFailedError, match="script/peers vosk"):
        interpreter("vosk")


def test_a_free_port_is_one() -> None:
    """A port that a server may take."""
    assert 1024 <= free_port() < 65536

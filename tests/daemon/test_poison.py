"""Windows that killed the engine are kept for the operator."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from amanuensis.daemon.config import Config, ServerSettings
from amanuensis.daemon.poison import KEPT, PoisonKeeper, kept_windows, poison_folder
from amanuensis.daemon.server import Daemon
from amanuensis.npu.engine.api import EngineConfig, PoisonWindowError
from amanuensis.npu.engine.process import start_engine
from amanuensis.npu.engine.supervision import Supervision
from amanuensis.npu.window import DecodeOptions, WindowJob
from amanuensis.stream.session import Ticket
from tests.helpers.daemon_client import check_invariants, cut, get, pcm, speak
from tests.helpers.tone_engine import INFO, ToneTokenizer, say, spell
from tests.helpers.tone_process import DEADLY, LOADER, ROOT

ERROR = PoisonWindowError(2, "killed by SIGSEGV")


def ticket(value: float = 1.0) -> Ticket:
    """Return a window that is known by its features."""
    job = WindowJob(np.full((80, 30), value, np.float32), (1, 2), (3,), (4, 5), 20, DecodeOptions(language="en"), 7)
    return Ticket(9, job, urgent=False, audio_start_ms=1200.0, audio_end_ms=1500.0, lead_ms=0.0)


def keeper(folder: Path, start_s: float = 1_795_000_000.25) -> PoisonKeeper:
    """Return a keeper whose clock goes a second on with each reading."""
    seconds = iter(range(1000))
    return PoisonKeeper(folder, lambda: INFO, lambda: start_s + next(seconds))


def test_a_window_is_kept_with_all_that_a_report_needs(tmp_path: Path) -> None:
    """Features, the rest of the job, session, media times, model, device, reason and time stand in one folder."""
    keeper(tmp_path / "poison").keep("abc123", ticket(), ERROR)
    (window,) = kept_windows(tmp_path / "poison")
    assert window.name == "20261118T110640.250000-abc123"
    features = np.load(window / "features.npy")
    assert features.dtype == np.float32
    assert np.array_equal(features, ticket().job.features)
    facts = json.loads((window / "window.json").read_text())
    options = facts["job"].pop("options")
    assert facts == {
        "time": "2026-11-18T11:06:40Z",
        "session": "abc123",
        "audio_start_ms": 1200.0,
        "audio_end_ms": 1500.0,
        "crashes": 2,
        "why": "killed by SIGSEGV",
        "model": "tones",
        "encoder": "cpu",
        "decoder": "cpu",
        "precision": "float32",
        "hardware": "",
        "job": {"prompt": [1, 2], "forced": [3], "draft": [4, 5], "edge_frames": 20, "seed": 7},
    }
    assert options["language"] == "en"


def test_only_the_daemons_user_may_read_them(tmp_path: Path) -> None:
    """Folders are closed to others, since features hold what was said."""
    keeper(tmp_path / "state" / "poison").keep("abc123", ticket(), ERROR)
    (window,) = kept_windows(tmp_path / "state" / "poison")
    assert [oct(path.stat().st_mode & 0o777) for path in (window, window.parent)] == ["0o700", "0o700"]


def test_the_oldest_go(tmp_path: Path) -> None:
    """No more than so many windows are kept, the newest ones."""
    keep = keeper(tmp_path)
    for number in range(KEPT + 3):
        keep.keep("abc123", ticket(number), ERROR)
    windows = kept_windows(tmp_path)
    assert [np.load(window / "features.npy")[0, 0] for window in windows] == list(range(3, KEPT + 3))
    assert len(list(tmp_path.iterdir())) == KEPT


def test_what_lies_there_otherwise_is_left_alone(tmp_path: Path) -> None:
    """Files and folders that are none of ours are neither counted nor removed."""
    (tmp_path / "notes.txt").touch()
    (tmp_path / "half").mkdir()
    keep = keeper(tmp_path)
    for _ in range(KEPT + 1):
        keep.keep("abc123", ticket(), ERROR)
    assert len(kept_windows(tmp_path)) == KEPT
    assert (tmp_path / "notes.txt").exists()
    assert (tmp_path / "half").exists()


def test_a_disk_that_refuses_costs_a_line_in_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """When a window cannot be written the session goes on, and the log says why."""
    (tmp_path / "file").touch()
    keeper(tmp_path / "file" / "poison").keep("abc123", ticket(), ERROR)
    (record,) = caplog.records
    assert "could not be kept" in record.message
    assert "\n" not in record.message


def test_place() -> None:
    """They lie below the state folder of the service, or of the user."""
    assert poison_folder({"STATE_DIRECTORY": "/var/lib/amanuensis"}) == Path("/var/lib/amanuensis/poison")
    assert poison_folder({"HOME": "/home/me"}) == Path("/home/me/.local/state/amanuensis/poison")


async def test_a_word_that_kills_the_engine_costs_a_gap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Through sockets and a real engine process: every other word comes, the gap is told and the window is kept."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
    engine = await start_engine(EngineConfig(tmp_path), Supervision(loader=LOADER, backoff_s=0.0))
    try:
        async with Daemon(Config(ServerSettings("127.0.0.1:0")), engine, ToneTokenizer()).listening() as address:
            sound = pcm(say([0, 1, DEADLY, 4, 5], pauses_s=(0.0, 2.0, 2.0)))
            client = await speak(address, cut(sound, [6400]))
            facts = json.loads((await get(address, "/healthz"))[2])["engine"]
    finally:
        await engine.aclose()
    check_invariants(client.events)
    assert client.text.split() == spell([0, 1, 4, 5]).split()
    (gap,) = client.find(type="gap")
    assert "the engine died 2 times at this window" in gap["why"]
    assert gap["to"] - gap["from"] < 3000
    assert (facts["poisoned"], facts["restarts"], facts["lost"]) == (1, 2, "")
    (window,) = kept_windows(tmp_path / "poison")
    kept = json.loads((window / "window.json").read_text())
    ready = client.find(type="ready")[0]
    assert (kept["session"], kept["model"], kept["why"]) == (ready["session"], "tones", "killed by SIGKILL")
    assert kept["audio_start_ms"] <= gap["from"] <= gap["to"] <= kept["audio_end_ms"] + 1

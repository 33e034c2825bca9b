"""`amanuensis record` and `amanuensis meetings`, with the real model."""

from __future__ import annotations

import asyncio
import json
import signal
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import soundfile

from amanuensis.daemon.spool.spool_folder import SpoolFolder
from tests.helpers.programs import amanuensis, line_with, over, running

DEMO = Path(__file__).resolve().parents[3] / "daemon" / "data" / "demo.flac"


def home(folder: Path) -> dict[str, str]:
    """Folders of a user, and no daemon."""
    names = {"XDG_DATA_HOME": "data", "XDG_STATE_HOME": "state", "XDG_RUNTIME_DIR": "run", "XDG_CONFIG_HOME": "config"}
    (folder / "run").mkdir(exist_ok=True)
    return {name: str(folder / place) for name, place in names.items()}


def cut(folder: Path, name: str, from_s: float, to_s: float) -> str:
    """Cut a piece out of the bundled conversation."""
    samples, rate = soundfile.read(DEMO, dtype="int16")
    soundfile.write(folder / name, samples[round(from_s * rate) : round(to_s * rate)], rate)
    return f"file:{folder / name}"


def meetings(folder: Path, *words: str, status: int = 0) -> Any:
    """Run `amanuensis meetings ... --json`, or without it for text."""
    done = amanuensis("meetings", *words, env=home(folder))
    assert done.returncode == status, done.stderr
    return json.loads(done.stdout) if "--json" in words else done.stdout + done.stderr


async def test_a_meeting_is_recorded_and_kept(tmp_path: Path) -> None:
    """Two tracks and a note, ended by Ctrl-C; read, found, exported, renamed, transcribed again and removed."""
    inputs = ["--input", cut(tmp_path, "me.wav", 0, 3), "--system", cut(tmp_path, "them.wav", 6, 9.5)]
    async with running("record", "--title", "Weekly", *inputs, **home(tmp_path)) as process:
        await line_with(process.stderr, "recording meeting")
        assert process.stdin is not None
        process.stdin.write(b"a decision\n")
        await line_with(process.stderr, "noted: a decision")
        await line_with(process.stdout, "Good morning")
        process.send_signal(signal.SIGINT)
        status, _, err = await over(process)
    assert (status, "is kept: amanuensis meetings show" in err) == (0, True)
    (listed,) = meetings(tmp_path, "list", "--json")
    assert (listed["title"], listed["state"], {one["name"] for one in listed["tracks"]}) == (
        *("Weekly", "finished"),
        {"me", "them"},
    )
    shown = meetings(tmp_path, "show", "latest")
    assert "me: Good morning" in shown
    assert "* a decision" in shown
    timed = [line.split("\t") for line in meetings(tmp_path, "show", "latest", "--word-times").splitlines()]
    assert [text for _, _, text in timed if "Good" in text] == ["me: Good"]
    assert all(float(start_s) <= float(end_s) for start_s, end_s, _ in timed)
    assert "* a decision" in [text for _, _, text in timed]
    exported = meetings(tmp_path, "export", "latest", "--word-times").splitlines()
    assert [line.split("\t") for line in exported] == timed
    assert "md has no times of words" in meetings(tmp_path, "export", "-f", "md", "latest", "--word-times", status=2)
    assert meetings(tmp_path, "search", "Good Morning", "--json")[0]["meeting"] == listed["id"]
    assert "me is Kim now" in meetings(tmp_path, "rename-speaker", listed["id"][:6], "me", "Kim")
    meetings(tmp_path, "export", "latest", "-o", str(tmp_path / "out.md"))
    assert "**Kim**" in (tmp_path / "out.md").read_text()
    assert "no format" in meetings(tmp_path, "export", "latest", "-o", str(tmp_path / "out.doc"), status=2)
    again = meetings(tmp_path, "retranscribe", "latest", "--model", "builtin", "--wait", "--json")
    assert (again["state"], again["model"], again["words"] >= 3) == ("done", "builtin", True)
    assert "Kim: Good morning" in meetings(tmp_path, "show", "latest")
    meetings(tmp_path, "rm", "latest")
    assert meetings(tmp_path, "list", "--json") == []
    assert not list((tmp_path / "state").rglob("*.flac"))
    assert "no meeting 'latest'" in meetings(tmp_path, "show", "latest", status=1)


@pytest.mark.long
async def test_a_killed_meeting_is_repaired_by_the_next_one(tmp_path: Path) -> None:
    """After SIGKILL it can be read at once; the next recording finishes it, marked."""
    inputs = ["--input", cut(tmp_path, "me.wav", 0, 20), "--system", "none"]
    async with running("record", *inputs, **home(tmp_path)) as process:
        await line_with(process.stdout, "Good morning")
        process.kill()
        await process.wait()
    (killed,) = meetings(tmp_path, "list", "--json")
    assert killed["state"] == "interrupted"
    assert "me: Good morning" in meetings(tmp_path, "show", killed["id"])
    inputs = ["--input", cut(tmp_path, "next.wav", 0, 2), "--system", "none"]
    async with running("record", *inputs, **home(tmp_path)) as process:
        assert (await over(process))[0] == 0
    states = {one["id"]: one["state"] for one in meetings(tmp_path, "list", "--json")}
    assert (states.pop(killed["id"]), list(states.values())) == ("repaired", ["finished"])
    assert "me: Good morning" in meetings(tmp_path, "show", killed["id"])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--input", "none", "--system", "none"], "leave nothing to record"),
        (["--url", "ws://127.0.0.1:1", "--here"], "--url and --here exclude one another"),
    ],
)
def test_what_cannot_be_is_said(words: list[str], message: str, tmp_path: Path) -> None:
    """In one line, with the status of usage."""
    done = amanuensis("record", *words, env=home(tmp_path))
    assert (done.returncode, message in done.stderr) == (2, True)


async def test_a_meeting_is_recorded_whether_the_daemon_may_or_not(tmp_path: Path) -> None:
    """One of this machine that does not record is left alone; one that was asked for by its address is an error."""
    words = ["--input", cut(tmp_path, "me.wav", 0, 1), "--system", "none"]
    with tempfile.TemporaryDirectory() as run:  # a name that is short enough for a socket
        env = home(tmp_path) | {"XDG_RUNTIME_DIR": run}
        socket = f"unix:{run}/amanuensis/amanuensis.sock"
        async with running("serve", "--listen", socket, "--quiet", **env) as daemon:
            await line_with(daemon.stdout, "listening")
            done = await asyncio.to_thread(amanuensis, "record", *words, env=env)
            assert (done.returncode, "does not record (recording.mode is off): this process" in done.stderr) == (
                0,
                True,
            )
            assert [one["state"] for one in meetings(tmp_path, "list", "--json")] == ["finished"]
            done = await asyncio.to_thread(amanuensis, "record", "--url", socket, *words, env=env)
    assert done.returncode == 1
    assert "this server does not record" in done.stderr
    assert "set recording.mode to asked there, or add --here" in done.stderr


def test_who_records_already_is_named(tmp_path: Path) -> None:
    """Two processes never write into one folder of recordings."""
    words = ["record", "--here", "--input", cut(tmp_path, "me.wav", 0, 1), "--system", "none"]
    place = tmp_path / "state" / "amanuensis" / "recordings"
    with closing(SpoolFolder(place, "recording.max_bytes", 2**30)):
        done = amanuensis(*words, env=home(tmp_path))
    assert done.returncode == 1
    assert f"{place}: another daemon keeps its sessions there" in done.stderr
    assert "end the meeting that is recorded there" in done.stderr

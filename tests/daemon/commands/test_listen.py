"""`amanuensis listen` as a program, with the built-in model; tests/microphone has the microphone."""

from __future__ import annotations

import json
import os
import pty
import shutil
import signal
import socket
import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile

from amanuensis.daemon.commands.common import FORMATS
from amanuensis.daemon.sources.microphone import input_devices
from tests.helpers.programs import ANSWER_S, COMMAND, amanuensis, line_with, over, running


@pytest.fixture(scope="module")
def clip(repository: Path) -> Path:
    """A short synthetic sentence."""
    return repository / "tests" / "data" / "synthetic" / "narrow_seen_003.flac"


def pcm(clip: Path) -> bytes:
    """Its samples as 16-bit PCM at 16 kHz, with a second of silence after it."""
    samples, rate = soundfile.read(clip, dtype="int16")
    assert rate == 16_000
    return np.concatenate([samples, np.zeros(rate, np.int16)]).astype("<i2").tobytes()


def test_a_file_gives_events_and_files(clip: Path, tmp_path: Path) -> None:
    """--json prints numbered events without holes, -o writes the same words in every format; names may be odd."""
    odd = tmp_path / os.fsdecode(b"odd \xff\n .flac")
    shutil.copy(clip, odd)
    done = amanuensis(
        *("listen", "--input", f"file:{odd}", "--speed", "0", "--json"),
        *(word for form in FORMATS for word in ("-o", f"{tmp_path}/a.{form}")),
    )
    assert done.returncode == 0, done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    durable = [event["seq"] for event in events if "seq" in event]
    assert durable == list(range(1, len(durable) + 1))
    said = "".join(word["text"] for event in events if event["type"] == "commit" for word in event["words"]).strip()
    assert said
    assert said == " ".join(event["text"].strip() for event in events if event["type"] == "final")
    assert json.loads((tmp_path / "a.json").read_text())["text"] == said
    assert (tmp_path / "a.txt").read_text() == f"{said}\n"
    assert (tmp_path / "a.md").read_text().endswith(f") {said}\n")
    assert (tmp_path / "a.csv").read_text().endswith(f",said,{said}\n")
    for form in ("srt", "vtt"):
        assert "-->" in (tmp_path / f"a.{form}").read_text()


def test_a_pipe_gets_clean_text(clip: Path) -> None:
    """Raw PCM on standard input, text on standard output: the same as from the file, one line for each utterance."""
    from_file = amanuensis("listen", "--input", f"file:{clip}", "--speed", "0")
    from_wav = amanuensis("transcribe", "--stream", str(clip))
    assert from_file.returncode == 0
    assert from_file.stdout.strip()
    assert from_file.stdout[0].isupper()
    assert from_wav.stdout == from_file.stdout


async def test_stopping_makes_the_last_words_final(clip: Path, tmp_path: Path) -> None:
    """Ctrl-C in the middle of the sound ends with what was heard, status 0 and the file written."""
    output = tmp_path / "a.txt"
    async with running("listen", "--input", "-", "--raw", "s16le", "--json", "-o", str(output)) as process:
        assert process.stdin is not None
        process.stdin.write(pcm(clip)[:-32_000])
        await process.stdin.drain()
        await line_with(process.stdout, '"type":"commit"')
        process.send_signal(signal.SIGINT)
        status, out, _ = await over(process)
    assert status == 0
    *_, final = (event for line in out.splitlines() if (event := json.loads(line))["type"] == "final")
    assert final["reason"] == "end"
    assert output.read_text().strip() == final["text"].strip()


def test_a_file_that_cannot_be_written_costs_no_other(clip: Path, tmp_path: Path) -> None:
    """A full device is named at the end; the words are in the other file and on standard output."""
    full = tmp_path / "full.txt"
    full.symlink_to("/dev/full")
    words = ("-o", str(full), "-o", f"{tmp_path}/a.txt")
    done = amanuensis("listen", "--input", f"file:{clip}", "--speed", "0", *words)
    assert done.returncode == 1
    assert done.stderr.endswith("full.txt: cannot be written (No space left on device)\n")
    assert (tmp_path / "a.txt").read_text() == done.stdout


def test_a_terminal_that_is_closed_is_as_good_as_ctrl_c(tmp_path: Path, repository: Path) -> None:
    """Its window is gone in the middle of the sound: what was heard is final and in the file."""
    words = ["listen", "--input", f"file:{repository / 'daemon/data/demo.flac'}", "-o", f"{tmp_path}/a.txt"]
    terminal, end = pty.openpty()
    command = ["env", "--default-signal=HUP", "setsid", "--ctty", *COMMAND, *words]  # the tests may run under nohup
    process = subprocess.Popen(command, stdin=end, stdout=end, stderr=end)
    os.close(end)
    seen = b""
    while b"Good morning" not in seen:
        seen += os.read(terminal, 65_536)
    os.close(terminal)
    assert process.wait(ANSWER_S) == 0
    text = (tmp_path / "a.txt").read_text()
    assert "Good morning" in text
    assert "goodbye" not in text  # which comes a minute later


async def test_a_socket_is_heard_sender_by_sender(clip: Path) -> None:
    """Each sender's words are final when it leaves, and the program waits for the next one."""
    async with running("listen", "--input", "tcp:127.0.0.1:0") as process:
        address = (await line_with(process.stderr, "waiting for s16le")).split()[-1]
        host, _, port = address.removeprefix("tcp:").rpartition(":")
        lines = []
        for _ in range(2):
            with socket.create_connection((host, int(port))) as sender:
                sender.sendall(pcm(clip))
            lines.append(await line_with(process.stdout, ""))
            await line_with(process.stderr, "waiting for the next one")
        process.send_signal(signal.SIGTERM)
        assert (await over(process))[0] == 0
    assert lines[0] == lines[1]
    assert lines[0].strip()


@pytest.mark.parametrize(
    ("words", "status", "expected"),
    [
        (["--input", "file:/no/such.wav"], 1, "amanuensis: /no/such.wav: no such file"),
        (["--input", "tcp:nonsense"], 1, "write tcp:HOST:PORT"),
        (["--rate", "8000"], 2, "add --raw"),
        (["-o", "talk.doc"], 1, "its name says no format"),
        (["-o", "/dev/null/talk.txt"], 1, "/dev/null is not a folder"),
        (["--input", "-"], 1, "standard input is empty"),
        (["--tick-ms", "1"], 2, "100 to 5000"),
    ],
)
def test_bad_input_gets_one_line(words: list[str], status: int, expected: str) -> None:
    """What cannot be is said in one line, with the exit status of a failure or of a usage error."""
    done = amanuensis("listen", *words, input="")
    assert done.returncode == status
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert expected in done.stderr


@pytest.mark.parametrize(("words", "status"), [([], 1), (["--list-inputs"], 0)])
def test_a_machine_without_a_microphone_is_told_what_to_do(words: list[str], status: int) -> None:
    """Where PortAudio sees no input, one line names the other ways."""
    if input_devices():
        pytest.skip("this machine has a microphone")
    done = amanuensis("listen", *words)
    assert (done.returncode, done.stdout) == (status, "")
    assert done.stderr.count("\n") == 1
    assert "no microphone found" in done.stderr
    assert "--input file:PATH" in done.stderr


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--device", "npu"], "device 'npu'"),
        (["--model", "/no/such/model"], "/no/such/model"),
        (["--language", "xx"], "'xx'"),
    ],
)
def test_what_the_engine_cannot_do_gets_one_line(clip: Path, words: list[str], expected: str) -> None:
    """A device without a back end, a missing model and an unknown language are named."""
    done = amanuensis("listen", "--input", f"file:{clip}", *words)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert expected in done.stderr

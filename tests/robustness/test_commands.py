"""Commands that meet bad input or a full disk fail with one clear line."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from tests.helpers.daemon_process import COMMAND, run_command


def one_line(errors: str, *named: str) -> None:
    """Assert that there is one line on standard error, for people, that names what it is about."""
    lines = errors.strip().splitlines()
    assert len(lines) == 1, errors
    assert lines[0].startswith("amanuensis: ")
    for name in named:
        assert name in lines[0]
    assert "internal error" not in lines[0]


@pytest.fixture
def clip(tmp_path: Path, speech: NDArray[np.float32]) -> Path:
    """A readable recording of a few seconds."""
    soundfile.write(tmp_path / "clip.wav", speech[: 4 * 16_000], 16_000)
    return tmp_path / "clip.wav"


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if os.getuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small file system needs root rights")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


BAD_FILES = {"empty.wav": b"", "noise.wav": bytes(range(256)) * 8, "cut.wav": b"RIFF\x24\x00\x00\x00WAVEfmt "}


@pytest.mark.parametrize("name", BAD_FILES)
def test_unreadable_sound_is_named(builtin_model: Path, tmp_path: Path, clip: Path, name: str) -> None:
    """A file that holds no sound is named with a reason, the others are transcribed all the same, the status is 1."""
    bad = tmp_path / name
    bad.write_bytes(BAD_FILES[name])
    done = run_command("transcribe", "--model", builtin_model, "--json", bad, clip)
    assert done.returncode == 1
    one_line(done.stderr, name)
    (line,) = done.stdout.splitlines()
    assert json.loads(line)["file"].endswith("clip.wav")


def test_sound_without_samples_has_no_text(builtin_model: Path, tmp_path: Path) -> None:
    """A well-formed file of no length is no error: its text is empty."""
    soundfile.write(tmp_path / "nothing.wav", np.zeros(0, np.float32), 16_000)
    done = run_command("transcribe", "--model", builtin_model, "--json", tmp_path / "nothing.wav")
    if done.returncode:
        one_line(done.stderr, "nothing.wav")
    else:
        assert json.loads(done.stdout)["text"] == ""


def test_missing_file_is_named(builtin_model: Path, tmp_path: Path) -> None:
    """A file that does not exist is named."""
    done = run_command("transcribe", "--model", builtin_model, tmp_path / "absent.wav")
    assert done.returncode == 1
    one_line(done.stderr, "absent.wav")


def test_full_disk_at_transcription_is_named(builtin_model: Path, clip: Path) -> None:
    """When standard output cannot take the text, the command says so and fails."""
    command = ["transcribe", "--model", str(builtin_model), "--json", str(clip)]
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*COMMAND, *command], env=buffered, stdout=full, stderr=subprocess.PIPE, text=True, timeout=120, check=False
        )
    assert done.returncode == 1
    one_line(done.stderr, "No space left on device")


def test_full_disk_at_export_is_named_and_leaves_nothing(builtin_model: Path, tiny_disk: Path) -> None:
    """An export that does not fit says so, fails, and leaves no half of a model behind."""
    done = run_command("models", "export", builtin_model, tiny_disk / "model")
    assert done.returncode == 1
    one_line(done.stderr, str(tiny_disk))
    assert "space" in done.stderr
    assert list(tiny_disk.iterdir()) == []


def break_weights(folder: Path) -> str:
    """Cut the weights in half."""
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[: weights.stat().st_size // 2])
    return "model.safetensors"


def break_header(folder: Path) -> str:
    """Write nonsense over the beginning of the weights."""
    weights = folder / "model.safetensors"
    weights.write_bytes(b"\xff" * 64 + weights.read_bytes()[64:])
    return "model.safetensors"


def break_config(folder: Path) -> str:
    """Make the configuration unreadable."""
    (folder / "config.json").write_text("{")
    return "config.json"


def break_shape(folder: Path) -> str:
    """Let the configuration disagree with the weights."""
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "d_model": config["d_model"] * 2}))
    return "shape"


def break_kind(folder: Path) -> str:
    """Let it be no Whisper model."""
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "model_type": "wav2vec2"}))
    return "wav2vec2"


def remove_tokenizer(folder: Path) -> str:
    """Take the tokeniser away."""
    (folder / "tokenizer.json").unlink()
    return "tokenizer.json"


def remove_all(folder: Path) -> str:
    """Leave an empty folder."""
    shutil.rmtree(folder)
    folder.mkdir()
    return "config.json"


BREAKAGES = (break_weights, break_header, break_config, break_shape, break_kind, remove_tokenizer, remove_all)


@pytest.mark.parametrize("damage", BREAKAGES, ids=lambda damage: damage.__name__)
def test_broken_model_is_named(builtin_model: Path, tmp_path: Path, damage: object) -> None:
    """A broken model folder stops the daemon at once with one line that names the file or the fault."""
    folder = tmp_path / "model"
    shutil.copytree(builtin_model, folder, ignore=shutil.ignore_patterns(".*"))
    assert callable(damage)
    named = damage(folder)
    done = run_command("serve", "--listen", "127.0.0.1:0", "--model", folder)
    assert done.returncode == 1
    assert done.stdout == ""
    one_line(done.stderr, named)


def test_port_in_use_is_named(builtin_model: Path) -> None:
    """A second daemon on the same port fails with a line that names the address and what to do."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        done = run_command("serve", "--listen", address, "--model", builtin_model)
    assert done.returncode == 1
    one_line(done.stderr, address, "--listen")


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["serve", "--listen", "nowhere"], "nowhere"),
        (["serve", "--listen", "0.0.0.0:0"], "token"),
        (["transcribe", "--device", "npu", "clip.wav"], "npu"),
        (["serve", "--model", "/no/such/model"], "/no/such/model"),
        (["transcribe", "--model", "no-such-name", "clip.wav"], "no-such-name"),
        (["serve", "--threads", "-1"], "-1"),
    ],
)
def test_wrong_settings_are_named(builtin_model: Path, clip: Path, words: list[str], named: str) -> None:
    """A wrong flag fails with one line that names its value."""
    done = run_command(*(str(clip) if word == "clip.wav" else word for word in words))
    assert done.returncode in (1, 2)
    one_line(done.stderr, named)

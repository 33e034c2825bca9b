"""Voices with a name, kept on this machine only."""

from __future__ import annotations

import base64
import json
import stat
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from amanuensis.daemon.enrolled import MAX_BYTES, EnrolError, EnrolledVoice, VoiceFile
from amanuensis.stream.voice_book import MAX_KNOWN


def voice(name: str, k: int = 0, model: str = "pitch", dim: int = 100) -> EnrolledVoice:
    """Return a voice whose vector is one axis."""
    return EnrolledVoice(name, model, np.eye(1, dim, k, dtype=np.float32)[0], 12.0)


def plain(**changes: Any) -> dict[str, Any]:
    """Return a voice as it is in the file, with changes."""
    vector = base64.b64encode(np.eye(1, 4, dtype="<f4").tobytes()).decode()
    return {"name": "Anna", "model": "pitch", "speech_s": 12.0, "vector": vector, **changes}


def packed(*numbers: float) -> str:
    """Return a vector as it is in the file."""
    return base64.b64encode(np.array(numbers, "<f4").tobytes()).decode()


def test_voices_are_kept_for_their_owner_alone(tmp_path: Path) -> None:
    """In the order in which they came, one of a name; the file has mode 0600, and removing leaves no trace in it."""
    file = VoiceFile.of({"XDG_DATA_HOME": str(tmp_path)})
    assert file.read() == []
    for one in (voice("Anna"), voice("Björn", 1), voice("Anna", 2)):
        file.put(one)
    assert [(one.name, int(one.vector.argmax())) for one in file.read()] == [("Björn", 1), ("Anna", 2)]
    assert file.path == tmp_path / "amanuensis" / "speakers.json"
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    file.remove(" Bjo\u0308rn")
    assert "Bj" not in file.path.read_text()
    with pytest.raises(EnrolError, match="no voice 'Björn' is enrolled; there is: Anna"):
        file.remove("Björn")
    assert list(file.path.parent.iterdir()) == [file.path]


def test_a_service_keeps_them_with_its_state(tmp_path: Path) -> None:
    """Where systemd says."""
    assert VoiceFile.of({"STATE_DIRECTORY": f"{tmp_path}:/other"}).path == tmp_path / "speakers.json"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("", "Expecting value"),
        ("[]", "no version or no voices"),
        ("[" * 100_000, "recursion"),
        ('{"version": 1, "voices": ' + "[" * 100_000, "recursion"),
        ("\xff", "codec"),
        ('{"version": 2, "voices": []}', "its version is 2; this program knows 1"),
        ('{"version": 1, "voices": {}}', "no version or no voices"),
        ('{"version": 1, "voices": [{"name": "x"}]}', "voice 1 lacks"),
        ('{"version": 1, "voices": [3]}', "voice 1 lacks"),
        (json.dumps({"version": 1, "voices": [plain()] * (MAX_KNOWN + 1)}), "there are 101 voices, more than 100"),
        (json.dumps({"version": 1, "voices": [plain(), plain(name="Anna ")]}), "two voices have one name"),
    ],
)
def test_a_file_that_is_none_is_refused(tmp_path: Path, content: str, why: str) -> None:
    """With a line that says why, and what to do."""
    path = tmp_path / "speakers.json"
    path.touch(0o600)
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(EnrolError, match=f"these are no enrolled voices .*{why}.*; move the file away and enrol again"):
        VoiceFile(path).read()


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"name": 3}, "voice 1 lacks a name"),
        ({"name": ""}, "name '' is not allowed"),
        ({"name": "a\x1b[2J"}, "name 'a.*' is not allowed"),
        ({"name": "x" * 10_000}, "name 'x{41}' is not allowed"),
        ({"name": "A"}, "name 'A' is not allowed"),
        ({"model": "a\nb"}, "is no name of a model"),
        ({"model": ""}, "is no name of a model"),
        ({"speech_s": float("nan")}, "speech_s of 'Anna' is nan"),
        ({"speech_s": -1}, "speech_s of 'Anna' is -1"),
        ({"speech_s": "12"}, "voice 1 lacks"),
        ({"speech_s": 10**400}, "voice 1: "),
        ({"vector": "?"}, "voice 1: "),
        ({"vector": "AAAA"}, "voice 1: buffer size"),
        ({"vector": ""}, "has length 0, not 1"),
        ({"vector": packed(0, 0, 0)}, "has length 0, not 1"),
        ({"vector": packed(1, float("nan"))}, "has length nan, not 1"),
        ({"vector": packed(float("inf"), 0)}, "has length nan, not 1"),
        ({"vector": packed(3e38, 3e38)}, "has length 4.*, not 1"),
        ({"vector": [1.0, 0.0]}, "voice 1 lacks"),
    ],
)
def test_a_voice_that_is_none_is_refused(tmp_path: Path, change: dict[str, Any], why: str) -> None:
    """Each thing that is kept of it is looked at, and the line that is said steers no terminal."""
    path = tmp_path / "speakers.json"
    path.touch(0o600)
    path.write_text(json.dumps({"version": 1, "voices": [plain(**change)]}))
    with pytest.raises(EnrolError, match=f"these are no enrolled voices .*{why}") as caught:
        VoiceFile(path).read()
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 500


def test_a_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    """Neither read nor changed before its owner has looked at it."""
    file = VoiceFile(tmp_path / "speakers.json")
    file.put(voice("Anna"))
    file.path.chmod(0o640)
    for act in (file.read, lambda: file.remove("Anna"), lambda: file.put(voice("Ben"))):
        with pytest.raises(EnrolError, match="has mode 0640: others could read or change it; chmod 600"):
            act()


def test_a_link_stays_one_and_what_it_leads_to_is_changed(tmp_path: Path) -> None:
    """Else a voice that is removed would stay there."""
    target, link = tmp_path / "elsewhere" / "v.json", tmp_path / "speakers.json"
    target.parent.mkdir()
    link.symlink_to(target)
    VoiceFile(link).put(voice("Anna"))
    assert "Anna" in target.read_text()
    VoiceFile(link).remove("Anna")
    assert link.is_symlink()
    assert "Anna" not in target.read_text()
    link.unlink()
    link.symlink_to(link)
    with pytest.raises(EnrolError, match=r"speakers\.json"):
        VoiceFile(link).put(voice("Anna"))


def test_changes_at_once_lose_nothing(tmp_path: Path) -> None:
    """Voices that are put and removed at the same time are there and gone, and every reader sees a whole file."""
    file = VoiceFile(tmp_path / "speakers.json")
    for k in range(8):
        file.put(voice(f"old {k}"))
    seen: list[int] = []

    def change(k: int) -> None:
        file.put(voice(f"new {k}"))
        seen.append(len(file.read()))
        file.remove(f"old {k}")

    threads = [threading.Thread(target=change, args=(k,)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {one.name for one in file.read()} == {f"new {k}" for k in range(8)}
    assert len(seen) == 8


def test_as_many_as_may_be_are_read_again(tmp_path: Path) -> None:
    """A hundred voices of the longest vectors fit; one more is refused, but for one that takes another's place."""
    path = tmp_path / "speakers.json"
    path.touch(0o600)
    vector = base64.b64encode(np.eye(1, 4096, dtype="<f4").tobytes()).decode()
    path.write_text(json.dumps({"version": 1, "voices": [plain(name=f"v {k}", vector=vector) for k in range(100)]}))
    assert path.stat().st_size < MAX_BYTES
    file = VoiceFile(path)
    with pytest.raises(EnrolError, match="100 voices are enrolled, which is the most: remove one first"):
        file.put(voice("Anna"))
    assert len(file.put(voice("v 7"))) == 99
    assert len(file.read()) == 100

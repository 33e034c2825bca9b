"""The enrolled voices that a running process compares with."""

from __future__ import annotations

import logging
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from amanuensis.daemon.enrolled import EnrolError, EnrolledVoice, VoiceFile
from amanuensis.daemon.known_voices import KnownVoices
from amanuensis.daemon.voice_desk import VoiceDesk
from amanuensis.stream.config import StreamConfig
from tests.helpers.voices import PitchEmbedder


def voice(name: str, k: int = 0, model: str = "pitch", dim: int = 100) -> EnrolledVoice:
    """Return a voice whose vector is one axis."""
    return EnrolledVoice(name, model, np.eye(1, dim, k, dtype=np.float32)[0], 12.0)


def test_only_vectors_of_the_same_model_are_compared(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Of another one a vector says nothing: that there are such is said, and whose they are is not."""
    file = VoiceFile(tmp_path / "speakers.json")
    for one in (voice("Anna"), voice("Ben", 1, model="other"), voice("Carla", 1, dim=50)):
        file.put(one)
    with caplog.at_level(logging.WARNING):
        assert list(KnownVoices(file, PitchEmbedder()).vectors()) == ["Anna"]
    assert "2 of 3 voices are of another speaker model: enrol them again" in caplog.text
    assert "Ben" not in caplog.text


def test_changes_are_known_to_sessions_that_begin_afterwards(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """One that goes on keeps those that it began with; a file that cannot be read any more means nobody."""
    config = StreamConfig(known_speakers=True)
    file = VoiceFile(tmp_path / "speakers.json")
    known = KnownVoices(file, PitchEmbedder())

    def names(desk: VoiceDesk) -> list[str]:
        rules = desk.rules(config, live=True)
        assert rules is not None
        return list(rules.known or ())

    with closing(VoiceDesk(PitchEmbedder(), known)) as desk:
        assert names(desk) == []
        assert "nobody is enrolled" in caplog.text
        file.put(voice("Anna"))
        file.put(voice("Ben", 1))
        begun = desk.rules(config, live=True)
        assert names(desk) == ["Anna", "Ben"]
        file.remove("Anna")
        assert names(desk) == ["Ben"]
        assert begun is not None
        assert list(begun.known or ()) == ["Anna", "Ben"]
        file.path.chmod(0o644)
        assert names(desk) == []
        assert "nobody is known by name" in caplog.text
        file.path.chmod(0o600)
        assert names(desk) == ["Ben"]
        file.path.unlink()
        assert names(desk) == []


def test_a_file_that_cannot_be_read_is_said_at_the_start(tmp_path: Path) -> None:
    """A daemon that was told to know voices does not begin without them; one that may be told later does not look."""
    file = VoiceFile(tmp_path / "speakers.json")
    file.path.mkdir()
    with pytest.raises(EnrolError, match="Is a directory"):
        VoiceDesk.open(tmp_path / "model", file, known=True)
    with closing(VoiceDesk.open(tmp_path / "model", file, known=False)) as desk:
        assert desk.rules(StreamConfig(), live=True) is not None
        rules = desk.rules(StreamConfig(known_speakers=True), live=True)
    assert rules is not None
    assert rules.known == {}

"""Voices with a name, kept on this machine only."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import numpy as np
import pytest

from amanuensis.daemon.enrolled import EnrolError, EnrolledVoice, VoiceFile, check_name, enrol
from amanuensis.daemon.voice_desk import VoiceDesk
from amanuensis.npu.speakers import load_embedder
from tests.helpers.tone_engine import say
from tests.helpers.voices import PitchEmbedder

WORDS = [0, 3, 1, 6, 2, 4, 5, 0, 2, 6] * 3


def voice(name: str, k: int = 0, model: str = "pitch") -> EnrolledVoice:
    """Return a voice whose vector is one axis."""
    return EnrolledVoice(name, model, np.eye(100, dtype=np.float32)[k], 12.0)


def test_voices_are_kept_for_their_owner_alone(tmp_path: Path) -> None:
    """In the order in which they came, one of a name; the file has mode 0600, and removing leaves no trace in it."""
    file = VoiceFile.of({"XDG_DATA_HOME": str(tmp_path)})
    assert file.read() == []
    for one in (voice("Anna"), voice("Björn", 1), voice("Anna", 2)):
        file.put(one)
    assert [(one.name, int(one.vector.argmax())) for one in file.read()] == [("Björn", 1), ("Anna", 2)]
    assert file.path == tmp_path / "amanuensis" / "speakers.json"
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    file.remove("Anna")
    assert "Anna" not in file.path.read_text()
    with pytest.raises(EnrolError, match="no voice 'Anna' is enrolled; there is: Björn"):
        file.remove("Anna")


def test_a_service_keeps_them_with_its_state(tmp_path: Path) -> None:
    """Where systemd says."""
    assert VoiceFile.of({"STATE_DIRECTORY": f"{tmp_path}:/other"}).path == tmp_path / "speakers.json"


@pytest.mark.parametrize(
    "content", ["", "[]", '{"version": 2, "voices": []}', '{"version": 1, "voices": [{"name": "x"}]}']
)
def test_a_file_that_is_none_is_refused(tmp_path: Path, content: str) -> None:
    """With a line that says what to do."""
    path = tmp_path / "speakers.json"
    path.write_text(content)
    with pytest.raises(EnrolError, match="these are no enrolled voices"):
        VoiceFile(path).read()


def test_only_vectors_of_the_same_model_are_used(tmp_path: Path) -> None:
    """A vector of another model says nothing."""
    file = VoiceFile(tmp_path / "speakers.json")
    for one in (voice("Anna"), voice("Ben", 1, model="other")):
        file.put(one)
    assert list(file.vectors(PitchEmbedder())) == ["Anna"]


@pytest.mark.parametrize("name", ["", "  ", "A", "ZZ", "x" * 41, "a\nb", "a\x1b[0m"])
def test_names_that_are_none(name: str) -> None:
    """Letters are what voices without a name are called, and nothing may steer a terminal."""
    with pytest.raises(EnrolError, match="is not allowed"):
        check_name(name)


def test_a_voice_is_enrolled_from_its_speech() -> None:
    """The vector is like every other recording of it, and unlike another voice."""
    embedder = PitchEmbedder()
    low, again, high = (enrol("Anna", say(WORDS, pitch_hz=hz), embedder) for hz in (120.0, 120.0, 190.0))
    assert low.vector @ again.vector > 0.9
    assert low.vector @ high.vector < 0.5
    assert low.speech_s > 5


def test_too_little_speech_or_two_voices_are_refused() -> None:
    """What is wrong is said, with what is wanted."""
    embedder = PitchEmbedder()
    with pytest.raises(EnrolError, match="are too few to know a voice by: give at least 5 s"):
        enrol("Anna", say(WORDS[:5]), embedder)
    with pytest.raises(EnrolError, match=r"0\.0 s of speech"):
        enrol("Anna", np.zeros(0, np.float32), embedder)
    both = np.concatenate([say(WORDS, pitch_hz=hz) for hz in (120.0, 190.0)])
    with pytest.raises(EnrolError, match="unlike the rest: give a recording of one voice alone"):
        enrol("Anna", both, embedder)


def test_the_desk_takes_known_voices_of_the_built_in_model(tmp_path: Path) -> None:
    """Enrolled with the embedder that it loads, they are in the rules of a stream that wants them."""
    embedder = load_embedder(None)
    file = VoiceFile(tmp_path / "speakers.json")
    file.put(enrol("Anna", say(WORDS), embedder))
    assert len(json.loads(file.path.read_text())["voices"]) == 1
    assert list(file.vectors(embedder)) == ["Anna"]
    VoiceDesk(embedder, file.vectors(embedder)).close()

"""Transcripts into files."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest

from amanuensis.daemon import outputs
from amanuensis.daemon.outputs import FORMATS, OutputError, Transcript, check_place, format_for, write_transcript
from amanuensis.npu.atomic import WriteError
from amanuensis.stream.events import Commit, SpeakerRevised, Speech, Word

HELLO = (Word(" hello", 100, 400, 0.9), Word(" there", 400, 900, 0.8))
BYE = (Word(" bye", 3000, 3300, 0.7),)


def test_a_transcript_keeps_the_words_of_each_utterance() -> None:
    """Commits of utterances that overlap are sorted out; other events carry no words."""
    transcript = Transcript()
    for event in (Commit(1, HELLO[:1]), Speech(True, 0), Commit(2, BYE), Commit(1, HELLO[1:])):
        transcript.add(event)
    assert transcript.utterances == [HELLO, BYE]
    assert transcript.words == [*HELLO, *BYE]
    assert transcript.text == "hello there bye"


def test_a_speaker_is_put_right() -> None:
    """Words get another speaker by utterance and index; what is not there is left alone."""
    transcript = Transcript()
    for event in (Commit(1, HELLO), SpeakerRevised(((1, 1, "B"), (1, 7, "C"), (4, 0, "D")))):
        transcript.add(event)
    assert [word.spk for word in transcript.words] == [None, "B"]


def test_a_transcript_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Words beyond the bound are counted, not kept."""
    monkeypatch.setattr(outputs, "MAX_WORDS", 3)
    transcript = Transcript()
    for utt in range(3):
        transcript.add(Commit(utt, HELLO))
    assert len(transcript.words) == 3
    assert transcript.dropped == 3
    assert transcript.shortfall is not None
    assert "last 3 words" in transcript.shortfall


@pytest.mark.parametrize(
    ("name", "wanted", "expected"), [("a.srt", None, "srt"), ("a.VTT", None, "vtt"), ("a", "json", "json")]
)
def test_the_format_is_what_is_asked_for_or_what_the_name_ends_in(name: str, wanted: str | None, expected: str) -> None:
    """A format that is asked for wins."""
    assert format_for(Path(name), wanted) == expected


def test_a_name_without_a_format_is_refused() -> None:
    """The message names the formats."""
    with pytest.raises(OutputError, match=r"talk\.doc.*\.txt, \.md, \.srt, \.vtt, \.json, \.csv"):
        format_for(Path("talk.doc"), None)


@pytest.mark.parametrize(
    ("chosen", "beginning"),
    [
        ("txt", "hello there\nbye\n"),
        ("md", "# Transcript\n\n(0:00:00) hello there\n\n(0:00:03) bye\n"),
        ("srt", "1\n00:00:00,100 --> "),
        ("vtt", "WEBVTT\n\n00:00:00.100 --> "),
        ("csv", "from_ms,to_ms,track,speaker,kind,text\n100,900,,,said,hello there\n3000,3300,,,said,bye\n"),
    ],
)
def test_files_hold_the_text_in_their_format(tmp_path: Path, chosen: str, beginning: str) -> None:
    """Text has a line for each utterance; subtitles begin with the first cue."""
    path = tmp_path / "new" / f"talk.{chosen}"
    write_transcript(path, chosen, [HELLO, BYE])
    assert path.read_text(encoding="utf-8").startswith(beginning)
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("chosen", ["txt", "json", "srt", "vtt"])
def test_files_hold_the_times_of_words(tmp_path: Path, chosen: str) -> None:
    """Every format has a form with word times."""
    path = tmp_path / f"talk.{chosen}"
    write_transcript(path, chosen, [(Word(" one", 1000, 1200, 0.9), Word(" two", 1200, 1500, 0.9))], word_times=True)
    text = path.read_text()
    assert "1.2" in text or "1,2" in text or "1200" in text


def test_json_files_can_be_read_back(tmp_path: Path) -> None:
    """The JSON file holds the utterances."""
    write_transcript(tmp_path / "a.json", "json", [HELLO, BYE])
    assert json.loads((tmp_path / "a.json").read_text())["text"] == "hello there bye"


def test_speakers_are_told_apart_in_documents() -> None:
    """A change of speaker within an utterance begins a paragraph and a row of its own."""
    words = [Word(" so", 0, 400, 0.9, "Ann"), Word(" yes", 500, 900, 0.9, "Bob"), Word(" ", 900, 901, 0.9, "Ann")]
    assert FORMATS["md"]([words]).endswith("**Ann** (0:00:00): so\n\n**Bob** (0:00:00): yes\n")
    assert FORMATS["csv"]([words]).splitlines()[1:] == ["0,400,,Ann,said,so", "500,900,,Bob,said,yes"]


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("folder", "a folder of that name exists"),
        ("file/a.txt", "file is not a folder"),
        ("é" * 130 + ".txt", "the name is too long: 240 bytes"),
    ],
)
def test_a_place_where_nothing_can_be_written_is_found_at_once(tmp_path: Path, name: str, problem: str) -> None:
    """What would only fail at the end, with everything said already, is told before."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=problem):
        check_place(tmp_path / name)
    check_place(tmp_path / "new" / "a.txt")
    check_place(tmp_path / "file")
    assert not (tmp_path / "new").exists()


def test_a_folder_in_the_way_is_named(tmp_path: Path) -> None:
    """A folder is not replaced by a file."""
    (tmp_path / "a.txt").mkdir()
    with pytest.raises(OutputError, match="a folder of that name exists"):
        write_transcript(tmp_path / "a.txt", "txt", [HELLO])


def test_a_full_device_is_named() -> None:
    """Writing into a device that is full is one clear line."""
    with pytest.raises(OutputError, match=r"/dev/full: cannot be written \(No space left on device\)"):
        write_transcript(Path("/dev/full"), "txt", [HELLO])


def test_a_full_disk_leaves_no_half_file_and_the_old_one_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the disk is full at the last moment, the old file stands and nothing else is left."""

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    path = tmp_path / "a.txt"
    path.write_text("old")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(WriteError, match="No space left on device"):
        write_transcript(path, "txt", [HELLO])
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]

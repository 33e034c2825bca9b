"""What `amanuensis transcribe` writes where."""

from __future__ import annotations

from pathlib import Path

import pytest

from amanuensis.daemon.batch import Job
from amanuensis.daemon.commands import transcribe
from amanuensis.daemon.commands.common import UsageError
from amanuensis.daemon.commands.transcribe import plan
from amanuensis.daemon.main import build_parser


def test_without_an_output_everything_is_printed() -> None:
    """No -o means standard output."""
    assert plan(["a.wav", "-"], [], None) == [Job("a.wav"), Job("-")]
    assert plan(["a.wav"], ["srt"], None) == [Job("a.wav")]


@pytest.mark.parametrize(
    ("formats", "output", "expected"),
    [([], "talk.srt", "srt"), (["vtt"], "talk", "vtt"), (["json"], "talk.srt", "json"), ([], "/dev/full.txt", "txt")],
)
def test_one_file_goes_where_it_is_told(formats: list[str], output: str, expected: str) -> None:
    """The format is that of -f, else that of the name."""
    assert plan(["a.wav"], formats, output) == [Job("a.wav", ((Path(output), expected),))]


def test_a_folder_gets_a_file_for_each_input_and_format(tmp_path: Path) -> None:
    """Several inputs, several formats, a folder that exists or a name that ends in / mean a folder."""
    folder = str(tmp_path / "out")
    both = (Path(folder, "a.srt"), "srt"), (Path(folder, "a.txt"), "txt")
    assert plan(["x/a.wav"], ["srt", "txt", "srt"], folder) == [Job("x/a.wav", both)]
    assert plan(["a.wav"], [], folder + "/") == [Job("a.wav", ((Path(folder, "a.txt"), "txt"),))]
    assert plan(["a.wav"], [], str(tmp_path)) == [Job("a.wav", ((tmp_path / "a.txt", "txt"),))]
    assert [job.outputs[0][0].name for job in plan(["b.ogg", "-"], [], folder)] == ["b.txt", "stdin.txt"]


@pytest.mark.parametrize(
    ("files", "formats", "output", "expected"),
    [
        (["a.wav", "b.wav"], ["srt"], None, "add -o FOLDER"),
        (["a.wav"], ["srt", "vtt"], None, "add -o FOLDER"),
        (["-", "-"], [], None, "only once"),
        (["a.wav"], [], "talk.doc", r"\.txt, \.md, \.srt, \.vtt, \.json, \.csv"),
        (["x/a.wav", "y/a.wav"], [], "out/", "would replace x/a.wav"),
        (["x/a.wav", "y/a.flac"], [], "out/", "would replace x/a.wav"),
        (["out/a.txt"], [], "out/", "would replace out/a.txt"),
        (["a.srt"], [], "a.srt", "would replace a.srt"),
    ],
)
def test_plans_that_cannot_be(files: list[str], formats: list[str], output: str | None, expected: str) -> None:
    """Results that do not fit or would replace each other or an input are refused before any work."""
    with pytest.raises(UsageError, match=expected):
        plan(files, formats, output)


def test_a_format_without_times_of_words_is_refused() -> None:
    """Before any work, with those that have them."""
    args = build_parser("transcribe", transcribe).parse_args(["transcribe", "a.wav", "-f", "md", "--word-times"])
    with pytest.raises(UsageError, match="md has no times of words; choose txt, srt, vtt, json, csv"):
        transcribe.run(args)


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ([], "is a folder: say where its texts go: -o FOLDER"),
        (["-o", "out", "--json"], "--json is not for folders: name the files"),
        (["-o", "out", "--stream"], "--stream is not for folders"),
        (["-o", "out", "-f", "md", "--word-times"], "md has no times of words"),
    ],
)
def test_folders_that_cannot_be_done_are_refused(tmp_path: Path, flags: list[str], expected: str) -> None:
    """Before any work."""
    (tmp_path / "a.wav").touch()
    args = build_parser("transcribe", transcribe).parse_args(["transcribe", str(tmp_path), *flags])
    with pytest.raises(UsageError, match=expected):
        transcribe.run(args)

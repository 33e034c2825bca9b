"""What `amanuensis archive` refuses, and what it says."""

from __future__ import annotations

from pathlib import Path

import pytest

from amanuensis.daemon.archive.run import Tally
from amanuensis.daemon.commands import archive
from amanuensis.daemon.commands.archive import summary
from amanuensis.daemon.commands.common import UsageError
from amanuensis.daemon.main import build_parser, main


def run(*words: str) -> int:
    """Run the command up to where the work would begin."""
    return archive.run(build_parser("archive", archive).parse_args(["archive", *words]))


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ([], "line 1: nothing would be written of it: add -o FOLDER, `outputs` or --meetings"),
        (["-o", "list.txt"], "-o .*list.txt: not a folder"),
        (["-o", "out", "-f", "md", "--word-times"], "md has no times of words"),
    ],
)
def test_work_that_cannot_be_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flags: list[str], expected: str
) -> None:
    """Before anything is done."""
    (tmp_path / "list.txt").write_text("a.wav\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=expected):
        run("run", "list.txt", *flags)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["list.txt"]


def test_a_bad_manifest_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the number of its line, and status 1."""
    (tmp_path / "list.jsonl").write_text('{"file": "a.wav"}\n{"file": "b.wav"\n')
    assert main(["archive", "run", str(tmp_path / "list.jsonl"), "-o", str(tmp_path / "out")]) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"amanuensis: {tmp_path}/list.jsonl, line 2: not JSON")
    assert said.count("\n") == 1


def test_status_of_what_was_never_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All of it is left."""
    (tmp_path / "list.txt").write_text("a.wav\nb.wav\n")
    assert run("status", str(tmp_path / "list.txt")) == 1
    assert capsys.readouterr().out == "0 of 2 files done (0.0 min, 0 words), 0 failed, 2 left\n"


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (Tally(3, 3, 0, 0, 40, 90_000), "3 of 3 files are done (1.5 min, 40 words)"),
        (
            Tally(9, 5, 1, 3, 9000, 9_000_000),
            "5 of 9 files are done (2.5 h, 9000 words), 1 with parts that were not transcribed, 3 failed; see there",
        ),
    ],
)
def test_the_last_line_says_it_all(found: Tally, expected: str) -> None:
    """What is done, what is not, and what to do."""
    assert summary(found, "; see there") == expected

"""What is kept of an archive, whatever becomes of who keeps it."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from amanuensis.daemon.archive.state import Note, Source, StateError, open_state, read_notes, state_path, why_again
from tests.helpers.small_disk import small_disk

DONE = Note("/a.wav", "done", "s", Source(3, 4), {"/a.txt": "beef"}, 1, "", {"words": 2})


def test_notes_are_there_again(tmp_path: Path) -> None:
    """The newest of each file, also of names that are no text."""
    path = tmp_path / "deep" / "x.state"
    odd = Note(os.fsdecode(b"/\xff.wav"), "failed", reason="no such file")
    assert read_notes(path) == {}
    with open_state(path) as state:
        for note in (replace(DONE, fate="writing"), odd, DONE):
            state.put(note)
    assert read_notes(path) == {DONE.file: DONE, odd.file: odd}
    with open_state(path) as state:
        assert state.notes == {DONE.file: DONE, odd.file: odd}


@pytest.mark.parametrize("cut", [1, 20, 60])
def test_a_torn_line_is_as_if_it_was_not_written(tmp_path: Path, cut: int) -> None:
    """A process that is killed while it writes leaves what was kept before, and the next one goes on behind it."""
    path = tmp_path / "x.state"
    with open_state(path) as state:
        state.put(DONE)
    whole = path.read_bytes()
    path.write_bytes(whole + replace(DONE, file="/b.wav").to_line()[:-cut])
    assert read_notes(path) == {DONE.file: DONE}
    with open_state(path) as state:
        assert path.read_bytes() == whole
        state.put(replace(DONE, file="/c.wav"))
    assert list(read_notes(path)) == ["/a.wav", "/c.wav"]


def test_even_a_torn_header_is_no_hindrance(tmp_path: Path) -> None:
    """Killed as the very first thing."""
    path = tmp_path / "x.state"
    path.write_bytes(b'{"amanu')
    with open_state(path) as state:
        state.put(DONE)
    assert read_notes(path) == {DONE.file: DONE}


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"{}\n", "line 1: damaged .*not the state of an archive"),
        (b'{"amanuensis_archive": 2}\n', "line 1: damaged .*another version"),
        (b'{"amanuensis_archive": 1}\n{"file": "/a.wav"}\n', "line 2: damaged .*no note of a file"),
        (b'{"amanuensis_archive": 1}\nnonsense\n', "line 2: damaged"),
        (
            b'{"amanuensis_archive": 1}\n' + DONE.to_line().replace(b"[3,4]", b"[3,Infinity]"),
            "line 2: damaged .*no note of a file",
        ),
        (b'{"amanuensis_archive": 1}\n' + DONE.to_line().replace(b'"words":2', b'"words":"x"'), "line 2: damaged"),
        (b"hello\nworld\n", "line 1: damaged .*--state"),
    ],
)
def test_what_is_no_state_is_left_as_it_is(tmp_path: Path, line: bytes, expected: str) -> None:
    """Nothing is written to a file that somebody else made."""
    path = tmp_path / "x.state"
    path.write_bytes(line)
    with pytest.raises(StateError, match=expected), open_state(path):
        pass
    assert path.read_bytes() == line


def test_a_second_run_is_refused(tmp_path: Path) -> None:
    """While the first one works; status may look."""
    path = tmp_path / "x.state"
    with open_state(path) as state:
        state.put(DONE)
        with pytest.raises(StateError, match="another run works on this archive"), open_state(path):
            pass
        assert read_notes(path) == {DONE.file: DONE}
    with open_state(path) as state:
        assert state.notes


def test_a_full_disk_is_told_and_harms_nothing(tmp_path: Path) -> None:
    """What was kept stays whole, and with room it goes on."""
    with small_disk(tmp_path, 64) as disk:
        path = disk / "x.state"
        with open_state(path) as state:
            state.put(DONE)
            (disk / "ballast").write_bytes(bytes(56 * 1024))
            big = replace(DONE, file="/b.wav", reason="x" * 9000)
            with pytest.raises(StateError, match="make room and run again"):
                state.put(big)
            assert state.notes == {DONE.file: DONE}
            (disk / "ballast").unlink()
            state.put(big)
        assert read_notes(path) == {DONE.file: DONE, big.file: big}


def test_it_lies_beside_the_manifest() -> None:
    """Of a folder too."""
    assert state_path(Path("/x/talks.jsonl")) == Path("/x/talks.jsonl.state")
    assert state_path(Path("/x/talks/")) == Path("/x/talks.state")


@pytest.mark.parametrize(
    ("note", "source", "settings", "outputs", "expected"),
    [
        (None, Source(3, 4), "s", ["/a.txt"], ""),
        (replace(DONE, fate="failed"), Source(3, 4), "s", ["/a.txt"], ""),
        (replace(DONE, fate="writing"), Source(3, 4), "s", ["/a.txt"], ""),
        (replace(DONE, fate="incomplete"), Source(3, 4), "s", ["/a.txt"], ""),
        (DONE, Source(3, 4), "s", ["/a.txt"], None),
        (DONE, None, "s", ["/a.txt"], None),
        (DONE, Source(4, 4), "s", ["/a.txt"], "its sound has changed"),
        (DONE, Source(3, 5), "s", ["/a.txt"], "its sound has changed"),
        (DONE, Source(3, 4), "t", ["/a.txt"], "the settings have changed"),
        (DONE, Source(3, 4), "s", ["/a.txt", "/a.srt"], "the settings have changed"),
    ],
)
def test_what_is_done_again(
    note: Note | None, source: Source | None, settings: str, outputs: list[str], expected: str | None
) -> None:
    """What failed, and what changed since; not what is done, even if its sound is gone."""
    assert why_again(note, source, settings, map(Path, outputs)) == expected

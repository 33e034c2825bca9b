"""What manifests and folders say is to be done."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from amanuensis.daemon.archive import manifest as module
from amanuensis.daemon.archive.manifest import Entry, Layout, ManifestError, named_entries, read_manifest


def written(folder: Path, text: str, name: str = "talks.jsonl") -> Path:
    """Return a manifest."""
    path = folder / name
    path.write_text(text)
    return path


def test_json_lines_say_what_is_wanted_of_each(tmp_path: Path) -> None:
    """Paths are relative to the manifest; what a line leaves out is as the layout says."""
    lines = (
        '{"file": "a.wav", "language": "en", "title": "A"}\n\n{"file": "x/b.ogg", "outputs": ["t/b.srt", "b.txt"]}\n'
    )
    place = written(tmp_path, lines)
    first, second = read_manifest(place, Layout(tmp_path / "out", ("txt", "srt")))
    outputs = ((tmp_path / "out/a.txt", "txt"), (tmp_path / "out/a.srt", "srt"))
    assert first == Entry(tmp_path / "a.wav", "a.wav", f"{place}, line 1", outputs, "en", "A")
    assert second.file == tmp_path / "x/b.ogg"
    assert second.where == f"{place}, line 3"
    assert second.outputs == ((tmp_path / "out/t/b.srt", "srt"), (tmp_path / "out/b.txt", "txt"))
    assert read_manifest(place, Layout())[1].outputs[0][0] == tmp_path / "t/b.srt"


def test_plain_text_is_a_path_a_line(tmp_path: Path) -> None:
    """Comments and empty lines are left out; a name need not be text, and may lie anywhere."""
    (tmp_path / "talks.txt").write_bytes(b"# talks\n\n  a b.wav  \n/else/where/\xff.wav\n../up.wav\n")
    entries = read_manifest(tmp_path / "talks.txt", Layout(tmp_path / "out"))
    assert [entry.name for entry in entries] == ["a b.wav", os.fsdecode(b"/else/where/\xff.wav"), "../up.wav"]
    assert entries[0].file == tmp_path / "a b.wav"
    places = [entry.outputs[0][0] for entry in entries]
    assert places == [tmp_path / "out" / name for name in ("a b.txt", os.fsdecode(b"\xff.txt"), "up.txt")]


def test_a_folder_is_the_sound_files_below_it(tmp_path: Path) -> None:
    """Sorted, and their tree is made again; what is hidden or no sound is left out."""
    for name in ("b/2.FLAC", "b/1.wav", "a.mp3", "notes.txt", ".hidden.wav", ".git/x.wav", "b/cover.jpg"):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).touch()
    (tmp_path / "in" / "b" / "loop").symlink_to(tmp_path / "in")
    entries = read_manifest(tmp_path / "in", Layout(tmp_path / "out"))
    assert [entry.name for entry in entries] == ["a.mp3", "b/1.wav", "b/2.FLAC"]
    assert [entry.outputs[0][0] for entry in entries] == [tmp_path / "out" / x for x in ("a.txt", "b/1.txt", "b/2.txt")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"file": "a.wav"}\n{"file": }', "line 2: not JSON"),
        ('{"file": "a.wav"}\nb.wav', "line 2: not JSON"),
        ('{"file": "a.wav"}\n[1]', r'line 2: not a JSON object such as \{"file": "talk.wav"\}'),
        ('{"file": "a.wav", "lang": "en"}', "line 1: unknown key 'lang'; there is file, outputs, language, title"),
        ('{"language": "en"}', 'line 1: "file" is missing'),
        ('{"file": 3}', 'line 1: "file" must be text, not 3'),
        ('{"file": ""}', 'line 1: "file" must be text'),
        ('{"file": "a\\u0000.wav"}', "line 1: a name holds a NUL"),
        ('{"file": "a\\ud834.wav"}', "line 1: a name holds half a surrogate pair"),
        ('{"file": "a.wav", "outputs": "a.txt"}', 'line 1: "outputs" must be a list of file names'),
        ('{"file": "a.wav", "outputs": []}', 'line 1: "outputs" must be a list'),
        ('{"file": "a.wav", "outputs": ["a.doc"]}', r"line 1: .*a\.doc: its name says no format: end it in \.txt"),
        ('{"file": "a.wav", "title": "' + "x" * 501 + '"}', "line 1: .* longer than 500 characters"),
        ("a.wav\n" + "x" * 70_000, "line 2: longer than 65536 bytes"),
        ("a.wav\nb\0.wav", "line 2: not text"),
        ("", "it names no files"),
        ("a.wav\n./a.wav\n", "line 2: ./a.wav stands there twice, first at .*line 1"),
        ('{"file": "a.wav", "outputs": ["x.txt"]}\n{"file": "b.wav", "outputs": ["x.txt"]}', "would replace a.wav"),
        ('{"file": "a.wav", "outputs": ["x.txt", "./x.txt"]}', "would replace a.wav or its result"),
        ('{"file": "a.json", "outputs": ["b.json"]}\n{"file": "b.json", "outputs": ["c.txt"]}', "would replace b.json"),
        ('{"file": "a.wav", "outputs": ["talks.json"]}', "would replace .*talks.json"),
        ("x/a.wav\nx/a.mp3\n", "line 2: .* would replace x/a.wav or its result; give `outputs` in a manifest"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(tmp_path: Path, text: str, expected: str) -> None:
    """Before any work."""
    with pytest.raises(ManifestError, match=expected):
        read_manifest(written(tmp_path, text, "talks.json"), Layout(None if "outputs" in text else tmp_path / "out"))


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    """A manifest that is not there, a folder without sound."""
    with pytest.raises(ManifestError, match=r"missing\.txt: cannot be read: No such file"):
        read_manifest(tmp_path / "missing.txt", Layout())
    with pytest.raises(ManifestError, match="no sound files lie below it"):
        read_manifest(tmp_path, Layout())


def test_an_archive_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So many files and no more."""
    monkeypatch.setattr(module, "MAX_ENTRIES", 2)
    for name in ("a.wav", "b.wav"):
        (tmp_path / name).touch()
    place = written(tmp_path, "a.wav\nb.wav\n")
    assert len(read_manifest(place, Layout())) == len(read_manifest(tmp_path, Layout())) == 2
    (tmp_path / "c.wav").touch()
    place.write_text("a.wav\nb.wav\nc.wav\n")
    for what in (place, tmp_path):
        with pytest.raises(ManifestError, match="more than 2 files"):
            read_manifest(what, Layout())


def test_files_and_folders_may_be_named_one_by_one(tmp_path: Path) -> None:
    """What lies below a folder keeps its tree; the same file twice is refused."""
    (tmp_path / "in" / "x").mkdir(parents=True)
    for name in ("in/x/b.wav", "a.ogg"):
        (tmp_path / name).touch()
    names = [str(tmp_path / "in"), str(tmp_path / "a.ogg")]
    entries = named_entries(names, Layout(tmp_path / "out"))
    assert [entry.outputs[0][0] for entry in entries] == [tmp_path / "out" / "x/b.txt", tmp_path / "out" / "a.txt"]
    with pytest.raises(ManifestError, match="stands there twice"):
        named_entries([*names, str(tmp_path / "in/x/b.wav")], Layout(tmp_path / "out"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(ManifestError, match="empty: no sound files lie below"):
        named_entries([str(tmp_path / "empty")], Layout(tmp_path / "out"))

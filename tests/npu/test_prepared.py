"""Prepared graphs on disk."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from amanuensis.benchmarks.random_model import RandomModel, make_random_model
from amanuensis.npu.model_files import ModelError, ModelFiles
from amanuensis.npu.prepared import BESIDE, prepare


@pytest.fixture
def files(tmp_path: Path) -> ModelFiles:
    """A small model."""
    return ModelFiles.load(make_random_model(tmp_path / "model", RandomModel(layers=1)))


class Builder:
    """Writes one file and counts how often."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, folder: Path) -> None:
        self.calls += 1
        (folder / "encoder.onnx").write_text("graph")


def fail(number: int) -> Builder:
    """Return a builder that fails with an error number after half of its work."""

    class Failing(Builder):
        def __call__(self, folder: Path) -> None:
            super().__call__(folder)
            raise OSError(number, os.strerror(number))

    return Failing()


def test_builds_once_beside_the_model(files: ModelFiles) -> None:
    """The second start finds what the first one built."""
    build = Builder()
    first = prepare(files, "int8", "runtime 1", build)
    assert prepare(files, "int8", "runtime 1", build) == first
    assert build.calls == 1
    assert first.parent == files.folder / BESIDE
    assert [path.name for path in first.iterdir()] == ["encoder.onnx"]


def test_other_key_builds_again_and_removes_the_old(files: ModelFiles) -> None:
    """Another runtime replaces the graphs of its precision and leaves those of the other precision."""
    build = Builder()
    old, other = prepare(files, "int8", "runtime 1", build), prepare(files, "float32", "runtime 1", build)
    new = prepare(files, "int8", "runtime 2", build)
    assert build.calls == 3
    assert sorted((files.folder / BESIDE).iterdir()) == sorted([new, other])
    assert not old.exists()


def test_cache_folder_serves_when_the_model_folder_cannot(
    files: ModelFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Graphs of a folder that takes no files lie in the user's cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (files.folder / BESIDE).write_text("a file stands where the folder should be")
    prepared = prepare(files, "int8", "runtime", Builder())
    assert prepared.is_relative_to(tmp_path / "cache" / "amanuensis")
    build = Builder()
    assert prepare(files, "int8", "runtime", build) == prepared
    assert build.calls == 0


@pytest.mark.parametrize(
    ("number", "message"), [(errno.ENOSPC, "no space for the prepared graphs"), (errno.EROFS, "set XDG_CACHE_HOME")]
)
def test_failure_leaves_nothing_behind(
    files: ModelFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, message: str
) -> None:
    """A full or read-only disk gives one clear line, and half a folder is never found."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(ModelError, match=message) as caught:
        prepare(files, "int8", "runtime", fail(number))
    assert "\n" not in str(caught.value)
    assert not any(path.is_file() for path in tmp_path.rglob("encoder.onnx"))


def test_result_of_a_faster_process_is_taken(files: ModelFiles) -> None:
    """Two processes may build at once; the later one takes what the earlier one renamed into place."""
    build = Builder()

    def race(folder: Path) -> None:
        build(folder)
        prepare(files, "int8", "runtime", build)

    prepared = prepare(files, "int8", "runtime", race)
    assert build.calls == 2
    assert list((files.folder / BESIDE).iterdir()) == [prepared]

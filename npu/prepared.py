"""Prepared graphs of a model on disk: built once, kept beside the model, found again by content."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from amanuensis.npu.model_error import ModelError
from amanuensis.npu.model_files import ModelFiles

GRAPH_VERSION = 2  # raise it when a graph changes, so that older prepared files are built again
BESIDE = ".prepared"
BUILDING = ".building-"
FULL = (errno.ENOSPC, errno.EDQUOT)

Build = Callable[[Path], None]


def prepare(files: ModelFiles, precision: str, runtime: str, build: Build) -> Path:
    """Return a folder that holds a model's graphs, building them when they are not there yet.

    Args:
        files: the model.
        precision: of the graphs; part of the key.
        runtime: name and version of what runs them; part of the key.
        build: writes the graphs into the empty folder that it is given.

    Raises:
        ModelError: neither the model's folder nor the cache folder can hold them.

    """
    found = kept(files, precision, runtime)
    if found is not None:
        return found
    key, roots = _name(files, precision, runtime), list(_roots(files.folder))
    errors: list[OSError] = []
    for root in roots:
        try:
            return _build_in(root, key, build)
        except OSError as error:
            errors.append(error)
    raise _no_place(files, roots, errors)


def kept(files: ModelFiles, precision: str, runtime: str) -> Path | None:
    """Return the folder that holds a model's graphs, None where they are not there yet; arguments as of `prepare`."""
    key = _name(files, precision, runtime)
    return next((root / key for root in _roots(files.folder) if (root / key).is_dir()), None)


def _name(files: ModelFiles, precision: str, runtime: str) -> str:
    return f"{precision}-{_key(files, runtime)}"


def _no_place(files: ModelFiles, roots: list[Path], errors: list[OSError]) -> ModelError:
    places = " and ".join(f"{root} ({error.strerror})" for root, error in zip(roots, errors, strict=True))
    if any(error.errno in FULL for error in errors):
        return ModelError(f"no space for the prepared graphs of {files.folder}: {places}; free some and start again")
    return ModelError(
        f"no place for the prepared graphs of {files.folder}: {places}; make one writable or set XDG_CACHE_HOME"
    )


def discard(prepared: Path) -> None:
    """Remove a prepared folder that turned out to be damaged."""
    shutil.rmtree(prepared, ignore_errors=True)


def _key(files: ModelFiles, runtime: str) -> str:
    text = f"{files.content_hash()} {GRAPH_VERSION} {runtime}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _roots(folder: Path) -> Iterator[Path]:
    """Yield where prepared graphs may lie: beside the model, else in the user's cache under the model's path."""
    yield folder / BESIDE
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    yield cache / "amanuensis" / "prepared" / hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:16]


def _build_in(root: Path, key: str, build: Build) -> Path:
    """Build under a temporary name and rename: nobody ever sees half a folder."""
    root.mkdir(parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(prefix=BUILDING, dir=root))
    try:
        build(building)
        _sync(building)
        target = root / key
        with contextlib.suppress(FileExistsError):
            _rename(building, target)
        _remove_older(root, target)
        return target
    finally:
        shutil.rmtree(building, ignore_errors=True)


def _rename(building: Path, target: Path) -> None:
    try:
        building.rename(target)
    except OSError as error:
        if error.errno != errno.ENOTEMPTY:
            raise
        raise FileExistsError(target) from None  # another process was faster; its result is the same


def _sync(folder: Path) -> None:
    for path in folder.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())


def _remove_older(root: Path, target: Path) -> None:
    """Remove what earlier contents or versions left; a process that still maps such a file keeps its pages."""
    precision = target.name.partition("-")[0]
    for other in root.glob(f"{precision}-*"):
        if other != target:
            shutil.rmtree(other, ignore_errors=True)

"""The model's files on a node: found, or taken from a front piece by piece and verified before they are used."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from amanuensis.daemon.cluster.spec import HostSpec, ModelFile
from amanuensis.npu.atomic import whole_or_nothing
from amanuensis.npu.engine.api import EngineError
from amanuensis.npu.store import MODEL_FILE, builtin_folder, models_folder

PIECE_BYTES: Final = 8 << 20
NAME_CHARS: Final = 40


class TransferError(EngineError):
    """A model's files did not come whole; the message names the file."""


def manifest(folder: Path) -> tuple[ModelFile, ...]:
    """Return the files of a model folder, by name, with their content's hashes; reads them all."""
    paths = sorted(path for path in folder.iterdir() if MODEL_FILE.fullmatch(path.name) and path.is_file())
    return tuple(ModelFile(path.name, path.stat().st_size, _sha256(path)) for path in paths)


def find(spec: HostSpec) -> Path | None:
    """Return a folder of this node that holds exactly the files of a model; None where there is none."""
    return next((folder for folder in _candidates(spec) if _holds(folder, spec.files)), None)


def pieces(folder: Path, file: ModelFile) -> Iterator[bytes]:
    """Yield a file of a model in pieces; an empty file is one empty piece."""
    with (folder / file.name).open("rb") as source:
        yield source.read(PIECE_BYTES)
        while piece := source.read(PIECE_BYTES):
            yield piece


class Delivery:
    """Files that come from one front; nothing of them is seen in the store before all are there and right.

    Args:
        spec: names them.

    """

    def __init__(self, spec: HostSpec) -> None:
        self._spec = spec
        self._allowed = {file.name: file.size_bytes for file in spec.files}
        self._folder = Path(tempfile.mkdtemp(prefix="amanuensis-model-", dir=_parent()))

    def take(self, name: str, piece: bytes) -> None:
        """Append a piece to a file.

        Raises:
            TransferError: there is no such file, or it becomes longer than announced.
            OSError: it cannot be written.

        """
        if name not in self._allowed:
            raise TransferError(f"file {name!r} does not belong to model {self._spec.model}")
        with (self._folder / name).open("ab") as target:
            target.write(piece)
            if target.tell() > self._allowed[name]:
                raise TransferError(f"file {name} of model {self._spec.model} is longer than announced")

    def finish(self) -> Path:
        """Verify the files and put them into the store; return their place there.

        Raises:
            TransferError: a file is not what was announced.
            amanuensis.npu.atomic.WriteError: they cannot be written.

        """
        wrong = _wrong(self._folder, self._spec.files)
        if wrong:
            raise TransferError(f"file {wrong} of model {self._spec.model} came with other content than announced")
        target = _place(self._spec)
        if not _holds(target, self._spec.files):
            with whole_or_nothing(target) as part:
                shutil.copytree(self._folder, part)
        return target

    def drop(self) -> None:
        """Remove what was taken."""
        shutil.rmtree(self._folder, ignore_errors=True)


def _candidates(spec: HostSpec) -> Iterator[Path]:
    yield Path(spec.folder)
    yield _place(spec)
    yield models_folder() / Path(spec.folder).name
    if Path(spec.folder).name.startswith("builtin"):
        try:
            yield builtin_folder()
        except EngineError:
            return


def _place(spec: HostSpec) -> Path:
    """Return where a model is put that this node did not have; its content is in the name."""
    letters = "".join(c for c in spec.model if c.isascii() and (c.isalnum() or c in "._-")).lstrip("._-")
    return models_folder() / f"{letters[:NAME_CHARS] or 'model'}-{spec.content}"


def _parent() -> Path:
    models_folder().mkdir(parents=True, exist_ok=True)
    return models_folder()


def _holds(folder: Path, files: Sequence[ModelFile]) -> bool:
    return folder.is_dir() and not _wrong(folder, files)


def _wrong(folder: Path, files: Sequence[ModelFile]) -> str:
    """Return the name of a file that is missing or another, cheap checks first; "" where all are right."""
    for file in files:
        path = folder / file.name
        if not path.is_file() or path.stat().st_size != file.size_bytes:
            return file.name
    return next((file.name for file in files if _sha256(folder / file.name) != file.sha256), "")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

"""The models on this machine: the built-in one, and those installed as folders in the user's data folder."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path

from amanuensis.npu import archive
from amanuensis.npu.atomic import whole_or_nothing
from amanuensis.npu.engine.api import EngineError
from amanuensis.npu.model_config import Dimensions, Manifest
from amanuensis.npu.model_files import ModelFiles
from amanuensis.npu.tokenizer import Tokenizer

BUILTIN = "builtin"
BUILTIN_ARCHIVE = Path(__file__).with_name("builtin") / "builtin.model"
# What other engines need to open the folder as well, and the card; large-v3's repository also has float32 copies,
# which this leaves out.
MODEL_FILE = re.compile(
    r"model(-\d{5}-of-\d{5})?\.safetensors|model\.safetensors\.index\.json|README\.md|LICENSE"
    r"|(config|generation_config|preprocessor_config|amanuensis|tokenizer|tokenizer_config|special_tokens_map"
    r"|vocab|added_tokens|normalizer|origin|speakers)\.json|merges\.txt|speakers\.onnx"
)
SPEAKER_MODEL = "speakers.onnx"
ORIGIN = "origin.json"  # where a pulled model came from

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class StoreError(EngineError):
    """A model cannot be found, added or removed; the message says which and what to do."""


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What is known of a model without running it."""

    name: str
    path: Path
    builtin: bool
    size_bytes: int
    parameters: int
    licence: str  # as the model card states it, or ""
    card: Path | None
    dimensions: Dimensions | None = None  # this and what follows: unless there is a problem
    manifest: Manifest | None = None
    multilingual: bool = False
    languages: tuple[str, ...] = ()
    problem: str = ""  # why it cannot be used


def models_folder() -> Path:
    """Return where models are installed: $AMANUENSIS_MODELS, else below $XDG_DATA_HOME."""
    if own := os.environ.get("AMANUENSIS_MODELS"):
        return Path(own).expanduser()
    return _xdg("XDG_DATA_HOME", ".local/share") / "amanuensis" / "models"


def resolve(name_or_path: str | Path | None) -> Path:
    """Return the folder of a model.

    Args:
        name_or_path: an installed model or "builtin"; a path when it holds a slash; None: the largest installed
            model, else the built-in one.

    Raises:
        StoreError: there is no such model.
        EngineError: the built-in model cannot be expanded.

    """
    if name_or_path is None:
        installed = [info for info in list_installed() if not info.problem]
        return max(installed, key=lambda info: info.parameters).path if installed else builtin_folder()
    if isinstance(name_or_path, Path) or "/" in name_or_path:
        path = Path(name_or_path).expanduser()
        if not path.is_dir():
            raise StoreError(f"model {name_or_path}: there is no such folder")
        return path
    if name_or_path == BUILTIN:
        return builtin_folder()
    folder = _folder(name_or_path)
    if not folder.is_dir():
        installed_names = ", ".join([BUILTIN, *(path.name for path in _installed_folders())])
        raise StoreError(
            f"model {name_or_path!r} is not installed (installed: {installed_names}); "
            f"`amanuensis models pull {name_or_path}` fetches it, a path needs a slash: ./{name_or_path}"
        )
    return folder


def builtin_folder() -> Path:
    """Return the built-in model, expanded into the user's cache on first use.

    $AMANUENSIS_BUILTIN names a folder to use instead, for packages that ship the model expanded.
    """
    if own := os.environ.get("AMANUENSIS_BUILTIN"):
        return Path(own).expanduser()
    if not BUILTIN_ARCHIVE.exists():
        raise StoreError("this build has no built-in model; `amanuensis models pull tiny.en` fetches one")
    cache = _xdg("XDG_CACHE_HOME", ".cache") / "amanuensis"
    folder = cache / f"builtin-{archive.content_hash(BUILTIN_ARCHIVE)[:16]}"
    if not _is_expanded(folder):
        try:
            archive.expand(BUILTIN_ARCHIVE, folder)
        except EngineError:
            if not _is_expanded(folder):  # else another process was faster
                raise
        for older in cache.glob("builtin-*"):
            if older != folder:
                shutil.rmtree(older, ignore_errors=True)
    return folder


def list_installed() -> list[ModelInfo]:
    """Return the installed models by name, broken ones with their problem; the built-in one is not among them."""
    return [describe(folder) for folder in _installed_folders()]


def list_models() -> list[ModelInfo]:
    """Return the built-in model, when this build has one, and the installed ones."""
    if not (BUILTIN_ARCHIVE.exists() or os.environ.get("AMANUENSIS_BUILTIN")):
        return list_installed()
    try:
        builtin = replace(describe(builtin_folder()), name=BUILTIN, builtin=True)
    except EngineError as error:
        size = BUILTIN_ARCHIVE.stat().st_size
        builtin = ModelInfo(BUILTIN, BUILTIN_ARCHIVE, True, size, 0, "", None, problem=str(error))
    return [builtin, *list_installed()]


def describe(folder: Path) -> ModelInfo:
    """Return what is known of the model in a folder, which may be broken."""
    card = folder / "README.md"
    info = ModelInfo(
        name=folder.name,
        path=folder,
        builtin=False,
        size_bytes=sum(path.stat().st_size for path in _model_files(folder)),
        parameters=0,
        licence=_licence(card),
        card=card if card.is_file() else None,
    )
    try:
        files, tokenizer = ModelFiles.load(folder), Tokenizer(folder)
    except EngineError as error:
        return replace(info, problem=str(error))
    return replace(
        info,
        parameters=sum(map(prod, files.weights.shapes.values())),
        dimensions=files.dimensions,
        manifest=files.manifest,
        multilingual=tokenizer.multilingual,
        languages=tuple(tokenizer.language_tokens),
    )


def import_model(path: Path, name: str | None = None) -> Path:
    """Copy a model folder into the store, whole or not at all, and return its place there.

    Args:
        path: a folder in the Hugging Face Whisper format; it is checked first.
        name: the name to install it under; None: the folder's own.

    Raises:
        StoreError: the name is not allowed or taken.
        EngineError: the folder is no usable model, or the store cannot be written.

    """
    target = new_place(name or path.resolve().name)
    check_model(path)
    with whole_or_nothing(target) as part:
        _copy(path, part)
    return target


def export_model(name: str, target: Path) -> None:
    """Write a model to a new or empty folder; the built-in one as float16 in the Hugging Face format.

    Raises:
        EngineError: there is no such model, the target is not empty or cannot be written; nothing is left then.

    """
    if name == BUILTIN and not os.environ.get("AMANUENSIS_BUILTIN") and BUILTIN_ARCHIVE.exists():
        archive.expand(BUILTIN_ARCHIVE, target)
        return
    source = resolve(name)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise StoreError(f"{target}: exists and is not an empty folder; name another one or remove it")
    with whole_or_nothing(target) as part:
        _copy(source, part)


def remove_model(name: str) -> None:
    """Remove an installed model; StoreError when it is the built-in one or there is none of that name."""
    if name == BUILTIN:
        raise StoreError("the built-in model is part of the program and cannot be removed")
    folder = _folder(name)
    if not folder.is_dir():
        raise StoreError(f"model {name!r} is not installed; `amanuensis models list` shows what is")
    try:
        shutil.rmtree(folder)
    except OSError as error:
        raise StoreError(f"{folder}: cannot be removed ({error.strerror}); check who owns it") from error


def new_place(name: str) -> Path:
    """Return the folder for a model to be installed; StoreError when the name is not allowed or taken."""
    folder = _folder(name)
    if name == BUILTIN:
        raise StoreError(f"the name {name!r} belongs to the built-in model; give another one with --name")
    if folder.exists():
        raise StoreError(f"model {name!r} is already installed; `amanuensis models rm {name}` first, or use --name")
    return folder


def check_model(folder: Path) -> None:
    """Open what a folder holds; EngineError in one line when it is no usable model."""
    ModelFiles.load(folder)
    Tokenizer(folder)
    if (folder / SPEAKER_MODEL).is_file():
        from amanuensis.npu.speaker_plugin import PluginEmbedder  # only here: listing models needs no ONNX Runtime

        PluginEmbedder(folder)


def _folder(name: str) -> Path:
    """Return the place of a name in the store, which no name can lead out of."""
    if not _NAME.fullmatch(name):
        raise StoreError(
            f"model name {name!r} is not allowed: 1 to 64 letters, digits, dots, dashes and underscores, "
            "the first a letter or digit"
        )
    return models_folder() / name


def _installed_folders() -> list[Path]:
    folder = models_folder()
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.is_dir() and _NAME.fullmatch(path.name))


def _model_files(folder: Path) -> Iterator[Path]:
    if folder.is_dir():
        yield from (path for path in sorted(folder.iterdir()) if MODEL_FILE.fullmatch(path.name) and path.is_file())


def _copy(source: Path, target: Path) -> None:
    target.mkdir()
    for path in _model_files(source):
        shutil.copyfile(path, target / path.name)


def _is_expanded(folder: Path) -> bool:
    return (folder / archive.WEIGHTS).is_file()


def _licence(card: Path) -> str:
    """Return the licence that the head of a model card states."""
    try:
        with card.open(encoding="utf-8", errors="replace") as file:
            head = file.read(4096)
    except OSError:
        return ""
    found = re.search(r"^licen[cs]e:[ \t]*(\S.*)$", head, re.MULTILINE)
    return found[1].strip().strip("\"'") if found else ""


def _xdg(variable: str, default: str) -> Path:
    value = os.environ.get(variable, "")
    return Path(value) if value.startswith("/") else Path.home() / default

"""Fetching models from the Hugging Face hub: the only place in the program that reaches out to it.

Files are taken over plain HTTP into a folder that stays when a pull is interrupted, so that the next one goes on where
it stopped; each is checked against the hash that the hub states before the model is installed as a whole.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from amanuensis.npu.archive import WEIGHTS
from amanuensis.npu.engine.api import EngineError
from amanuensis.npu.store import MODEL_FILE, ORIGIN, check_model, models_folder, new_place

SHORT_NAMES = {
    name: f"openai/whisper-{name}"
    for name in (
        *("tiny", "tiny.en", "base", "base.en", "small", "small.en", "medium", "medium.en"),
        *("large-v2", "large-v3", "large-v3-turbo"),
    )
}
os.environ.setdefault(
    "HF_HUB_DISABLE_TELEMETRY", "1"
)  # the library reads it when it is imported, in the functions here
TIMEOUT_S = 20.0  # for an answer of the hub; data may take longer

_REPOSITORY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}/[A-Za-z0-9][A-Za-z0-9._-]{0,95}")
_SHARD = re.compile(r"model-\d{5}-of-\d{5}\.safetensors|model\.safetensors\.index\.json")


class HubError(EngineError):
    """A model cannot be fetched; the message names it, the cause and what to do."""


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file of a repository and what its content must be."""

    repository: str
    name: str
    url: str
    size: int
    sha256: str  # of large files, or ""
    git_sha1: str  # of small ones: the hash of the git blob


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a pull is, in bytes."""

    file: str
    done: int
    total: int


def pull(name: str, *, as_name: str | None = None, report: Callable[[Progress], None] = lambda _: None) -> Path:
    """Fetch a model and install it; return its folder. The network is used by nothing else.

    Args:
        name: a short name such as "base.en", or a repository such as "openai/whisper-base.en".
        as_name: the name to install it under; None: the short name or that of the repository.
        report: called as data arrives.

    Raises:
        StoreError: the name is not allowed or already installed.
        HubError: there is no such model, the hub cannot be reached, or what came is not what the hub promised.
        EngineError: what came is no usable Whisper model.

    """
    repository = repository_of(name)
    target = new_place(as_name or (name if name in SHORT_NAMES else repository.partition("/")[2]))
    part = models_folder() / f".pull-{repository.replace('/', '--')}"
    try:
        part.mkdir(parents=True, exist_ok=True)
        with _only_pull_into(part):
            revision, files = list_files(repository)
            _check_room(part, files)
            _fetch_all(files, part, report)
            (part / ORIGIN).write_text(json.dumps({"repository": repository, "revision": revision}) + "\n")
            check_model(part)
            part.rename(target)
    except OSError as error:
        raise HubError(f"{part}: cannot be written ({error.strerror or error}); make room and pull again") from error
    return target


def repository_of(name: str) -> str:
    """Return the repository that a short name or a repository's name stands for."""
    if name in SHORT_NAMES:
        return SHORT_NAMES[name]
    if not _REPOSITORY.fullmatch(name):
        raise HubError(f"model {name!r}: give one of {', '.join(SHORT_NAMES)}, or a repository such as owner/name")
    return name


def list_files(repository: str) -> tuple[str, list[RemoteFile]]:
    """Return the current revision of a repository and the files that a model needs, without copies in other forms."""
    from huggingface_hub import HfApi

    with _speaking_of(repository):
        info = HfApi(endpoint=_endpoint()).model_info(repository, files_metadata=True, timeout=TIMEOUT_S)
    siblings = [item for item in info.siblings or () if MODEL_FILE.fullmatch(item.rfilename)]
    names = {item.rfilename for item in siblings}
    has_weights = WEIGHTS in names or f"{WEIGHTS}.index.json" in names
    has_tokens = "tokenizer.json" in names or {"vocab.json", "merges.txt"} <= names
    if not ("config.json" in names and has_weights and has_tokens) or not info.sha:
        raise HubError(
            f"{repository}: is no Whisper model in the form that is needed "
            f"(config.json, tokenizer.json, {WEIGHTS}); it has {', '.join(sorted(names)) or 'none of these'}"
        )
    unwanted = {ORIGIN, *filter(_SHARD.fullmatch, names if WEIGHTS in names else ())}
    return info.sha, [_remote_file(repository, info.sha, item) for item in siblings if item.rfilename not in unwanted]


def _remote_file(repository: str, revision: str, sibling: Any) -> RemoteFile:
    from huggingface_hub import hf_hub_url

    size, blob, lfs = sibling.size, sibling.blob_id or "", sibling.lfs
    sha256 = str(lfs["sha256"]) if lfs else ""
    if size is None or not (sha256 or blob):
        raise HubError(f"{repository}: {_endpoint()} states no size and hash for {sibling.rfilename}; use another hub")
    url = hf_hub_url(repository, sibling.rfilename, revision=revision, endpoint=_endpoint())
    return RemoteFile(repository, sibling.rfilename, url, size, sha256, blob)


def _fetch_all(files: Sequence[RemoteFile], part: Path, report: Callable[[Progress], None]) -> None:
    total, done = sum(file.size for file in files), 0
    for file in files:

        def arrived(n: int, name: str = file.name, before: int = done) -> None:
            report(Progress(name, before + n, total))

        _fetch(file, part / file.name, arrived)
        done += file.size


def _fetch(file: RemoteFile, path: Path, arrived: Callable[[int], None]) -> None:
    """Fetch what is missing of a file and check it; what was left by another revision is fetched anew, once."""
    for _ in range(2):
        held = path.stat().st_size if path.exists() else 0
        if held < file.size:
            _download(file, path, held, arrived)
        arrived(file.size)
        if _is_right(path, file):
            return
        path.unlink(missing_ok=True)
        if held == 0:
            break
    raise HubError(f"{file.repository}: {file.name} is not what the hub promised (its hash differs); pull again")


def _download(file: RemoteFile, path: Path, held: int, arrived: Callable[[int], None]) -> None:
    from huggingface_hub.file_download import http_get
    from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]

    headers = build_hf_headers() | {"Accept-Encoding": "identity"}  # a compressed answer could not be gone on with
    with path.open("ab") as out, _speaking_of(file.repository):
        http_get(
            file.url,
            out,
            resume_size=held,
            headers=headers,
            expected_size=file.size,
            tqdm_class=lambda **_: _Meter(held, arrived),  # type: ignore[arg-type]
        )


class _Meter:
    """Stands in for the library's progress bar."""

    def __init__(self, done: int, arrived: Callable[[int], None]) -> None:
        self._done = done
        self._arrived = arrived

    def __enter__(self) -> _Meter:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def update(self, n: int) -> None:
        self._done += n
        self._arrived(self._done)


def _is_right(path: Path, file: RemoteFile) -> bool:
    if path.stat().st_size != file.size:
        return False
    with path.open("rb") as content:
        if file.sha256:
            return hashlib.file_digest(content, "sha256").hexdigest() == file.sha256
    blob = hashlib.sha1(f"blob {file.size}\0".encode() + path.read_bytes(), usedforsecurity=False)
    return blob.hexdigest() == file.git_sha1


def _check_room(part: Path, files: Sequence[RemoteFile]) -> None:
    held = sum((part / file.name).stat().st_size for file in files if (part / file.name).exists())
    needed, free = sum(file.size for file in files) - held, shutil.disk_usage(part).free
    if needed > free:
        raise HubError(f"{part.parent}: {needed / 1e9:.1f} GB are needed, {free / 1e9:.1f} GB are free; make room")


@contextmanager
def _only_pull_into(part: Path) -> Iterator[None]:
    """Keep two pulls from writing into the same folder."""
    descriptor = os.open(part, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise HubError(f"{part.name}: another pull of this model is running; wait for it") from None
    finally:
        os.close(descriptor)


@contextmanager
def _speaking_of(repository: str) -> Iterator[None]:
    """Turn what the library raises into one clear line; the errors of our own disk pass."""
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled, RepositoryNotFoundError

    try:
        yield
    except RepositoryNotFoundError as error:
        raise HubError(f"{repository}: there is no such model at {_endpoint()}, or it is private (HF_TOKEN)") from error
    except OfflineModeIsEnabled as error:
        raise HubError(f"{repository}: HF_HUB_OFFLINE forbids the network; unset it to pull") from error
    except HfHubHTTPError as error:
        status = error.response.status_code
        raise HubError(f"{repository}: {_endpoint()} answered with HTTP status {status}; try again later") from error
    except OSError as error:
        if error.errno is not None:
            raise
        raise HubError(f"{repository}: broken off ({one_line(error)}); pull again to go on") from error
    except Exception as error:  # the library passes on those of the HTTP client that it happens to use
        why = one_line(error) or type(error).__name__
        raise HubError(
            f"{repository}: {_endpoint()} cannot be reached ({why}); check the network (HF_ENDPOINT names another hub)"
        ) from error


def one_line(error: Exception) -> str:
    """Return an error's message without its line breaks."""
    return " ".join(str(error).split())


def _endpoint() -> str:
    return (os.environ.get("HF_ENDPOINT") or "https://huggingface.co").rstrip("/")

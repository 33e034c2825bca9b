"""Pulling from a local hub: what is fetched, what is checked, and what every kind of trouble says."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from amanuensis.benchmarks.random_model import make_random_model
from amanuensis.npu import hub, store
from amanuensis.npu.engine.api import EngineError
from amanuensis.npu.hub import HubError, Progress, pull
from amanuensis.npu.store import StoreError, models_folder
from tests.helpers.hub_server import REVISION, HubServer

REPOSITORY = "openai/whisper-tiny.en"
NEEDED = {"config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "README.md"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a model as its repository holds it, with what nobody needs beside it."""
    folder = make_random_model(tmp_path_factory.mktemp("repository") / "tiny.en")
    (folder / "amanuensis.json").unlink()
    (folder / "README.md").write_text("---\nlicense: apache-2.0\n---\nA model.\n")
    for name in ("pytorch_model.bin", "flax_model.msgpack", "model.fp32-00001-of-00002.safetensors", ".gitattributes"):
        (folder / name).write_bytes(b"x" * 30_000)
    (folder / "model-00001-of-00002.safetensors").write_bytes(b"a shard beside the whole")
    return folder


@pytest.fixture
def server(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    """Serve the model; the store is empty."""
    with HubServer({REPOSITORY: folder}) as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        monkeypatch.setenv("AMANUENSIS_MODELS", str(tmp_path / "models"))
        yield server


def test_pull_fetches_what_is_needed(server: HubServer, folder: Path) -> None:
    """A short name brings the needed files, equal to the hub's, with a note of their origin, and nothing else."""
    place = pull("tiny.en")
    assert place == models_folder() / "tiny.en"
    assert {path.name for path in place.iterdir()} == NEEDED | {"origin.json"}
    for name in NEEDED:
        assert (place / name).read_bytes() == (folder / name).read_bytes()
    assert json.loads((place / "origin.json").read_text()) == {"repository": REPOSITORY, "revision": REVISION}
    assert store.resolve("tiny.en") == place
    assert store.describe(place).licence == "apache-2.0"
    assert [path.name for path in models_folder().iterdir()] == ["tiny.en"]


def test_nothing_else_is_asked_of_the_hub(server: HubServer) -> None:
    """Only the model's own listing and files are asked for: no telemetry."""
    pull("tiny.en")
    assert {path for path in server.paths if REPOSITORY not in path} == set()


def test_repository_and_own_name(server: HubServer) -> None:
    """A repository's own name works too, and a model can be installed under another one."""
    assert pull(REPOSITORY).name == "whisper-tiny.en"
    assert pull("tiny.en", as_name="mine").name == "mine"


def test_progress_counts_every_byte(server: HubServer, folder: Path) -> None:
    """What is reported grows from file to file up to the whole size."""
    seen: list[Progress] = []
    pull("tiny.en", report=seen.append)
    total = sum((folder / name).stat().st_size for name in NEEDED)
    assert {progress.total for progress in seen} == {total}
    assert [progress.done for progress in seen] == sorted(progress.done for progress in seen)
    assert seen[-1].done == total
    assert {progress.file for progress in seen} == NEEDED


def test_interrupted_pull_goes_on_where_it_stopped(server: HubServer, folder: Path) -> None:
    """What arrived before an interruption is not fetched again; nothing is installed before the end."""

    def interrupt(progress: Progress) -> None:
        if progress.file == "model.safetensors":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pull("tiny.en", report=interrupt)
    assert store.list_installed() == []
    part = models_folder() / ".pull-openai--whisper-tiny.en"
    (part / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes()[:12_345])
    server.requests.clear()
    place = pull("tiny.en")
    assert server.requests[0] == ("model.safetensors", "bytes=12345-")
    assert "config.json" not in {name for name, _ in server.requests}
    assert (place / "model.safetensors").read_bytes() == (folder / "model.safetensors").read_bytes()


def test_leftover_of_another_revision_is_fetched_anew(server: HubServer, folder: Path) -> None:
    """A beginning that does not fit the end is noticed by the hash and the file is fetched whole."""
    part = models_folder() / ".pull-openai--whisper-tiny.en"
    part.mkdir(parents=True)
    (part / "model.safetensors").write_bytes(b"old" * 5000)
    (part / "tokenizer.json").write_bytes(b"x" * (folder / "tokenizer.json").stat().st_size)
    place = pull("tiny.en")
    assert (place / "model.safetensors").read_bytes() == (folder / "model.safetensors").read_bytes()
    assert [asked for name, asked in server.requests if name == "model.safetensors"] == ["bytes=15000-", ""]


def test_broken_connection_is_taken_up_again(server: HubServer, folder: Path) -> None:
    """A connection that breaks off in the middle of a file is made again by itself."""
    server.cut.add("model.safetensors")
    place = pull("tiny.en")
    assert [name for name, _ in server.requests].count("model.safetensors") == 2
    assert (place / "model.safetensors").read_bytes() == (folder / "model.safetensors").read_bytes()


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_wrong_content_is_not_installed(server: HubServer, name: str) -> None:
    """A file whose hash differs from the hub's is refused by name and not kept; a later pull succeeds."""
    server.corrupt.add(name)
    with pytest.raises(HubError, match=f"{name} is not what the hub promised"):
        pull("tiny.en")
    assert store.list_installed() == []
    server.corrupt.clear()
    assert pull("tiny.en").is_dir()


def test_unknown_names(server: HubServer) -> None:
    """Names that cannot be, and repositories that are not there, are told apart."""
    with pytest.raises(HubError, match=r"'large': give one of tiny, .* or a repository"):
        pull("large")
    with pytest.raises(HubError, match="nobody/nothing: there is no such model at http://127"):
        pull("nobody/nothing")
    for name in ("../../etc/passwd", "a/../b", "a/b/c", "/etc", "a/..", ""):
        with pytest.raises(HubError, match="give one of"):
            pull(name)


@pytest.mark.parametrize("name", ["../out", "a/b", ".hidden", "", "x" * 65, "-f"])
def test_names_stay_in_the_store(server: HubServer, name: str) -> None:
    """No name leads out of the store."""
    if name:
        with pytest.raises(StoreError, match="is not allowed"):
            pull("tiny.en", as_name=name)
    assert not server.requests


def test_taken_name(server: HubServer) -> None:
    """An installed model is not overwritten, and the network not used to find out."""
    pull("tiny.en")
    server.status = 500
    with pytest.raises(StoreError, match=r"'tiny\.en' is already installed; `amanuensis models rm tiny\.en` first"):
        pull("tiny.en")
    with pytest.raises(StoreError, match="belongs to the built-in model"):
        pull("base.en", as_name="builtin")


def test_no_whisper_model(server: HubServer, tmp_path: Path) -> None:
    """A repository without safetensors weights is refused before anything is fetched."""
    other = tmp_path / "other"
    other.mkdir()
    (other / "config.json").write_text("{}")
    server.repositories["some/model"] = other
    with pytest.raises(HubError, match=r"some/model: is no Whisper model.*it has config\.json"):
        pull("some/model")
    assert server.requests == []


def test_model_that_cannot_be_used(server: HubServer, folder: Path, tmp_path: Path) -> None:
    """What has the right files but is no Whisper model is not installed."""
    other = tmp_path / "other"
    other.mkdir()
    for name in ("tokenizer.json", "model.safetensors"):
        (other / name).write_bytes((folder / name).read_bytes())
    (other / "config.json").write_text(json.dumps({"model_type": "bert"}))
    server.repositories["some/bert"] = other
    with pytest.raises(EngineError, match=r"config\.json"):
        pull("some/bert")
    assert store.list_installed() == []


def test_hub_in_trouble(server: HubServer) -> None:
    """An error of the hub is told with its status."""
    server.status = 503
    with pytest.raises(HubError, match="answered with HTTP status 503; try again later"):
        pull("tiny.en")


def test_hub_without_hashes(server: HubServer) -> None:
    """A mirror that states no hashes is not trusted."""
    server.without_hashes = True
    with pytest.raises(HubError, match="states no size and hash for"):
        pull("tiny.en")


def test_unreachable_hub(server: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """No connection: the address is named, with what to do."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        monkeypatch.setenv("HF_ENDPOINT", endpoint)
        with pytest.raises(HubError, match=rf"{endpoint} cannot be reached .*check the network \(HF_ENDPOINT"):
            pull("tiny.en")


def test_full_disk(server: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Too little room is told before anything is fetched."""
    usage = hub.shutil.disk_usage("/")
    monkeypatch.setattr(hub.shutil, "disk_usage", lambda _: usage._replace(free=1000))
    with pytest.raises(HubError, match=r"GB are needed, 0\.0 GB are free; make room"):
        pull("tiny.en")
    assert server.requests == []


def test_unwritable_store(server: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that cannot be written is named."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("AMANUENSIS_MODELS", str(tmp_path / "file"))
    with pytest.raises(HubError, match=r"file/\.pull-openai--whisper-tiny\.en: cannot be written"):
        pull("tiny.en")


def test_two_pulls_at_once(server: HubServer) -> None:
    """A second pull of the same model while one is running is refused."""

    def again(_: Progress) -> None:
        with pytest.raises(HubError, match="another pull of this model is running"):
            pull("tiny.en")

    assert pull("tiny.en", report=again).is_dir()

"""Installed models and the built-in one: found, described, copied whole or not at all, removed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import safetensors.numpy

from amanuensis.benchmarks.random_model import RandomModel, make_random_model
from amanuensis.npu import archive, store
from amanuensis.npu.atomic import WriteError
from amanuensis.npu.engine.api import EngineError
from amanuensis.npu.model_files import ModelFiles
from amanuensis.npu.store import StoreError


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a small model with a card and a file that is not part of it."""
    folder = make_random_model(tmp_path_factory.mktemp("model") / "small.thing")
    (folder / "README.md").write_text("---\nlanguage: en\nlicense: cc0-1.0\n---\nA model.\n")
    (folder / "optimizer.pt").write_bytes(b"x" * 1000)
    return folder


@pytest.fixture(autouse=True)
def models(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty store; the built-in model is an archive of the small one, the cache is empty too."""
    monkeypatch.setenv("AMANUENSIS_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(store, "BUILTIN_ARCHIVE", tmp_path / "builtin.model")
    archive.pack(folder, tmp_path / "builtin.model")
    return tmp_path / "models"


def test_where_models_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment names the store; else it lies in the user's data folder."""
    monkeypatch.setenv("AMANUENSIS_MODELS", "/some/where")
    assert store.models_folder() == Path("/some/where")
    monkeypatch.delenv("AMANUENSIS_MODELS")
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    assert store.models_folder() == Path("/data/amanuensis/models")
    monkeypatch.setenv("XDG_DATA_HOME", "relative")
    assert store.models_folder() == Path.home() / ".local/share/amanuensis/models"


def test_builtin_is_expanded_once(tmp_path: Path) -> None:
    """The built-in model is a usable folder from the first use on, and not written again."""
    folder = store.resolve("builtin")
    assert folder.is_relative_to(tmp_path / "cache")
    before = (folder / "model.safetensors").stat()
    assert store.resolve("builtin") == folder
    assert (folder / "model.safetensors").stat().st_mtime_ns == before.st_mtime_ns
    ModelFiles.load(folder)


def test_older_builtin_is_removed(tmp_path: Path) -> None:
    """Expanding the model of a new version removes that of the version before."""
    older = tmp_path / "cache/amanuensis/builtin-0000000000000000"
    older.mkdir(parents=True)
    folder = store.resolve("builtin")
    assert list(folder.parent.iterdir()) == [folder]


def test_builtin_of_a_package(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package may ship the built-in model expanded."""
    monkeypatch.setenv("AMANUENSIS_BUILTIN", str(folder))
    assert store.resolve(None) == folder
    assert store.list_models()[0].path == folder


def test_build_without_builtin(tmp_path: Path) -> None:
    """A build without the model says how to get one."""
    (tmp_path / "builtin.model").unlink()
    assert store.list_models() == []
    with pytest.raises(StoreError, match="no built-in model; `amanuensis models pull"):
        store.resolve(None)


def test_damaged_builtin_is_listed_with_its_problem(tmp_path: Path) -> None:
    """A listing shows what is wrong instead of failing."""
    (tmp_path / "builtin.model").write_bytes(b"nothing")
    (info,) = store.list_models()
    assert info.builtin
    assert "not a model archive" in info.problem


def test_default_is_the_largest_installed(folder: Path, tmp_path: Path) -> None:
    """Without a name the largest usable model is taken, else the built-in one."""
    assert store.resolve(None) == store.builtin_folder()
    store.import_model(folder)
    larger = store.import_model(make_random_model(tmp_path / "larger", RandomModel(layers=3)))
    broken = store.models_folder() / "zzz"
    broken.mkdir()
    (broken / "model.safetensors").write_bytes(b"x" * 10_000_000)
    assert store.resolve(None) == larger


def test_resolve_names_and_paths(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name is looked up in the store, what has a slash is a path."""
    place = store.import_model(folder)
    assert store.resolve("small.thing") == place
    assert store.resolve(str(folder)) == folder
    assert store.resolve(folder) == folder
    monkeypatch.chdir(folder.parent)
    assert store.resolve("./small.thing") == Path("small.thing")
    with pytest.raises(
        StoreError, match=r"'tiny.en' is not installed \(installed: builtin, small.thing\); .*models pull"
    ):
        store.resolve("tiny.en")
    with pytest.raises(StoreError, match="/no/where: there is no such folder"):
        store.resolve("/no/where")
    with pytest.raises(StoreError, match="is not allowed"):
        store.resolve("..")


def test_import_takes_the_model_and_no_more(folder: Path, models: Path) -> None:
    """A checked folder is copied under its own or another name; other files stay out."""
    place = store.import_model(folder, "mine")
    assert place == models / "mine"
    assert not (place / "optimizer.pt").exists()
    assert (place / "model.safetensors").read_bytes() == (folder / "model.safetensors").read_bytes()
    assert [info.name for info in store.list_models()] == ["builtin", "mine"]


def test_import_follows_links(folder: Path, tmp_path: Path) -> None:
    """A folder of links, as the hub's own cache is, becomes a folder of files."""
    linked = tmp_path / "linked"
    linked.mkdir()
    for path in folder.iterdir():
        (linked / path.name).symlink_to(path)
    place = store.import_model(linked)
    assert not any(path.is_symlink() for path in place.iterdir())
    ModelFiles.load(place)


def test_refused_imports(folder: Path, tmp_path: Path, models: Path) -> None:
    """Broken folders, taken and impossible names are refused, and nothing is left in the store."""
    with pytest.raises(EngineError, match="no such model folder"):
        store.import_model(tmp_path / "none")
    (tmp_path / "bad").mkdir()
    with pytest.raises(EngineError, match=r"config\.json"):
        store.import_model(tmp_path / "bad")
    for name in ("..", "a/b", ".x", "", "builtin"):
        with pytest.raises(StoreError, match=r"not allowed|built-in"):
            store.import_model(folder, name or "/")
    store.import_model(folder)
    with pytest.raises(StoreError, match="already installed"):
        store.import_model(folder)
    assert [path.name for path in models.iterdir()] == ["small.thing"]


def test_full_disk_at_import_and_export(folder: Path, tmp_path: Path) -> None:
    """When the disk is full there is one clear line and nothing half-written."""
    code = (
        "import resource, signal, sys; from pathlib import Path; from amanuensis.npu import store, atomic\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (9999, 9999))\n"
        "source, target = map(Path, sys.argv[1:])\n"
        "for act in (lambda: store.import_model(source), lambda: store.export_model('other', target)):\n"
        "    try: act()\n"
        "    except atomic.WriteError as error: print(error)"
    )
    other = store.import_model(folder, "other")
    command = [sys.executable, "-c", code, str(folder), str(tmp_path / "place/out")]
    result = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ)
    assert [line.partition(": ")[2] for line in result.stdout.splitlines()] == [
        "cannot be written (File too large); make room or name another place"
    ] * 2
    assert list(other.parent.iterdir()) == [other]
    assert list((tmp_path / "place").iterdir()) == []


def test_export_builtin(tmp_path: Path, folder: Path) -> None:
    """The built-in model is exported as a float16 folder with its card."""
    store.export_model("builtin", tmp_path / "out")
    tensors = safetensors.numpy.load_file(tmp_path / "out/model.safetensors")
    assert {str(tensor.dtype) for tensor in tensors.values()} == {"float16"}
    assert (tmp_path / "out/README.md").read_bytes() == (folder / "README.md").read_bytes()
    ModelFiles.load(tmp_path / "out")


def test_export_installed(folder: Path, tmp_path: Path) -> None:
    """An installed model is exported as it is."""
    store.import_model(folder)
    store.export_model("small.thing", tmp_path / "out")
    assert (tmp_path / "out/model.safetensors").read_bytes() == (folder / "model.safetensors").read_bytes()


@pytest.mark.parametrize("name", ["builtin", "small.thing"])
def test_export_into_a_full_folder(folder: Path, tmp_path: Path, name: str) -> None:
    """A folder that holds something is left alone; an empty one is taken."""
    store.import_model(folder)
    (tmp_path / "out").mkdir()
    store.export_model(name, tmp_path / "out")
    before = sorted((tmp_path / "out").iterdir())
    with pytest.raises(EngineError, match="exists and is not an empty folder"):
        store.export_model(name, tmp_path / "out")
    assert sorted((tmp_path / "out").iterdir()) == before
    with pytest.raises(WriteError, match=r"config\.json/out: cannot be written"):
        store.export_model(name, tmp_path / "out/config.json/out")


def test_describe(folder: Path) -> None:
    """Size, parameters, languages, licence and shape are told without running the model."""
    info = store.describe(folder)
    tensors = safetensors.numpy.load_file(folder / "model.safetensors")
    assert info.parameters == sum(tensor.size for tensor in tensors.values())
    assert info.size_bytes < sum(path.stat().st_size for path in folder.iterdir())
    assert (info.licence, info.languages, info.multilingual, info.problem) == ("cc0-1.0", ("en",), False, "")
    assert info.dimensions is not None
    assert (info.dimensions.width, info.dimensions.encoder_layers) == (64, 2)
    assert info.manifest is not None
    assert info.manifest.audio_context == "free"


def test_remove(folder: Path, models: Path) -> None:
    """An installed model is removed; the built-in one, unknown ones and paths are not."""
    store.import_model(folder)
    for name in ("builtin", "other", "../models/small.thing", ".", str(folder)):
        with pytest.raises(StoreError, match=r"cannot be removed|is not installed|is not allowed"):
            store.remove_model(name)
    assert folder.is_dir()
    store.remove_model("small.thing")
    assert list(models.iterdir()) == []

"""A model's files on a node: used where they are right, taken whole or not at all."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from amanuensis.daemon.cluster import model_store
from amanuensis.daemon.cluster.model_store import Delivery, TransferError, find, manifest, pieces
from amanuensis.daemon.cluster.spec import HostSpec


@pytest.fixture
def spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> HostSpec:
    """A small model that a front has; the node has an empty store."""
    monkeypatch.setattr(model_store, "PIECE_BYTES", 5)
    monkeypatch.setenv("AMANUENSIS_MODELS", str(tmp_path / "store"))
    folder = tmp_path / "front" / "tiny"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text('{"a": 1, "b": 2}')
    (folder / "model.safetensors").write_bytes(bytes(range(23)))
    (folder / "merges.txt").touch()
    (folder / "notes.txt").write_text("not part of the model")
    return HostSpec("tiny", str(folder), manifest(folder), "cpu")


def deliver(spec: HostSpec, folder: Path) -> Delivery:
    """Give all files of a folder, piece by piece."""
    delivery = Delivery(spec)
    for file in spec.files:
        for piece in pieces(folder, file):
            delivery.take(file.name, piece)
    return delivery


def test_what_a_node_has_is_used(spec: HostSpec, tmp_path: Path) -> None:
    """At the same path, or in its store by name; not where a byte differs."""
    assert [file.name for file in spec.files] == ["config.json", "merges.txt", "model.safetensors"]
    assert find(spec) == Path(spec.folder)
    elsewhere = replace(spec, folder="/nowhere/tiny")
    assert find(elsewhere) is None
    Path(spec.folder).rename(tmp_path / "store")
    (tmp_path / "tiny").mkdir()
    (tmp_path / "store").rename(tmp_path / "tiny" / "tiny")
    (tmp_path / "tiny").rename(tmp_path / "store")
    assert find(elsewhere) == tmp_path / "store" / "tiny"
    (tmp_path / "store" / "tiny" / "model.safetensors").write_bytes(bytes(range(1, 24)))
    assert find(elsewhere) is None


def test_files_arrive_whole(spec: HostSpec, tmp_path: Path) -> None:
    """In pieces, an empty one too; afterwards they are found, and nothing else lies in the store."""
    delivery = deliver(spec, Path(spec.folder))
    assert find(replace(spec, folder="/nowhere")) is None
    place = delivery.finish()
    delivery.drop()
    assert find(replace(spec, folder="/nowhere")) == place
    assert list((tmp_path / "store").iterdir()) == [place]
    assert manifest(place) == spec.files
    again = deliver(spec, Path(spec.folder))
    assert again.finish() == place  # another front was quicker
    again.drop()


def test_other_content_is_refused_by_name(spec: HostSpec, tmp_path: Path) -> None:
    """Changed on the way, too long, missing, or a file that does not belong: nothing of it is kept."""
    delivery = deliver(spec, Path(spec.folder))
    with pytest.raises(TransferError, match=r"config\.json of model tiny is longer than announced"):
        delivery.take("config.json", b"more")
    with pytest.raises(TransferError, match=r"config\.json of model tiny came with other content"):
        delivery.finish()
    with pytest.raises(TransferError, match=r"'\.\./evil' does not belong to model tiny"):
        delivery.take("../evil", b"x")
    delivery.drop()
    half = Delivery(spec)
    half.take("config.json", b"{}")
    with pytest.raises(TransferError, match=r"config\.json"):
        half.finish()
    half.drop()
    assert list((tmp_path / "store").iterdir()) == []


def test_a_name_leads_nowhere_else(spec: HostSpec, tmp_path: Path) -> None:
    """Whatever a model is called, its place is in the store."""
    for name in ("../../etc/passwd", "/abs", "", "...", "ü" * 80, "x" * 200):
        delivery = deliver(spec, Path(spec.folder))
        place = replace(spec, model=name)
        delivery._spec = place
        assert delivery.finish().parent == tmp_path / "store"
        delivery.drop()

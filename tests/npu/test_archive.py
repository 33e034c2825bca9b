"""A model folder packs small, expands whole or not at all, and damage is seen."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from amanuensis.npu import archive
from amanuensis.npu.archive import ArchiveError, content_hash, expand, pack, sinusoids
from amanuensis.npu.atomic import WriteError

EMBEDDING = "model.decoder.embed_tokens.weight"
CONV = "model.encoder.conv1.weight"
BIAS = "model.encoder.conv1.bias"


def write_folder(folder: Path, **tensors: NDArray[np.floating]) -> Path:
    """Write a small model folder with given tensors put in place of, or beside, the usual ones."""
    random = np.random.default_rng(1)
    usual = {
        EMBEDDING: random.standard_normal((50, 16)).astype(np.float32),
        CONV: random.standard_normal((16, 8, 3)).astype(np.float32),
        BIAS: random.standard_normal(16).astype(np.float32),
        archive.ENCODER_POSITIONS: sinusoids(20, 16),
    }
    folder.mkdir(parents=True, exist_ok=True)
    safetensors.numpy.save_file(usual | tensors, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps({"d_model": 16}))
    (folder / "README.md").write_text("A model card: été.\n", encoding="utf-8")
    (folder / "optimizer.bin").write_bytes(b"not for shipping")
    return folder


def tensors_of(folder: Path) -> dict[str, NDArray[np.floating]]:
    """Return the tensors of a folder."""
    return safetensors.numpy.load_file(folder / "model.safetensors")


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    """Return an archive of a small folder."""
    pack(write_folder(tmp_path / "model"), tmp_path / "model.amz")
    return tmp_path / "model.amz"


def test_expand_gives_a_float16_folder(packed: Path, tmp_path: Path) -> None:
    """Text files come back as they were, weights within half an int8 step of their row, vectors as float16."""
    expand(packed, tmp_path / "out")
    before, after = tensors_of(tmp_path / "model"), tensors_of(tmp_path / "out")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"config.json", "README.md", "model.safetensors"}
    assert (tmp_path / "out/README.md").read_bytes() == (tmp_path / "model/README.md").read_bytes()
    assert before.keys() == after.keys()
    assert {tensor.dtype for tensor in after.values()} == {np.dtype(np.float16)}
    assert {name: tensor.shape for name, tensor in after.items()} == {k: v.shape for k, v in before.items()}
    for name in (EMBEDDING, CONV):
        rows = np.abs(before[name]).reshape(len(before[name]), -1)
        error = np.abs(after[name].astype(np.float32) - before[name]).reshape(rows.shape)
        step = rows.max(axis=1, keepdims=True) / 127
        assert (error <= 0.5 * step + rows * 2.0**-11 + 1e-7).all()
    np.testing.assert_array_equal(after[BIAS], before[BIAS].astype(np.float16))
    np.testing.assert_array_equal(after[archive.ENCODER_POSITIONS], sinusoids(20, 16).astype(np.float16))


def test_weights_say_their_layout(packed: Path, tmp_path: Path) -> None:
    """Other engines open the weights only when these say whose layout they have."""
    expand(packed, tmp_path / "out")
    with safetensors.safe_open(tmp_path / "out/model.safetensors", "numpy") as file:
        assert file.metadata() == {"format": "pt"}


def test_same_folder_same_bytes(packed: Path, tmp_path: Path) -> None:
    """Packing is deterministic, and packing what was expanded changes nothing more."""
    again = tmp_path / "again.amz"
    assert pack(tmp_path / "model", again) == content_hash(packed)
    assert again.read_bytes() == packed.read_bytes()
    expand(packed, tmp_path / "out")
    pack(tmp_path / "out", tmp_path / "second.amz")
    expand(tmp_path / "second.amz", tmp_path / "out2")
    for name, tensor in tensors_of(tmp_path / "out").items():
        np.testing.assert_allclose(tensors_of(tmp_path / "out2")[name], tensor, atol=2e-3)


def test_repeated_tensor_is_stored_once(tmp_path: Path) -> None:
    """A tied output projection costs nothing and comes back."""
    plain, tied = tmp_path / "plain.amz", tmp_path / "tied.amz"
    big = np.random.default_rng(2).standard_normal((500, 64)).astype(np.float32)
    pack(write_folder(tmp_path / "a", **{EMBEDDING: big}), plain)
    pack(write_folder(tmp_path / "b", **{EMBEDDING: big, "proj_out.weight": big}), tied)
    assert tied.stat().st_size < plain.stat().st_size + 200
    expand(tied, tmp_path / "out")
    tensors = tensors_of(tmp_path / "out")
    np.testing.assert_array_equal(tensors["proj_out.weight"], tensors[EMBEDDING])


def test_learned_positions_are_kept(tmp_path: Path) -> None:
    """Encoder positions that are not sinusoidal are stored like other weights."""
    learned = sinusoids(20, 16) + np.float32(0.05)
    pack(write_folder(tmp_path / "model", **{archive.ENCODER_POSITIONS: learned}), tmp_path / "m.amz")
    expand(tmp_path / "m.amz", tmp_path / "out")
    np.testing.assert_allclose(tensors_of(tmp_path / "out")[archive.ENCODER_POSITIONS], learned, atol=0.01)


def test_rows_of_zeros(tmp_path: Path) -> None:
    """A row without any weight stays zero."""
    pack(write_folder(tmp_path / "model", **{EMBEDDING: np.zeros((5, 16), np.float32)}), tmp_path / "m.amz")
    expand(tmp_path / "m.amz", tmp_path / "out")
    assert not tensors_of(tmp_path / "out")[EMBEDDING].any()


def test_size_is_about_a_byte_a_weight(tmp_path: Path) -> None:
    """Gaussian weights compress to less than a byte each."""
    big = np.random.default_rng(3).standard_normal((1000, 256)).astype(np.float32)
    pack(write_folder(tmp_path / "model", **{EMBEDDING: big}), tmp_path / "m.amz")
    assert (tmp_path / "m.amz").stat().st_size < 0.96 * big.size


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_any_damage_is_seen(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """A changed byte or a cut anywhere gives one clear line and no folder."""
    base = tmp_path_factory.mktemp("damage")
    pack(write_folder(base / "model"), base / "m.amz")
    content = bytearray((base / "m.amz").read_bytes())
    at = data.draw(st.integers(0, len(content) - 1))
    damaged = content[:at]
    if data.draw(st.booleans()):
        damaged = content[:at] + bytes([content[at] ^ data.draw(st.integers(1, 255))]) + content[at + 1 :]
    (base / "m.amz").write_bytes(damaged)
    with pytest.raises(ArchiveError, match=r"m\.amz: ") as caught:
        expand(base / "m.amz", base / "out")
    assert "\n" not in str(caught.value)
    assert not (base / "out").exists()


def test_other_version(packed: Path, tmp_path: Path) -> None:
    """An archive of a later program is not guessed at."""
    content = bytearray(packed.read_bytes())
    content[len(archive.MAGIC)] = 99
    packed.write_bytes(content)
    with pytest.raises(ArchiveError, match=r"format version 99.*reads version 1"):
        expand(packed, tmp_path / "out")


def test_target_must_be_new_or_empty(packed: Path, tmp_path: Path) -> None:
    """An empty folder is taken, a folder with files or a file is refused and left alone."""
    (tmp_path / "empty").mkdir()
    expand(packed, tmp_path / "empty")
    assert (tmp_path / "empty/config.json").exists()
    (tmp_path / "full").mkdir()
    (tmp_path / "full/mine").write_text("x")
    for target in (tmp_path / "full", tmp_path / "full/mine"):
        with pytest.raises(ArchiveError, match="exists and is not an empty folder"):
            expand(packed, target)
    assert (tmp_path / "full/mine").read_text() == "x"


def test_unwritable_place(packed: Path, tmp_path: Path) -> None:
    """A place that cannot be written is named."""
    (tmp_path / "file").write_text("")
    with pytest.raises(WriteError, match="file/out: cannot be written"):
        expand(packed, tmp_path / "file/out")


def test_full_disk_leaves_nothing(packed: Path, tmp_path: Path) -> None:
    """When writing fails half-way there is one clear line, no folder and no temporary file."""
    code = (
        "import resource, signal, sys; from pathlib import Path; from amanuensis.npu import archive\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try: archive.expand(Path(sys.argv[1]), Path(sys.argv[2]))\n"
        "except archive.EngineError as error: print(error)"
    )
    place = tmp_path / "place"
    place.mkdir()
    command = [sys.executable, "-c", code, str(packed), str(place / "out")]
    result = subprocess.run(
        command, capture_output=True, text=True, check=True, env=os.environ | {"OMP_NUM_THREADS": "1"}
    )
    assert "place/out: cannot be written (File too large); make room" in result.stdout
    assert list(place.iterdir()) == []


def test_missing_archive(tmp_path: Path) -> None:
    """A missing archive is named."""
    for read in (content_hash, lambda path: expand(path, tmp_path / "out")):
        with pytest.raises(ArchiveError, match=r"none\.amz: cannot be read \(No such file"):
            read(tmp_path / "none.amz")


@pytest.mark.parametrize("value", [np.inf, np.nan, 1e6])
def test_bad_weights_are_not_packed(tmp_path: Path, value: float) -> None:
    """Weights that float16 cannot hold are named."""
    folder = write_folder(tmp_path / "model", **{BIAS: np.full(16, value, np.float32)})
    with pytest.raises(ArchiveError, match=r"conv1\.bias"):
        pack(folder, tmp_path / "m.amz")
    assert not (tmp_path / "m.amz").exists()


def test_folder_without_weights(tmp_path: Path) -> None:
    """A folder without weights is named."""
    with pytest.raises(ArchiveError, match=r"has no model\.safetensors"):
        pack(tmp_path, tmp_path / "m.amz")

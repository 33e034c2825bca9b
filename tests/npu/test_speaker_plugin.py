"""Tests of speaker models that a user puts into a model folder: real ONNX graphs, right and wrong ones."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from amanuensis.benchmarks.random_model import make_random_model
from amanuensis.npu import speaker_plugin, store
from amanuensis.npu.model_error import ModelError
from amanuensis.npu.speaker_plugin import FRAME_SAMPLES, HOP_SAMPLES, PluginEmbedder, fbank
from amanuensis.npu.speakers import load_embedder

BINS, DIM = 40, 8
FACTS = {"rate": 16_000, "window_s": 2.0, "dim": DIM, "same_above": 0.4, "input": "fbank", "bins": BINS}


def write_model(folder: Path, facts: dict[str, Any], *, gain: float = 1.0, offset: float = 0.0, dim: int = DIM) -> None:
    """Write a model that projects the standard deviation of each band; and its facts."""
    matrix = np.random.default_rng(0).standard_normal((BINS, dim)).astype(np.float32) * np.float32(gain)
    constants = [
        numpy_helper.from_array(matrix, "matrix"),
        numpy_helper.from_array(np.full(dim, offset, np.float32), "offset"),
        numpy_helper.from_array(np.array([1], np.int64), "axis"),
    ]
    nodes = [
        helper.make_node("ReduceL2", ["feats", "axis"], ["spread"], keepdims=0),
        helper.make_node("MatMul", ["spread", "matrix"], ["moved"]),
        helper.make_node("Add", ["moved", "offset"], ["embs"]),
    ]
    given = helper.make_tensor_value_info("feats", TensorProto.FLOAT, [1, "frames", BINS])
    made = helper.make_tensor_value_info("embs", TensorProto.FLOAT, [1, dim])
    graph = helper.make_graph(nodes, "voice", [given], [made], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.save(model, folder / "speakers.onnx")
    (folder / "speakers.json").write_text(json.dumps(facts))


def test_a_folder_with_a_speaker_model_uses_it(tmp_path: Path) -> None:
    """Its size, window and threshold are those of its file; short speech has a vector too."""
    write_model(tmp_path, FACTS)
    embedder = load_embedder(tmp_path)
    assert isinstance(embedder, PluginEmbedder)
    assert (embedder.dim, embedder.window_s, embedder.same_above) == (DIM, 2.0, 0.4)
    assert embedder.name.startswith(f"{tmp_path.name}-")
    for n in (1, 700, 48_000):
        vector = embedder.embed(np.random.default_rng(n).normal(0, 0.1, n).astype(np.float32))
        assert vector.shape == (DIM,)
        assert np.linalg.norm(vector) == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rate": 8000}, "rate is 8000; only 16000"),
        ({"dim": 9}, r"answers with tensor\(float\) \[1, 8\], but speakers.json gives dim 9"),
        ({"dim": 0}, "dim is 0; write a number from 2"),
        ({"dim": 8.5}, "dim is 8.5; write a whole number"),
        ({"dim": "8"}, "dim is '8'; write a number"),
        ({"same_above": 2}, "same_above is 2; write a number from -1 to 1"),
        ({"same_above": True}, "same_above is True"),
        ({"window_s": None}, "window_s is None"),
        ({"window_s": 1e9}, "window_s is 1000000000.0"),
        ({"input": "mel"}, "input is 'mel'; write"),
        ({"input": "samples"}, r"takes feats tensor\(float\) .* wanted is one float \[1, n\]"),
        ({"bins": 41}, r"takes feats .* wanted is one float \[1, frames, 41\], frames free"),
        ({"bins": 1}, "bins is 1; write a number from 20 to 128"),
    ],
)
def test_a_wrong_fact_is_named(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    """The file, the key, the value and what is allowed."""
    write_model(tmp_path, {**FACTS, **change})
    with pytest.raises(ModelError, match=message):
        load_embedder(tmp_path)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ({"gain": float("nan")}, "numbers that are not finite"),
        ({"offset": float("inf")}, "numbers that are not finite"),
        ({"gain": 0.0}, "gives the same vector for every sound"),
        ({"gain": 0.0, "offset": 1.0}, "gives the same vector for every sound"),
        ({"dim": 6}, r"answers with tensor\(float\) \[1, 6\]"),
    ],
)
def test_a_model_that_cannot_work_is_refused_when_it_is_loaded(
    tmp_path: Path, model: dict[str, float], message: str
) -> None:
    """Not only once somebody speaks."""
    write_model(tmp_path, FACTS, **model)  # type: ignore[arg-type]
    with pytest.raises(ModelError, match=message):
        load_embedder(tmp_path)


@pytest.mark.parametrize("broken", ["speakers.onnx", "speakers.json"])
def test_a_file_that_is_none_is_refused(tmp_path: Path, broken: str) -> None:
    """Bytes of another kind in the place of either file."""
    write_model(tmp_path, FACTS)
    (tmp_path / broken).write_bytes(b"\xff\x00 not a model")
    with pytest.raises(ModelError, match=broken):
        load_embedder(tmp_path)


@pytest.mark.parametrize("name", ["speakers.onnx", "speakers.json"])
def test_a_file_that_is_not_there_is_named(tmp_path: Path, name: str) -> None:
    """Also where it is a link to nowhere or a folder; the built-in model does not stand in."""
    write_model(tmp_path, FACTS)
    (tmp_path / name).unlink()
    (tmp_path / name).symlink_to(tmp_path / "nosuch")
    with pytest.raises(ModelError, match=rf"{name}: missing"):
        load_embedder(tmp_path)
    (tmp_path / name).unlink()
    (tmp_path / name).mkdir()
    with pytest.raises(ModelError, match=rf"{name}: is not a regular file"):
        load_embedder(tmp_path)


def test_facts_without_a_graph_say_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """They may be of something else: the built-in model is used, and the log says why."""
    write_model(tmp_path, FACTS)
    (tmp_path / "speakers.onnx").unlink()
    with caplog.at_level(logging.WARNING):
        assert load_embedder(tmp_path).name == load_embedder(None).name
    assert "speakers.json: no speakers.onnx beside it" in caplog.text


def test_a_model_without_its_facts_is_refused(tmp_path: Path) -> None:
    """The message names the missing file."""
    write_model(tmp_path, FACTS)
    (tmp_path / "speakers.json").unlink()
    with pytest.raises(ModelError, match=r"speakers\.json: missing; a speaker model needs speakers\.onnx and"):
        load_embedder(tmp_path)


def test_a_file_of_facts_is_a_small_one(tmp_path: Path) -> None:
    """What is no small file is not read, however it nests."""
    write_model(tmp_path, FACTS)
    (tmp_path / "speakers.json").write_text("[" * 50_000)
    with pytest.raises(ModelError, match="not readable as JSON"):
        load_embedder(tmp_path)
    (tmp_path / "speakers.json").write_text(" " * 70_000)
    with pytest.raises(ModelError, match="has 70000 bytes; at most 65536 are read"):
        load_embedder(tmp_path)


def test_a_model_that_is_too_slow_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the time that it takes of a core, so that it does not matter what else goes on."""
    write_model(tmp_path, FACTS)
    monkeypatch.setattr(speaker_plugin, "MAX_CPU_S", 0.0)
    with pytest.raises(ModelError, match=r"takes \d+\.\d\d s of a core for a window, .* at most 0 s are allowed"):
        load_embedder(tmp_path)


def test_the_filter_bank_has_a_tone_where_it_belongs() -> None:
    """A tone is loudest in the band of its frequency; the mean over frames is taken away."""
    seconds = np.arange(16_000) / 16_000
    sound = np.sin(2 * np.pi * 1000 * seconds) * (seconds > 0.5)
    sound = (sound + np.random.default_rng(0).normal(0, 1e-3, len(sound))).astype(np.float32)
    bank = fbank(sound, 80)
    assert bank.shape == ((len(sound) - FRAME_SAMPLES) // HOP_SAMPLES + 1, 80)
    assert np.allclose(bank.mean(axis=0), 0, atol=1e-3)
    centres_mel = np.linspace(1127 * np.log1p(20 / 700), 1127 * np.log1p(8000 / 700), 82)[1:-1]
    band_hz = 700 * np.expm1(centres_mel / 1127)
    assert abs(band_hz[bank[-1].argmax()] - 1000) < 60


def test_a_speaker_model_is_imported_with_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both files go along; a wrong one is refused and nothing is left in the store."""
    monkeypatch.setenv("AMANUENSIS_MODELS", str(tmp_path / "models"))
    folder = make_random_model(tmp_path / "mine")
    write_model(folder, FACTS)
    assert load_embedder(store.import_model(folder)).dim == DIM
    write_model(folder, {**FACTS, "dim": 9})
    with pytest.raises(ModelError, match="gives dim 9"):
        store.import_model(folder, "other")
    assert [path.name for path in (tmp_path / "models").iterdir()] == ["mine"]


def test_another_model_has_another_name(tmp_path: Path) -> None:
    """So that voices enrolled with the one are not compared by the other."""
    names = set()
    for gain in (1.0, 2.0):
        write_model(tmp_path, FACTS, gain=gain)
        names.add(load_embedder(tmp_path).name)
    assert len(names | {load_embedder(None).name}) == 3

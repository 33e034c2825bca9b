"""Which arithmetic and how many threads the products of a model get."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path

import numpy as np
import pytest

from amanuensis.benchmarks.random_model import RandomModel, make_random_model
from amanuensis.npu.devices import cpu_tuning
from amanuensis.npu.devices.cpu import CpuModel
from amanuensis.npu.model_files import ModelFiles
from amanuensis.npu.tuning import (
    CLEAR,
    SINGLE_THREAD_WIDTH,
    UNEMBEDDING,
    Operator,
    Tuning,
    by_rule,
    enough_threads,
    operator_of,
    shapes,
    with_arithmetic,
)

RULE = Tuning("int8", 2, 1)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> ModelFiles:
    """Return a small random model."""
    return ModelFiles.load(make_random_model(tmp_path_factory.mktemp("model"), RandomModel(layers=1)))


def test_only_clear_gains_overrule_the_rule() -> None:
    """An operator changes its arithmetic where that is faster beyond noise, and stays else."""
    gains: dict[Operator, float] = {"decoder": CLEAR, "logits": 0.99 * CLEAR, "cross-attention": 1.01 * CLEAR}
    found = with_arithmetic(RULE, gains, gains.__getitem__, lambda: True)
    assert found == replace(RULE, other=("decoder", "logits"), how="measured")
    assert [found.of(operator) for operator in gains] == ["float32", "float32", "int8"]


def test_what_there_was_no_time_for_follows_the_rule() -> None:
    """Measuring ends in time; the operators that are left keep the rule's arithmetic, and it is told."""
    left = iter([True, True, False])
    found = with_arithmetic(RULE, ("decoder", "logits", "cross-attention"), lambda _: 0.1, lambda: next(left))
    assert found == replace(RULE, other=("decoder", "logits"), how="rule in part")


def test_threads_that_gain_little_are_not_taken() -> None:
    """Each step up must make a product clearly faster, whatever the steps beyond it say."""
    assert enough_threads({1: 1.0}) == 1
    assert enough_threads({1: 1.0, 2: 0.6, 4: 0.3}) == 4
    assert enough_threads({1: 1.0, 2: 0.6, 4: 0.55}) == 2
    assert enough_threads({1: 1.0, 2: 0.9, 4: 0.3}) == 1


def test_every_layer_has_an_operator() -> None:
    """The layers of both halves are told apart by their names."""
    found = {
        name: operator_of(name)
        for name in (
            "encoder.layers.3.self_attn.q_proj",
            "encoder.layers.3.fc1",
            "decoder.layers.0.encoder_attn.k_proj",
            "decoder.layers.0.encoder_attn.q_proj",
            "decoder.layers.0.self_attn.qkv",
            UNEMBEDDING,
        )
    }
    assert list(found.values()) == [
        "encoder attention",
        "encoder feed-forward",
        "cross-attention",
        "decoder",
        "decoder",
        "logits",
    ]


def test_it_comes_back_from_its_file() -> None:
    """What is written is what is read."""
    tuning = replace(RULE, other=("logits",), how="measured")
    assert Tuning.from_json(tuning.to_json()) == tuning
    assert str(tuning) == "int8 but float32 for logits, 2 and 1 threads to encode and decode (measured)"


def test_wide_models_decode_on_all_threads(files: ModelFiles) -> None:
    """Steps of small models are too short for a second thread."""
    narrow = by_rule(files.dimensions, "int8", 4)
    wide = by_rule(replace(files.dimensions, width=SINGLE_THREAD_WIDTH + 1), "int8", 4)
    assert (narrow.encoder_threads, narrow.decoder_threads, wide.decoder_threads) == (4, 1, 4)


def test_measuring_covers_every_operator_and_leaves_no_graph(files: ModelFiles, tmp_path: Path) -> None:
    """The real products run in both arithmetics, until a clock says that the time is up; graphs go again."""
    rule = by_rule(files.dimensions, "int8", 1)

    def measured(seconds: Iterator[float]) -> Tuning:
        return cpu_tuning.measure(tmp_path, files, rule, arithmetic=True, counts=[1], clock=lambda: next(seconds))

    assert measured(k / 1e6 for k in count()) == replace(rule, how="measured")  # on this clock all take as long
    assert measured(2 * cpu_tuning.BUDGET_S * k for k in count()) == replace(rule, how="rule in part")
    assert list(tmp_path.iterdir()) == []


def test_measured_once_for_a_machine_and_a_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A start reads what an earlier one found with its settings; after a damaged file the next measures again."""
    folder = make_random_model(tmp_path / "model", RandomModel(layers=1))
    files = ModelFiles.load(folder)
    found = replace(RULE, other=("decoder",), how="measured")
    measured: list[Path] = []

    def measure(path: Path, *_: object, **__: object) -> Tuning:
        measured.append(path)
        return found

    monkeypatch.setattr(cpu_tuning, "measure", measure)
    for _ in range(2):
        assert cpu_tuning.tuned(files, RULE, arithmetic=True, threads=False) == found
    assert len(measured) == 1
    assert cpu_tuning.tuned(files, RULE, arithmetic=True, threads=True) == found
    assert cpu_tuning.tuned(files, RULE, arithmetic=True, threads=False) == found
    assert len(measured) == 2
    (kept,) = folder.glob(".prepared/tuning_int8_each_2_threads-*/tuning.json")
    kept.write_text("{")
    assert cpu_tuning.tuned(files, RULE, arithmetic=True, threads=False) == RULE
    assert cpu_tuning.tuned(files, RULE, arithmetic=True, threads=False) == found
    assert len(measured) == 3


def test_settings_are_not_measured(files: ModelFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who names precision and threads gets them."""
    monkeypatch.delattr(cpu_tuning, "measure")
    model = CpuModel(files, "int8", threads=2)
    assert model.tuning == by_rule(files.dimensions, "int8", 2)


def test_mixed_arithmetic_says_the_same(files: ModelFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model whose operators differ in arithmetic lies between float32 and int8."""
    mixed = replace(by_rule(files.dimensions, "int8", 1), other=tuple(shapes(files.dimensions)), how="measured")
    features = np.random.default_rng(0).standard_normal((80, 60)).astype(np.float32)
    exact = CpuModel(files, "float32", threads=1).encode_states(features)
    monkeypatch.setattr("amanuensis.npu.devices.cpu.has_int8_dot", lambda: True)
    monkeypatch.setattr("amanuensis.npu.devices.cpu.tuned", lambda *_, **__: mixed)
    np.testing.assert_array_equal(CpuModel(files, "auto", threads=1).encode_states(features), exact)

"""The CPU back end against recorded answers of transformers, and the key-value cache."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from amanuensis.benchmarks.random_model import make_random_model
from amanuensis.npu.cpu_features import has_int8_dot
from amanuensis.npu.devices.cpu import CpuModel
from amanuensis.npu.devices.cpu_scores import RowScorer
from amanuensis.npu.model_files import ModelFiles
from amanuensis.npu.row_rules import N_MASKS, Row, RowRules, Selection
from tests.helpers.parity_fixture import ANSWER, MODEL

Float32 = NDArray[np.float32]
MAX_ERROR = 1e-3  # of float32: max|a - b| / max|b|
MAX_NRMSE = 0.03  # of int8
LENGTHS = (1, 4, 16)
PREFIX = 8
ROUNDING = 1e-5  # between forwards of other shapes in float32


@pytest.fixture(scope="module")
def answer() -> dict[str, NDArray[np.float32]]:
    """What transformers answered."""
    with np.load(ANSWER) as arrays:
        return {name: np.asarray(arrays[name], None if name == "tokens" else np.float32) for name in arrays.files}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the recorded model."""
    return make_random_model(tmp_path_factory.mktemp("recorded"), MODEL)


@pytest.fixture(scope="module", params=["float32", "int8"])
def model(request: pytest.FixtureRequest, folder: Path) -> CpuModel:
    """The recorded model in each precision."""
    if request.param == "int8" and not has_int8_dot():
        pytest.skip("this CPU has no int8 dot products")
    return CpuModel(ModelFiles.load(folder), request.param, threads=1)


@pytest.fixture(scope="module")
def exact(folder: Path) -> CpuModel:
    """The recorded model in float32."""
    return CpuModel(ModelFiles.load(folder), "float32", threads=1)


def assert_close(model: CpuModel, ours: Float32, theirs: Float32) -> None:
    """Assert the limit of the model's precision."""
    if model.precision == "float32":
        assert np.abs(ours - theirs).max() / np.abs(theirs).max() <= MAX_ERROR
    else:
        assert np.sqrt(np.square(ours - theirs).mean() / np.square(theirs).mean()) <= MAX_NRMSE


def test_encoder_states_equal_transformers(model: CpuModel, answer: dict[str, Float32]) -> None:
    """A window of any length gives the states that transformers' layers give."""
    assert_close(model, model.encoder_states(answer["features"]).numpy()[0], answer["states"])


@pytest.mark.parametrize("length", LENGTHS)
def test_logits_from_scratch_equal_transformers(model: CpuModel, answer: dict[str, Float32], length: int) -> None:
    """A forward over N tokens on an empty cache gives all N rows of logits."""
    tokens = [int(token) for token in answer["tokens"]]
    output = model.decoder(model.encode(answer["features"])).forward_logits(tokens[:length], range(length))
    assert_close(model, output.logits[0], answer["logits"][:length])


@pytest.mark.parametrize("length", LENGTHS)
def test_logits_on_the_cache_equal_transformers(model: CpuModel, answer: dict[str, Float32], length: int) -> None:
    """A forward over N tokens on a cache gives the same rows."""
    tokens = [int(token) for token in answer["tokens"]]
    decoder = model.decoder(model.encode(answer["features"]))
    decoder.forward_logits(tokens[:PREFIX], [0])
    output = decoder.forward_logits(tokens[PREFIX : PREFIX + length], range(length))
    assert_close(model, output.logits[0], answer["logits"][PREFIX : PREFIX + length])


def test_attention_of_the_alignment_heads_equals_transformers(exact: CpuModel, answer: dict[str, Float32]) -> None:
    """The attention that comes out is that of the named heads, in their order."""
    tokens = [int(token) for token in answer["tokens"]]
    output = exact.decoder(exact.encode(answer["features"])).forward_logits(tokens, [0])
    expected = np.stack([answer["attention"][layer, head] for layer, head in MODEL.alignment_heads or ()])
    assert_close(exact, output.attention[:, 0], expected)


def test_only_wanted_rows_have_logits(exact: CpuModel, answer: dict[str, Float32]) -> None:
    """Rows are chosen before the vocabulary projection, which costs the most."""
    tokens = [int(token) for token in answer["tokens"]]
    output = exact.decoder(exact.encode(answer["features"])).forward_logits(tokens, [2, 7])
    assert output.logits.shape[1] == 2
    assert_close(exact, output.logits[0], answer["logits"][[2, 7]])


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_cuts_and_truncations_do_not_matter(exact: CpuModel, answer: dict[str, Float32], data: st.DataObject) -> None:
    """However tokens are cut into forwards and steps, with rejected tokens between, the last logits are the same."""
    tokens = data.draw(st.lists(st.integers(0, 279), min_size=1, max_size=20))
    encoding = exact.encode(answer["features"])
    expected = exact.decoder(encoding).forward_logits(tokens, [len(tokens) - 1]).logits[0, 0]
    decoder = exact.decoder(encoding)
    while decoder.length < len(tokens):
        rejected = data.draw(st.lists(st.integers(0, 279), max_size=4))
        if rejected:
            length = decoder.length
            decoder.forward_logits(rejected, [0])
            decoder.truncate(length)
        count = data.draw(st.integers(1, len(tokens) - decoder.length))
        part = tokens[decoder.length : decoder.length + count]
        output = decoder.step_logits(part) if count == 1 else decoder.forward_logits(part, [count - 1])
    np.testing.assert_allclose(output.logits[0, 0], expected, atol=ROUNDING)


@settings(max_examples=25, deadline=None)
@given(
    prefix=st.lists(st.integers(0, 279), min_size=1, max_size=6),
    sources=st.lists(st.integers(0, 2), min_size=1, max_size=4),
)
def test_beams_go_on_from_their_sources(
    exact: CpuModel, answer: dict[str, Float32], prefix: list[int], sources: list[int]
) -> None:
    """After a reordering each beam continues the tokens of its source."""
    encoding = exact.encode(answer["features"])
    decoder = exact.decoder(encoding)
    decoder.forward_logits(prefix, [0])
    decoder.reorder([0, 0, 0])
    decoder.step_logits([11, 12, 13])
    decoder.reorder(sources)
    output = decoder.step_logits([20] * len(sources))
    logits, attention = output.logits[:, 0].copy(), output.attention[:, :, 0].copy()
    for beam, source in enumerate(sources):
        alone = exact.decoder(encoding).forward_logits([*prefix, 11 + source, 20], [len(prefix) + 1])
        np.testing.assert_allclose(logits[beam], alone.logits[0, 0], atol=ROUNDING)
        np.testing.assert_allclose(attention[:, beam], alone.attention[:, 0, -1], atol=ROUNDING)


def test_damaged_graphs_are_built_again(tmp_path: Path) -> None:
    """A prepared file that ONNX Runtime cannot read is replaced, not reported."""
    folder = make_random_model(tmp_path / "model", replace(MODEL, layers=1, alignment_heads=None))
    files = ModelFiles.load(folder)
    CpuModel(files, "float32", threads=1)
    (damaged,) = folder.glob(".prepared/*/decoder.onnx")
    damaged.write_bytes(b"not a graph")
    CpuModel(files, "float32", threads=1)
    assert damaged.stat().st_size > 100


def test_states_may_come_from_elsewhere(exact: CpuModel, answer: dict[str, Float32]) -> None:
    """An encoding made from states that crossed over as an array is that of the features."""
    whole = exact.encode(answer["features"])
    split = exact.encoding_of(exact.encode_states(answer["features"]))
    assert split.n_frames == whole.n_frames
    logits = [exact.decoder(each).forward_logits([1, 2, 3], [2]).logits.copy() for each in (whole, split)]
    np.testing.assert_array_equal(*logits)


@settings(max_examples=15, deadline=None)
@given(tokens=st.lists(st.integers(0, 279), min_size=2, max_size=10), data=st.data())
def test_scores_are_those_of_the_logits(
    exact: CpuModel, answer: dict[str, Float32], tokens: list[int], data: st.DataObject
) -> None:
    """Forwards score each row under its own rules, also one row twice; steps score each beam."""
    scorer = RowScorer(selection(exact))
    encoding = exact.encode(answer["features"])
    indices = data.draw(st.lists(st.integers(0, len(tokens) - 1), max_size=4))
    rows = [Row(index, RowRules(candidates=2, wanted=k, no_speech=True)) for k, index in enumerate(indices)]
    exact.load_selection(selection(exact))
    decoder = exact.decoder(encoding)
    scores = decoder.forward(tokens, rows).scores
    logits = exact.decoder(encoding).forward_logits(tokens, indices).logits[0].copy()
    assert scores == tuple(scorer.score(logits[k], row.rules) for k, row in enumerate(rows))
    decoder.reorder([0, 0])
    rules = [RowRules(candidates=3), RowRules(eot=False, temperature=0.5)]
    stepped = decoder.step([5, 6], rules).scores
    decoder.truncate(len(tokens))
    again = decoder.step_logits([5, 6]).logits[:, 0]
    assert stepped == tuple(map(scorer.score, again, rules))


def selection(model: CpuModel) -> Selection:
    """Return masks that suppress nothing."""
    vocabulary = model.dimensions.vocabulary
    return Selection(np.zeros((N_MASKS, vocabulary), np.bool_), 270, 280, no_speech=275)


def test_scoring_allocates_nothing_of_the_size_of_a_vocabulary() -> None:
    """The rows of a transcript are scored in buffers that are there already."""
    vocabulary = 51_865
    scorer = RowScorer(Selection(np.zeros((N_MASKS, vocabulary), np.bool_), 50_257, 50_364, no_speech=50_362))
    logits = np.random.default_rng(0).standard_normal(vocabulary).astype(np.float32)
    rules = RowRules(candidates=1, wanted=5, no_speech=True, time_from=50_364, time_to=vocabulary)
    first = scorer.score(logits, rules)
    tracemalloc.start()
    try:
        assert scorer.score(logits, rules) == first
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < logits.nbytes // 2


def test_scores_need_a_selection(folder: Path, answer: dict[str, Float32]) -> None:
    """A back end that was not told the vocabulary does not guess it."""
    model = CpuModel(ModelFiles.load(folder), "float32", threads=1)
    with pytest.raises(RuntimeError, match="load_selection must be called"):
        model.decoder(model.encode(answer["features"])).step([1], [RowRules()])


def test_foreign_encoding_is_refused(exact: CpuModel) -> None:
    """An encoding of another back end is a mistake of the caller."""
    with pytest.raises(TypeError, match="encoding of the CPU"):
        exact.decoder(object())  # type: ignore[arg-type]


def test_cpu_without_int8_products(folder: Path, answer: dict[str, Float32], monkeypatch: pytest.MonkeyPatch) -> None:
    """Without VNNI `auto` is float32, and int8 on request has weights of 7 bits, so that no sum saturates."""
    monkeypatch.setattr("amanuensis.npu.devices.cpu.has_int8_dot", lambda: False)
    files = ModelFiles.load(folder)
    assert CpuModel(files, threads=1).precision == "float32"
    reduced = CpuModel(files, "int8", threads=1)
    states = reduced.encoder_states(answer["features"]).numpy()[0]
    error = np.sqrt(np.square(states - answer["states"]).mean() / np.square(answer["states"]).mean())
    assert 0 < error <= 2 * MAX_NRMSE  # twice the step of the weights

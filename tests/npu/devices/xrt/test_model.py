"""A model on the arithmetic of the device, against float32 and against itself."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from amanuensis.benchmarks.random_model import make_random_model
from amanuensis.kernels.records import RULES, SCORES
from amanuensis.npu import calibration, device_layers
from amanuensis.npu.calibration import Precision, Window, cosine, nrmse
from amanuensis.npu.device_weights import device_weights
from amanuensis.npu.devices.cpu_scores import RowScorer
from amanuensis.npu.devices.xrt.errors import DeviceMemoryError, WrongAnswerError
from amanuensis.npu.devices.xrt.model import XrtModel
from amanuensis.npu.float_model import FloatModel
from amanuensis.npu.model_error import ModelError
from amanuensis.npu.model_files import ModelFiles
from amanuensis.npu.row_rules import Row, RowRules, RowScores, Selection
from amanuensis.npu.rules import make_selection
from amanuensis.npu.tokenizer import Tokenizer
from tests.helpers.machine_runtime import MachineRuntime
from tests.helpers.parity_fixture import ANSWER, MODEL

Float32 = NDArray[np.float32]
LIMITS = {"int8": (0.03, 0.999), "bf16": (0.01, 0.9999)}  # of the encoder: NRMSE, cosine
MAX_SCORE_ERROR = 0.25  # nats, of int8 on a model of random weights, whose logits span 10
ASK = RowRules(candidates=5, no_speech=True)
RULES_BYTES, SCORES_BYTES = RULES.itemsize, SCORES.itemsize


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> ModelFiles:
    """A random model with alignment heads in both layers."""
    return ModelFiles.load(make_random_model(tmp_path_factory.mktemp("random"), MODEL))


@pytest.fixture(scope="module")
def selection(files: ModelFiles) -> Selection:
    """The masks of the model's vocabulary."""
    return make_selection(files.generation, Tokenizer(files.folder), files.dimensions.vocabulary)


@pytest.fixture(scope="module")
def features() -> Float32:
    """A window of an odd number of frames."""
    with np.load(ANSWER) as arrays:
        return np.asarray(arrays["features"], np.float32)


@pytest.fixture(scope="module")
def runtime() -> MachineRuntime:
    """The arithmetic of the device."""
    return MachineRuntime()


@pytest.fixture(scope="module")
def model(files: ModelFiles, runtime: MachineRuntime, selection: Selection) -> XrtModel:
    """The model in int8."""
    model = XrtModel.open(files, runtime, "int8")  # type: ignore[arg-type]
    model.load_selection(selection)
    return model


def last_scores(model: XrtModel, features: Float32, tokens: Sequence[int]) -> RowScores:
    """Return the scores after tokens, computed from an empty cache."""
    decoder = model.decoder(model.encode(features))
    return decoder.forward(tokens, [Row(len(tokens) - 1, ASK)]).scores[0]


@pytest.mark.parametrize("precision", ["int8", "bf16"])
def test_encoder_is_near_float32(files: ModelFiles, features: Float32, precision: Precision) -> None:
    """The states of a window shorter than its bucket are those of float32, within the precision's limits."""
    states = XrtModel.open(files, MachineRuntime(), precision).encode_states(features)  # type: ignore[arg-type]
    exact = FloatModel(files).encode(features)
    max_nrmse, min_cosine = LIMITS[precision]
    assert states.shape == exact.shape
    assert nrmse(states, exact) <= max_nrmse
    assert cosine(states, exact) >= min_cosine


def test_layers_of_both_precisions_work_together(
    tmp_path: Path, features: Float32, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Layers that the calibration keeps in bf16 and smoothed int8 layers make one encoder, near float32."""
    monkeypatch.setattr(calibration, "OUTSTANDING", 1.05)
    monkeypatch.setattr(calibration, "MIN_GAIN", 1.0)
    files = ModelFiles.load(make_random_model(tmp_path / "random", MODEL))
    weights = device_weights(files, "int8", lambda: [Window(features, (1, 2, 3, 4))])
    layers = {name: row["precision"] for name, row in weights.map.products.items() if "layers" in name}
    assert set(layers.values()) == {"int8", "bf16"}
    assert any(f"{name}.smooth" in weights.map.offsets for name in layers)
    states = XrtModel(files, weights, MachineRuntime(), "int8").encode_states(features)  # type: ignore[arg-type]
    assert nrmse(states, FloatModel(files).encode(features)) <= LIMITS["int8"][0]


def test_scores_are_near_float32(model: XrtModel, selection: Selection, features: Float32) -> None:
    """What comes back of every row is what float32 logits give under the same rules."""
    tokens = [3, 40, 7, 100, 12]
    exact = FloatModel(model.files)
    logits = exact.decode(exact.encode(features), tokens)
    begin = selection.timestamp_begin
    rules = RowRules(mask=3, time_from=begin, time_to=begin + 40, candidates=3, wanted=7, no_speech=True)
    output = model.decoder(model.encode(features)).forward(tokens, [Row(row, rules) for row in range(len(tokens))])
    scorer = RowScorer(selection)
    for row, ours in enumerate(output.scores):
        theirs = scorer.score(logits[row], rules)
        for kind in ("text", "time"):
            assert getattr(ours, kind).lse == pytest.approx(getattr(theirs, kind).lse, abs=MAX_SCORE_ERROR)
            assert getattr(ours, kind).logits == pytest.approx(getattr(theirs, kind).logits, abs=MAX_SCORE_ERROR)
        assert ours.wanted_logit == pytest.approx(theirs.wanted_logit, abs=MAX_SCORE_ERROR)
        assert ours.no_speech_prob == pytest.approx(theirs.no_speech_prob, rel=MAX_SCORE_ERROR)


def test_attention_is_that_of_the_alignment_heads(model: XrtModel, features: Float32) -> None:
    """The attention of the named heads comes back, in their order, over the window's own frames."""
    with np.load(ANSWER) as arrays:
        tokens = [int(token) for token in arrays["tokens"]]
        theirs = np.stack([arrays["attention"][layer, head] for layer, head in MODEL.alignment_heads or ()])
    attention = model.decoder(model.encode(features)).forward(tokens, []).attention
    assert attention.shape == (2, 1, len(tokens), theirs.shape[-1])
    assert nrmse(attention[:, 0], theirs.astype(np.float32)) <= 0.1
    np.testing.assert_allclose(attention.sum(axis=-1), 1, atol=1e-3)


@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_cuts_and_truncations_do_not_matter(model: XrtModel, features: Float32, data: st.DataObject) -> None:
    """However tokens are cut into forwards and steps, with rejected tokens between, the last scores are the same."""
    tokens = data.draw(st.lists(st.integers(0, 279), min_size=1, max_size=40))
    expected = last_scores(model, features, tokens)
    decoder = model.decoder(model.encode(features))
    while decoder.length < len(tokens):
        rejected = data.draw(st.lists(st.integers(0, 279), max_size=4))
        if rejected:
            length = decoder.length
            decoder.forward(rejected, [])
            decoder.truncate(length)
        count = data.draw(st.integers(1, len(tokens) - decoder.length))
        part = tokens[decoder.length : decoder.length + count]
        output = decoder.step(part, [ASK]) if count == 1 else decoder.forward(part, [Row(count - 1, ASK)])
    assert output.scores[0] == expected


def test_a_long_forward_runs_in_blocks(model: XrtModel, runtime: MachineRuntime, features: Float32) -> None:
    """A verification of 100 tokens takes a dispatch for every 32, and rows in any block and order are scored."""
    tokens = np.random.default_rng(0).integers(0, 280, 100).tolist()
    decoder = model.decoder(model.encode(features))
    before = runtime.dispatches
    output = decoder.forward(tokens, [Row(row, ASK) for row in (99, 2, 31, 32, 64)])
    assert runtime.dispatches - before == 4
    assert output.attention.shape[2] == 100
    for place, row in enumerate((99, 2, 31, 32, 64)):
        assert output.scores[place] == last_scores(model, features, tokens[: row + 1])


def test_a_row_can_be_scored_twice(model: XrtModel, features: Float32) -> None:
    """Two rules for one row give two scores."""
    decoder = model.decoder(model.encode(features))
    only = RowRules(text=False, eot=True, candidates=5)
    first, second, third = decoder.forward([1, 2, 3], [Row(2, ASK), Row(2, only), Row(0, ASK)]).scores
    assert len(first.text.ids) == 5
    assert all(token not in second.text.ids for token in range(250))
    assert third == last_scores(model, features, [1])
    assert first == last_scores(model, features, [1, 2, 3])


def test_bonuses_reach_the_device(model: XrtModel, features: Float32) -> None:
    """A hotword's bonus is added to its logit."""
    encoding = model.encode(features)
    plain = model.decoder(encoding).forward([1], [Row(0, RowRules(wanted=9))]).scores[0]
    risen = model.decoder(encoding).forward([1], [Row(0, RowRules(wanted=9, bonuses=((9, 30.0),)))]).scores[0]
    assert risen.wanted_logit == pytest.approx(plain.wanted_logit + 30, abs=1e-5)
    assert risen.text.ids[0] == 9


@settings(max_examples=10, deadline=None)
@given(data=st.data())
def test_beams_go_on_from_where_they_are_told(model: XrtModel, features: Float32, data: st.DataObject) -> None:
    """After any reordering every beam's scores are those of its own tokens from scratch."""
    decoder = model.decoder(model.encode(features))
    texts = [[5, 6, 7]]
    decoder.forward(texts[0], [])
    for _ in range(3):
        sources = data.draw(st.lists(st.integers(0, len(texts) - 1), min_size=1, max_size=5))
        tokens = data.draw(st.lists(st.integers(0, 279), min_size=len(sources), max_size=len(sources)))
        decoder.reorder(sources)
        texts = [[*texts[source], token] for source, token in zip(sources, tokens, strict=True)]
        output = decoder.step(tokens, [ASK] * len(tokens))
        assert output.attention.shape[1:3] == (len(tokens), 1)
    for beam, text in enumerate(texts):
        assert output.scores[beam] == last_scores(model, features, text)


def test_streams_decode_together(model: XrtModel, runtime: MachineRuntime, features: Float32) -> None:
    """Streams with windows and texts of different lengths take one dispatch a token, each as if it were alone."""
    sounds = [features, features[:, :90], np.tile(features, (1, 3))]
    texts = [[1, 2, 3], [4], [5, 6]]
    decoders = model.decoders([model.encode(sound) for sound in sounds])
    for decoder, text in zip(decoders, texts, strict=True):
        decoder.forward(text, [])
    before = runtime.dispatches
    for token in (7, 8):
        outputs = model.step_together(decoders, [token, token + 1, token + 2], [ASK] * 3)
    assert runtime.dispatches - before == 2
    for place, (sound, text, output) in enumerate(zip(sounds, texts, outputs, strict=True)):
        said = [*text, 7 + place, 8 + place]
        alone = model.decoder(model.encode(sound)).forward(said, [Row(len(said) - 1, ASK)])
        assert output.scores[0] == alone.scores[0]
        np.testing.assert_array_equal(output.attention[:, 0, 0], alone.attention[:, 0, -1])
    with pytest.raises(ValueError, match="2 beams; the device has caches for 1 to 1"):
        decoders[0].reorder([0, 0])


def test_only_continued_beams_are_copied(model: XrtModel, runtime: MachineRuntime, features: Float32) -> None:
    """A beam that goes on once stays in its cache; copies are one dispatch and cross no bus."""
    decoder = model.decoder(model.encode(features))
    decoder.forward([1, 2], [])
    before = (runtime.dispatches, runtime.bytes_from_device)
    decoder.reorder([0, 0, 0])
    assert runtime.dispatches == before[0] + 1
    assert runtime.bytes_from_device == before[1] + 64
    decoder.step([3, 4, 5], [ASK] * 3)
    count = runtime.dispatches
    decoder.reorder([2, 0, 1])
    assert runtime.dispatches == count


def test_bytes_a_token_do_not_grow_with_the_text(
    model: XrtModel, runtime: MachineRuntime, features: Float32, capsys: pytest.CaptureFixture[str]
) -> None:
    """A step costs one dispatch and the same bytes at the start and at the end of the longest text; K and V stay."""
    encoding = model.encode(features)
    decoder = model.decoder(encoding)
    costs = set()
    for length in (1, 64, 447):
        decoder.forward([9] * (length - decoder.length), [])
        before = (runtime.dispatches, runtime.bytes_to_device, runtime.bytes_from_device)
        decoder.step([4], [ASK])
        now = (runtime.dispatches, runtime.bytes_to_device, runtime.bytes_from_device)
        costs.add(tuple(after - earlier for after, earlier in zip(now, before, strict=True)))
        decoder.truncate(length)
    attention_bytes = 4 * 2 * encoding.bucket
    assert costs == {(1, 1024 + 128 + RULES_BYTES, 64 + SCORES_BYTES + attention_bytes)}
    with capsys.disabled():
        print(f" [a token: {costs}]", end="")


def test_an_encoding_is_one_dispatch_and_returns_no_states(
    model: XrtModel, runtime: MachineRuntime, features: Float32
) -> None:
    """Features go over once, as bf16; only a receipt and one row come back."""
    before = (runtime.dispatches, runtime.bytes_to_device, runtime.bytes_from_device)
    model.encode(features)
    assert runtime.dispatches == before[0] + 1
    assert runtime.bytes_to_device - before[1] <= 1024 + 2 * features.size + 64
    assert runtime.bytes_from_device - before[2] == 64 + 2 * model.dimensions.width


def test_windows_are_prepared_while_the_device_works(
    model: XrtModel, runtime: MachineRuntime, features: Float32
) -> None:
    """The next window is written and started before the last one is waited for, and both come out as alone."""
    alone = [last_scores(model, sound, [1, 2]) for sound in (features, features[:, :90])]
    first, second = model.start(features), model.start(features[:, :90])
    assert len(runtime.started) == 2
    together = [model.decoder(encoding).forward([1, 2], [Row(1, ASK)]).scores[0] for encoding in (first, second)]
    assert together == alone


def test_an_encoding_ends_when_its_place_is_taken(model: XrtModel, features: Float32) -> None:
    """A decoder on keys and values that were overwritten is refused."""
    decoder = model.decoder(model.encode(features))
    for _ in range(4):
        model.encode(features[:, :40])
    with pytest.raises(ValueError, match="this encoding is gone"):
        decoder.forward([1], [])


def test_a_decoder_ends_when_another_one_is_opened(model: XrtModel, features: Float32) -> None:
    """Its caches belong to the new one, so that going on with the old one is refused."""
    encoding = model.encode(features)
    old, new = model.decoder(encoding), model.decoder(encoding)
    new.forward([1], [])
    with pytest.raises(ValueError, match="this decoder has ended"):
        old.forward([1], [])


def test_states_can_come_from_elsewhere(model: XrtModel, features: Float32) -> None:
    """Decoding on states that were given to the device equals decoding on those that it computed."""
    given = model.encoding_of(model.encode_states(features))
    assert given.n_frames == (features.shape[1] + 1) // 2
    output = model.decoder(given).forward([1, 2], [Row(1, ASK)])
    assert output.scores[0] == last_scores(model, features, [1, 2])


def test_padding_of_the_bucket_is_not_heard(model: XrtModel, features: Float32) -> None:
    """A window at the end of one bucket and the same window in the next larger one have the same states."""
    long = np.tile(features, (1, 3))[:, :512]
    states = model.encode_states(long)
    larger = model.encode_states(np.pad(long, [(0, 0), (0, 2)]))
    assert nrmse(larger[:200], states[:200]) < 0.02  # two frames of zeros more are heard at the far end only


def test_a_lying_device_is_found_out(files: ModelFiles, selection: Selection, features: Float32) -> None:
    """A device that answers zeros is no encoder, and no decoder either."""
    runtime = MachineRuntime()
    model = XrtModel.open(files, runtime, "int8")  # type: ignore[arg-type]
    model.load_selection(selection)
    decoder = model.decoder(model.encode(features))
    runtime.zeros = True
    for act in (lambda: model.encode(features), lambda: decoder.forward([1], []), model.keep_warm):
        with pytest.raises(WrongAnswerError, match="without doing what it was told"):
            act()


def test_one_wrong_byte_of_the_weights_is_heard(files: ModelFiles, features: Float32) -> None:
    """Computing is done on the bytes in device memory and nothing else."""
    runtime = MachineRuntime()
    model = XrtModel.open(files, runtime, "int8")  # type: ignore[arg-type]
    before = model.encode_states(features)
    weights = next(buffer for buffer in runtime.buffers if buffer.kind == "weights")
    start = device_weights(files, "int8", list).map.offsets["encoder.layers.1.fc2.values"]
    weights.device[start] ^= 0x40
    assert (model.encode_states(features) != before).any()


def test_the_same_selection_keeps_its_streams(
    model: XrtModel, runtime: MachineRuntime, selection: Selection, features: Float32
) -> None:
    """Another decoder with the same vocabulary allocates nothing."""
    expected, before = last_scores(model, features, [1]), runtime.allocated_bytes
    model.load_selection(selection)
    assert runtime.allocated_bytes == before
    assert last_scores(model, features, [1]) == expected


def test_nothing_is_allocated_while_decoding(model: XrtModel, runtime: MachineRuntime, features: Float32) -> None:
    """Windows, steps and verifications reuse buffers and streams; a new number of beams makes its stream once."""
    for _ in range(2):
        before = runtime.allocated_bytes
        decoder = model.decoder(model.encode(features))
        decoder.forward(list(range(40)), [Row(39, ASK)])
        decoder.step([1], [ASK])
        decoder.reorder([0, 0])
        decoder.step([1, 2], [ASK, ASK])
    assert runtime.allocated_bytes == before


def test_keys_and_values_come_in_chunks_of_layers(
    tmp_path: Path, features: Float32, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where one product would make too much at once it is cut between decoder layers; the answers are the same."""
    scores = []
    for most_bytes, products in ((device_layers.CROSS_CHUNK_BYTES, 1), (1, MODEL.layers)):
        monkeypatch.setattr(device_layers, "CROSS_CHUNK_BYTES", most_bytes)
        files = ModelFiles.load(make_random_model(tmp_path / str(products), MODEL))
        assert len(device_layers.cross_chunks(files.dimensions)) == products
        model = XrtModel.open(files, MachineRuntime(), "bf16")  # type: ignore[arg-type]
        model.load_selection(make_selection(files.generation, Tokenizer(files.folder), files.dimensions.vocabulary))
        together = model.decoders([model.encode(features), model.encode(features[:, :90])])
        for decoder in together:
            decoder.forward([1, 2, 3], [])
        outputs = model.step_together(together, [4, 5], [ASK, ASK])
        scores.append([last_scores(model, features, [1, 2, 3]), *(output.scores[0] for output in outputs)])
    assert scores[0] == scores[1]


@pytest.mark.parametrize(
    ("width", "layers", "chunks"),
    [(384, 4, [4]), (512, 6, [6]), (768, 12, [7, 5]), (1280, 4, [4]), (1280, 32, [4] * 8)],
)
def test_chunks_are_as_large_as_they_may_be(files: ModelFiles, width: int, layers: int, chunks: list[int]) -> None:
    """Of Whisper's shapes: only from small on is there more than one."""
    dimensions = replace(files.dimensions, width=width, decoder_layers=layers, audio_positions=1500)
    found = device_layers.cross_chunks(dimensions)
    assert [len(chunk) for chunk in found] == chunks
    assert [layer for chunk in found for layer in chunk] == list(range(layers))


def test_a_model_larger_than_the_device_is_refused_before_it_is_loaded(files: ModelFiles) -> None:
    """One clear line, and nothing was allocated."""
    runtime = MachineRuntime(memory_bytes=1 << 20)
    with pytest.raises(DeviceMemoryError, match="MB on the device, which has 1 MB; choose a smaller model"):
        XrtModel.open(files, runtime, "int8")  # type: ignore[arg-type]
    assert runtime.allocated_bytes == 0


def test_windows_and_texts_that_are_too_long_are_refused(
    model: XrtModel, runtime: MachineRuntime, features: Float32
) -> None:
    """What does not fit is refused before anything is started."""
    decoder = model.decoder(model.encode(features))
    before = runtime.dispatches
    with pytest.raises(ModelError, match="a window of 1501 encoder frames; this model takes 1 to 1500"):
        model.encode(np.zeros((80, 3001), np.float32))
    with pytest.raises(ValueError, match="449 tokens after 0: the decoder has 448 positions"):
        decoder.forward([0] * 449, [])
    with pytest.raises(ValueError, match="17 beams; the device has caches for 1 to 16"):
        decoder.reorder([0] * 17)
    with pytest.raises(ValueError, match="cannot be cut to 3"):
        decoder.truncate(3)
    assert runtime.dispatches == before


@cache
def modules_of(name: str) -> frozenset[str]:
    """Return the modules that importing one loads in a fresh interpreter."""
    code = f"import sys, {name}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return frozenset(done.stdout.split())


def test_the_device_does_not_know_the_cpu_back_end() -> None:
    """Neither ONNX Runtime nor the CPU back end is imported with the model."""
    loaded = modules_of("amanuensis.npu.devices.xrt.model")
    assert not {"onnxruntime", "onnx", "amanuensis.npu.devices.cpu", "torch"} & loaded


def test_features_are_rounded_once(model: XrtModel, features: Float32) -> None:
    """The device sees the features as bf16: rounding them before changes nothing."""
    rounded = features.astype(ml_dtypes.bfloat16).astype(np.float32)
    np.testing.assert_array_equal(model.encode_states(rounded), model.encode_states(features))

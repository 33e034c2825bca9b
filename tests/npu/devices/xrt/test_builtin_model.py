"""The built-in model through the emulated NPU: near float32, and the text of the CPU."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from amanuensis.npu.calibration import cosine, nrmse
from amanuensis.npu.calibration_sound import HELD_OUT, demo_windows
from amanuensis.npu.decode import WindowDecoder
from amanuensis.npu.devices.cpu import CpuModel
from amanuensis.npu.devices.xrt.model import XrtModel
from amanuensis.npu.devices.xrt.opening import open_runtime
from amanuensis.npu.devices.xrt.runtime import XrtRuntime
from amanuensis.npu.float_model import FloatModel
from amanuensis.npu.log_mel import log_mel_spectrogram
from amanuensis.npu.model_files import ModelFiles
from amanuensis.npu.row_rules import TEXT, TEXT_BEGIN, Row, RowRules
from amanuensis.npu.token_times import FRAME_MS
from amanuensis.npu.tokenizer import Tokenizer
from amanuensis.npu.window import DecodeOptions, WindowJob

Float32 = NDArray[np.float32]
EVERY = 5  # clip of a set is decoded
MAX_NRMSE, MIN_COSINE = 0.03, 0.999
MAX_LOGPROB_DIFFERENCE = 0.02  # nats a token, mean
MIN_AGREEMENT = 0.98
SURE = -0.35  # mean log-probability of a token; below, ties decide


@pytest.fixture(scope="module")
def files(builtin_model: Path) -> ModelFiles:
    """The built-in model."""
    return ModelFiles.load(builtin_model)


@pytest.fixture(scope="module")
def tokenizer(files: ModelFiles) -> Tokenizer:
    """Its tokeniser."""
    return Tokenizer(files.folder)


@pytest.fixture(scope="module")
def runtime() -> Iterator[XrtRuntime]:
    """The emulated NPU."""
    runtime = open_runtime("sim")
    yield runtime
    runtime.close()


@pytest.fixture(scope="module")
def model(files: ModelFiles, runtime: XrtRuntime) -> XrtModel:
    """The model on it, in int8."""
    return XrtModel.open(files, runtime)


@pytest.fixture(scope="module")
def ours(model: XrtModel, tokenizer: Tokenizer) -> WindowDecoder:
    """Decoding on the emulated NPU."""
    return WindowDecoder(model, tokenizer)


@pytest.fixture(scope="module")
def theirs(files: ModelFiles, tokenizer: Tokenizer) -> WindowDecoder:
    """Decoding on the CPU in float32."""
    return WindowDecoder(CpuModel(files, "float32", threads=1), tokenizer)


@pytest.fixture(scope="module")
def windows(tokenizer: Tokenizer, repository: Path) -> list[Float32]:
    """Speech that the model knows: the demo clip in windows, and some of the bundled clips of its own voices."""
    clips = bundled(repository, "narrow_seen")
    return [window.features for window in demo_windows(tokenizer, 80, slice(None))] + clips


def bundled(repository: Path, name: str) -> list[Float32]:
    """Return features of some clips of a set."""
    folder = repository / "tests" / "data" / "synthetic"
    entries = [json.loads(line) for line in (folder / "manifest.jsonl").read_text().splitlines()]
    paths = [folder / entry["path"] for entry in entries if entry["set"] == name][::EVERY]
    return [log_mel_spectrogram(soundfile.read(path, dtype="float32")[0], 80) for path in paths]


def test_encoder_is_near_float32(model: XrtModel, files: ModelFiles, tokenizer: Tokenizer) -> None:
    """On speech that the calibration has not seen, states are those of float32 within the limits of int8."""
    features = demo_windows(tokenizer, 80, HELD_OUT)[0].features
    states, exact = model.encode_states(features), FloatModel(files).encode(features)
    assert nrmse(states, exact) <= MAX_NRMSE
    assert cosine(states, exact) >= MIN_COSINE


def test_text_is_that_of_the_cpu(ours: WindowDecoder, theirs: WindowDecoder, windows: list[Float32]) -> None:
    """Where the model is sure, greedy decoding gives the tokens of float32, with nearly their probability and times."""
    sure, apart = 0, []
    for features in windows:
        here, there = (decoder.decode(WindowJob(features)) for decoder in (ours, theirs))
        assert (here.encoder, here.decoder) == ("sim", "sim")
        if there.avg_logprob >= SURE:
            sure += 1
            assert here.tokens == there.tokens
            assert here.avg_logprob == pytest.approx(there.avg_logprob, abs=MAX_LOGPROB_DIFFERENCE)
            apart += [*np.subtract(here.starts_ms, there.starts_ms), *np.subtract(here.ends_ms, there.ends_ms)]
    assert sure >= 0.75 * len(windows)
    assert np.percentile(np.abs(apart), 90) <= FRAME_MS


def test_unsure_text_is_judged_alike(
    ours: WindowDecoder, theirs: WindowDecoder, model: XrtModel, tokenizer: Tokenizer, repository: Path
) -> None:
    """Where the model guesses, free text hangs on ties; shown the CPU's tokens, the device ranks as the CPU does."""
    agreed, differences = [], []
    start = tokenizer.sot_sequence("en", "transcribe", timestamps=False)
    for features in bundled(repository, "general_seen"):
        said = theirs.decode(WindowJob(features))
        rows = [
            Row(len(start) - 1 + place, RowRules(mask=TEXT if place else TEXT_BEGIN, wanted=token))
            for place, token in enumerate(said.tokens)
        ]
        scores = model.decoder(model.encode(features)).forward((*start, *said.tokens), rows).scores
        agreed += [score.text.ids[0] == token for score, token in zip(scores, said.tokens, strict=True)]
        logprobs = [score.wanted_logit - score.text.lse for score in scores]
        differences += list(np.subtract(logprobs, said.logprobs))
    assert len(agreed) > 40
    assert np.mean(agreed) >= MIN_AGREEMENT
    assert abs(np.mean(differences)) <= MAX_LOGPROB_DIFFERENCE


def test_a_draft_is_verified(ours: WindowDecoder, windows: list[Float32]) -> None:
    """Verifying what was decoded before accepts all of it; a wrong word is decoded again."""
    tokens = ours.decode(WindowJob(windows[0])).tokens
    assert ours.decode(WindowJob(windows[0], draft=tokens)).accepted == len(tokens)
    wrong = ours.decode(WindowJob(windows[0], draft=(*tokens[:3], tokens[3] + 1, *tokens[4:])))
    assert (wrong.accepted, wrong.tokens) == (3, tokens)


@settings(max_examples=12, deadline=None)
@given(data=st.data())
def test_what_is_cached_changes_nothing(ours: WindowDecoder, windows: list[Float32], data: st.DataObject) -> None:
    """Any draft, verified and truncated in the cache, gives token for token and bit for bit what no draft gives."""
    features = windows[data.draw(st.integers(0, len(windows) - 1))]
    words = st.lists(st.integers(0, 1000), max_size=32).map(tuple)
    job = WindowJob(features, prompt=data.draw(words))
    scratch = ours.decode(job)
    kept = data.draw(st.integers(0, len(scratch.tokens)))
    draft = (*scratch.tokens[:kept], *data.draw(st.lists(st.integers(0, 1000), max_size=40)))
    cached = ours.decode(replace(job, draft=draft))
    assert (cached.tokens, cached.logprobs, cached.frames) == (scratch.tokens, scratch.logprobs, scratch.frames)
    assert (cached.starts_ms, cached.ends_ms) == (scratch.starts_ms, scratch.ends_ms)
    assert cached.accepted >= min(kept, len(draft))


@pytest.mark.parametrize(
    "options",
    [DecodeOptions(beam_size=5), DecodeOptions(timestamps=True), DecodeOptions(temperatures=(0.4,))],
    ids=["beams", "timestamps", "sampling"],
)
def test_other_ways_of_decoding_agree(
    ours: WindowDecoder, theirs: WindowDecoder, windows: list[Float32], options: DecodeOptions
) -> None:
    """Beams, timestamps and sampling give on the device what they give on the CPU."""
    here, there = (decoder.decode(WindowJob(windows[0], options=options)) for decoder in (ours, theirs))
    assert here.tokens == there.tokens


def test_a_token_is_one_dispatch(ours: WindowDecoder, runtime: XrtRuntime, windows: list[Float32]) -> None:
    """A window takes a dispatch for its encoding, one for its prefix and one for each token."""
    before = runtime.work
    result = ours.decode(WindowJob(windows[0]))
    assert runtime.work.dispatches - before.dispatches == 2 + len(result.tokens)
    assert runtime.work.timing == "modelled"

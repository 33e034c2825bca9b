"""Greedy decoding, beam search and language detection against openai-whisper on the same random weights."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
import whisper
from numpy.typing import NDArray

from amanuensis.benchmarks.random_model import make_random_model
from amanuensis.npu.decode import WindowDecoder
from amanuensis.npu.devices.cpu import CpuModel
from amanuensis.npu.hypothesis import is_looping
from amanuensis.npu.model_files import ModelFiles
from amanuensis.npu.row_rules import TEXT, TIMED
from amanuensis.npu.rules import make_selection
from amanuensis.npu.tokenizer import Tokenizer
from amanuensis.npu.window import DecodeOptions, WindowJob
from tests.long.parity.openai_model import openai_model
from tests.long.parity.shapes import shape

STEPS = 24
SEEDS = (0, 1, 2, 3)


@dataclass(frozen=True)
class Pair:
    """One set of weights in both systems."""

    ours: WindowDecoder
    theirs: whisper.model.Whisper
    folder: Path


@pytest.fixture(scope="module", params=["english", "multilingual"])
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    """A small model with a real vocabulary, sure enough of its tokens that hypotheses end."""
    model = shape(2, 128, multilingual=request.param == "multilingual", embedding_gain=4.0, eot_bonus=3.0)
    model = replace(model, score_gain=4.0, residual_gain=1.0)
    folder = make_random_model(tmp_path_factory.mktemp("decoding") / request.param, model)
    _suppress_blank(folder)
    ours = CpuModel(ModelFiles.load(folder), "float32", threads=1)
    return Pair(WindowDecoder(ours, Tokenizer(folder)), openai_model(folder), folder)


def _suppress_blank(folder: Path) -> None:
    """Name openai-whisper's blank, token 220 of its vocabulary, in the random model's generation config."""
    path = folder / "generation_config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps(config | {"begin_suppress_tokens": [220, config["eos_token_id"]]}))


def features(seed: int) -> NDArray[np.float32]:
    """Return 30 s of smooth random features, float32 [80, 3000]."""
    random = np.random.default_rng(seed)
    coarse = random.standard_normal((80, 151)).astype(np.float32)
    return np.repeat(coarse, 20, axis=1)[:, :3000]


def their_options(pair: Pair, options: DecodeOptions) -> whisper.DecodingOptions:
    """Return the same options, with our suppressed tokens added: theirs leaves some special tokens possible."""
    files, tokenizer = ModelFiles.load(pair.folder), Tokenizer(pair.folder)
    selection = make_selection(files.generation, tokenizer, files.dimensions.vocabulary)
    suppressed = np.flatnonzero(selection.masks[TIMED if options.timestamps else TEXT])
    return whisper.DecodingOptions(
        language=options.language,
        beam_size=options.beam_size if options.beam_size > 1 else None,
        sample_len=options.max_tokens,
        without_timestamps=not options.timestamps,
        suppress_tokens=suppressed.tolist(),
        fp16=False,
    )


@pytest.mark.parametrize("timestamps", [False, True], ids=["text", "timestamps"])
@pytest.mark.parametrize("beams", [1, 2, 5])
@pytest.mark.parametrize("seed", SEEDS)
def test_same_hypothesis(pair: Pair, seed: int, beams: int, timestamps: bool) -> None:
    """The same tokens, mean log-probability and no-speech probability come out."""
    options = DecodeOptions(language="en", beam_size=beams, timestamps=timestamps, max_tokens=STEPS)
    theirs = whisper.decode(pair.theirs, torch.from_numpy(features(seed)), their_options(pair, options))
    ours = pair.ours.decode(WindowJob(features(seed), options=options))
    if is_looping(ours.tokens):  # where we stop, openai-whisper goes on
        assert list(ours.tokens) == theirs.tokens[: len(ours.tokens)]
        return
    assert list(ours.tokens) == theirs.tokens
    assert ours.avg_logprob == pytest.approx(theirs.avg_logprob, abs=1e-4)
    assert ours.no_speech_prob == pytest.approx(theirs.no_speech_prob, rel=1e-3)


@pytest.mark.parametrize("pair", ["multilingual"], indirect=True)
@pytest.mark.parametrize("seed", SEEDS)
def test_same_language(pair: Pair, seed: int) -> None:
    """The same language token is the likeliest."""
    token, _ = pair.theirs.detect_language(torch.from_numpy(features(seed)))
    ours = pair.ours.decode(WindowJob(features(seed), options=DecodeOptions(max_tokens=1)))
    assert Tokenizer(pair.folder).language_token(ours.language) == int(token)

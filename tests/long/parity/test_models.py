"""Encoder states and decoder logits against transformers, with random weights at real dimensions."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from transformers import WhisperForConditionalGeneration

from amanuensis.benchmarks.random_model import make_random_model
from amanuensis.npu.devices.cpu import CpuModel, PrecisionChoice
from amanuensis.npu.log_mel import log_mel_spectrogram
from amanuensis.npu.model_files import ModelFiles
from tests.long.parity.shapes import SHAPES, VOCABULARIES

Float32 = NDArray[np.float32]
Measure = Callable[[Float32, Float32], float]
LENGTHS = (1, 4, 16, 32)
PREFIX = 8  # tokens in the cache before the forwards under test
MAX_ERROR = 1e-3  # float32: max|a - b| / max|b|
MAX_NRMSE = 0.03  # int8


@dataclass(frozen=True)
class Reference:
    """A random model and what transformers makes of it."""

    folder: Path
    features: Float32
    tokens: list[int]
    states: Float32
    logits: Float32
    model: WhisperForConditionalGeneration

    def logits_of(self, tokens: list[int]) -> Float32:
        """Logits [n, vocabulary] of one forward over tokens."""
        states = torch.from_numpy(self.states)
        output = self.model(encoder_outputs=(states,), decoder_input_ids=torch.tensor([tokens]))
        logits: Float32 = output.logits[0].numpy()
        return logits


@pytest.fixture(scope="module", params=list(SHAPES))
def reference(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reference]:
    """A model of each shape in turn, removed afterwards: turbo takes several GB of disk."""
    folder = make_random_model(tmp_path_factory.mktemp("parity") / request.param, SHAPES[request.param])
    model = WhisperForConditionalGeneration.from_pretrained(folder, dtype=torch.float32).eval()
    assert model.config.vocab_size == VOCABULARIES[request.param]
    random = np.random.default_rng(7)
    samples = 0.1 * random.standard_normal(480_000).astype(np.float32) * np.linspace(0, 1, 480_000, dtype=np.float32)
    features = log_mel_spectrogram(samples, SHAPES[request.param].n_mels)
    tokens = random.integers(0, 50_000, PREFIX + max(LENGTHS)).tolist()
    states = model.model.encoder(torch.from_numpy(features)[None]).last_hidden_state.numpy()
    empty = Reference(folder, features, tokens, states, np.empty(0, np.float32), model)
    yield Reference(folder, features, tokens, states, empty.logits_of(tokens), model)
    shutil.rmtree(folder)


def relative_error(ours: Float32, theirs: Float32) -> float:
    """Return the greatest difference relative to the greatest magnitude."""
    return float(np.abs(ours - theirs).max() / np.abs(theirs).max())


def nrmse(ours: Float32, theirs: Float32) -> float:
    """Return the root mean square error relative to the root mean square: the strictest of the usual norms."""
    return float(np.sqrt(np.square(ours - theirs).mean() / np.square(theirs).mean()))


def forwards(model: CpuModel, reference: Reference) -> Iterator[tuple[str, Float32, Float32]]:
    """Yield name, our logits and theirs, for forwards of every length from scratch and on a cache."""
    encoding = model.encode(reference.features)
    for length in LENGTHS:
        decoder = model.decoder(encoding)
        scratch = decoder.forward_logits(reference.tokens[:length], range(length)).logits[0]
        yield f"scratch {length}", scratch, reference.logits[:length]
        decoder = model.decoder(encoding)
        decoder.forward_logits(reference.tokens[:PREFIX], [0])
        cached = decoder.forward_logits(reference.tokens[PREFIX : PREFIX + length], range(length)).logits[0]
        yield f"cached {length}", cached, reference.logits[PREFIX : PREFIX + length]
    decoder = model.decoder(encoding)
    decoder.forward_logits(reference.tokens[:PREFIX], [0])
    steps = [decoder.step_logits([token]).logits[0, 0].copy() for token in reference.tokens[PREFIX:]]
    yield "steps", np.array(steps), reference.logits[PREFIX:]


@pytest.mark.parametrize(
    ("precision", "measure", "limit"), [("float32", relative_error, MAX_ERROR), ("int8", nrmse, MAX_NRMSE)]
)
def test_equals_transformers(reference: Reference, precision: PrecisionChoice, measure: Measure, limit: float) -> None:
    """Encoder states and logits, from scratch, cached and stepwise, stay within the limit of the precision."""
    model = CpuModel(ModelFiles.load(reference.folder), precision, threads=1)
    errors = {"states": measure(model.encoder_states(reference.features).numpy(), reference.states)}
    errors |= {name: measure(ours, theirs) for name, ours, theirs in forwards(model, reference)}
    print(
        f"\n{reference.folder.name} {precision}: " + ", ".join(f"{name} {error:.2e}" for name, error in errors.items())
    )
    assert max(errors.values()) <= limit, errors


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_greedy_tokens_equal_where_reference_is_sure(reference: Reference, precision: PrecisionChoice) -> None:
    """Greedy decoding chooses the reference's token wherever its margin exceeds ten times the error."""
    model = CpuModel(ModelFiles.load(reference.folder), precision, threads=1)
    decoder = model.decoder(model.encode(reference.features))
    tokens = reference.tokens[:4]
    rows = [decoder.forward_logits(tokens, [3]).logits[0, 0].copy()]
    for _ in range(31):
        tokens.append(int(rows[-1].argmax()))
        rows.append(decoder.step_logits(tokens[-1:]).logits[0, 0].copy())
    ours = np.array(rows)
    theirs = reference.logits_of(tokens)[3:]
    best = np.sort(theirs, axis=1)
    sure = best[:, -1] - best[:, -2] > 10 * np.abs(ours - theirs).max()
    print(f"\n{reference.folder.name} {precision}: sure of {sure.sum()} of {len(sure)} tokens")
    assert (ours.argmax(axis=1) == theirs.argmax(axis=1))[sure].all()
    if precision == "float32":
        assert sure.mean() > 0.9

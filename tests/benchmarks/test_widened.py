"""The built-in model at the size of a stock model says what it says itself."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from amanuensis.benchmarks.clips import SYNTHETIC, load_clips
from amanuensis.benchmarks.widened import PADDING_LOGIT, SIZES, Size, Widened
from amanuensis.benchmarks.widened_folder import SPECIAL_IDS, VOCABULARY, special_names, widened_folder
from amanuensis.npu.float_model import FloatModel
from amanuensis.npu.log_mel import log_mel_spectrogram
from amanuensis.npu.model_files import ModelFiles
from amanuensis.npu.tokenizer import Tokenizer

Float32 = NDArray[np.float32]


@dataclass(frozen=True)
class Both:
    """What the built-in model and the widened one make of the same clip: float32 logits [tokens, vocabulary]."""

    builtin: ModelFiles
    widened: ModelFiles
    ids: NDArray[np.int64]  # new id of each token of the built-in model
    builtin_logits: Float32
    widened_logits: Float32
    states: tuple[Float32, Float32]


def logits(files: ModelFiles, samples: Float32, text: str) -> tuple[Float32, Float32]:
    """Return the encoder's states and the logits after each token of a transcript."""
    tokenizer, model = Tokenizer(files.folder), FloatModel(files)
    states = model.encode(log_mel_spectrogram(samples, files.dimensions.n_mels))
    return states, model.decode(states, [tokenizer.sot, tokenizer.no_timestamps, *tokenizer.encode(" " + text)])


@pytest.fixture(scope="module")
def both(builtin_model: Path) -> Both:
    """Run both models in float32."""
    clip = load_clips(SYNTHETIC, 1)[0]
    builtin, widened = ModelFiles.load(builtin_model), ModelFiles.load(widened_folder())
    states, found = logits(builtin, clip.samples, clip.text)
    wide_states, wide_found = logits(widened, clip.samples, clip.text)
    texts = Tokenizer(builtin.folder).eot
    special = [name for name in special_names() if not name.startswith("<|language")]
    ids = np.array([*range(texts), *(SPECIAL_IDS[name] for name in special)])
    return Both(builtin, widened, ids, found, wide_found, (states, wide_states))


def test_dimensions_are_those_of_the_stock_model(both: Both) -> None:
    """base.en: 6 and 6 layers, 512 channels, 8 heads of 64, 2 048 hidden units, 51 864 tokens."""
    found = both.widened.dimensions
    assert (found.encoder_layers, found.decoder_layers, found.width) == (6, 6, 512)
    assert (found.encoder_heads, found.decoder_heads, found.encoder_ffn, found.decoder_ffn) == (8, 8, 2048, 2048)
    assert (found.vocabulary, found.n_mels, found.audio_positions, found.text_positions) == (51_864, 80, 1500, 448)


def test_logits_equal_those_of_the_built_in_model(both: Both) -> None:
    """All tokens that both have, after every token of a transcript."""
    np.testing.assert_allclose(both.widened_logits[:, both.ids], both.builtin_logits, rtol=0, atol=1e-4)


def test_every_copy_of_a_channel_is_the_channel(both: Both) -> None:
    """The encoder's states, twice beside each other."""
    states, wide = both.states
    np.testing.assert_allclose(wide, np.tile(states, 2), rtol=0, atol=1e-4)


def test_added_tokens_cannot_win_nor_take_probability(both: Both) -> None:
    """Their logits are one constant; log-probabilities of real tokens stay what they are."""
    added = np.setdiff1d(np.arange(VOCABULARY), both.ids)
    np.testing.assert_allclose(both.widened_logits[:, added], -PADDING_LOGIT, rtol=0, atol=1e-3)
    wide, narrow = (np.logaddexp.reduce(each, axis=1) for each in (both.widened_logits, both.builtin_logits))
    np.testing.assert_allclose(wide, narrow, rtol=0, atol=1e-4)


def test_no_layer_is_a_copy_or_free_of_work(both: Both) -> None:
    """An engine that keeps equal tensors once, or skips zeros, gains nothing."""
    weights = both.widened.weights
    for part in ("encoder", "decoder"):
        for name in ("self_attn.q_proj", "self_attn.out_proj", "fc1", "fc2"):
            tensors = [weights[f"{part}.layers.{layer}.{name}.weight"] for layer in range(6)]
            assert len({tensor.tobytes() for tensor in tensors}) == 6
            assert all(np.count_nonzero(tensor) > tensor.size // 2 for tensor in tensors)


def test_special_tokens_stand_where_other_systems_compute_them(both: Both) -> None:
    """openai/whisper's English vocabulary, with the alignment heads and rules of the built-in model."""
    tokenizer = Tokenizer(both.widened.folder)
    assert (tokenizer.eot, tokenizer.sot, tokenizer.prev, tokenizer.no_speech) == (50256, 50257, 50360, 50361)
    assert (tokenizer.no_timestamps, tokenizer.timestamp_begin, tokenizer.vocab_size) == (50362, 50363, 51_864)
    assert not tokenizer.multilingual
    text = " it's nine o'clock"
    assert tokenizer.encode(text) == Tokenizer(both.builtin.folder).encode(text)
    assert both.widened.generation.alignment_heads == both.builtin.generation.alignment_heads
    assert both.widened.generation.suppress == tuple(both.ids[list(both.builtin.generation.suppress)])


def test_folder_is_written_once(both: Both) -> None:
    """The second call finds it."""
    written_ns = (both.widened.folder / "model.safetensors").stat().st_mtime_ns
    assert widened_folder() == both.widened.folder
    assert (both.widened.folder / "model.safetensors").stat().st_mtime_ns == written_ns


def test_shapes_of_larger_sizes_fit(both: Both) -> None:
    """Every tensor is checked as it is made; small has three copies of each channel."""
    size = Size(3 * 256, 7)
    tensors = dict(Widened(both.builtin, size, np.arange(len(both.ids)), len(both.ids)).tensors())
    assert tensors["decoder.layers.6.fc2.weight"].shape == (768, 3072)
    assert {found.width for found in SIZES.values()} == {512, 768, 1024}


def test_width_that_is_no_multiple_is_refused(both: Both) -> None:
    """Tiny has 384 channels."""
    with pytest.raises(ValueError, match="width 256 and 6 \\+ 2 layers cannot be widened to 384 and 4 \\+ 4"):
        Widened(both.builtin, Size(384, 4), both.ids, VOCABULARY)

"""Model folders: what is read from whole ones, and the one line that broken ones give."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from amanuensis.benchmarks.random_model import RandomModel, make_random_model
from amanuensis.npu.model_files import ModelError, ModelFiles

Change = Callable[[Path], None]
TENSOR = "model.decoder.layers.1.fc1.weight"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A whole folder of a small English-only model."""
    return make_random_model(tmp_path / "model")


def edit(name: str, **changes: Any) -> Change:
    """Return a change of keys in a JSON file of a folder."""

    def apply(folder: Path) -> None:
        path = folder / name
        value = json.loads(path.read_text())
        path.write_text(json.dumps({**value, **changes}))

    return apply


def rewrite(change: Callable[[dict[str, np.ndarray]], None]) -> Change:
    """Return a change of the tensors of a folder."""

    def apply(folder: Path) -> None:
        tensors = load_file(folder / "model.safetensors")
        change(tensors)
        save_file(tensors, folder / "model.safetensors")

    return apply


def truncate(folder: Path) -> None:
    """Cut the weights in the middle, as a broken download does."""
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def remove(name: str) -> Change:
    """Return a change that removes a file."""
    return lambda folder: (folder / name).unlink()


def write(name: str, text: str) -> Change:
    """Return a change that replaces a file."""
    return lambda folder: (folder / name).write_text(text) and None


BROKEN: dict[str, tuple[Change, str]] = {
    "no config": (remove("config.json"), r"config\.json: missing"),
    "no weights": (remove("model.safetensors"), r"model\.safetensors: missing"),
    "no tokenizer": (remove("tokenizer.json"), r"tokenizer\.json: missing"),
    "config not JSON": (write("config.json", "{"), r"config\.json: not readable as JSON"),
    "config not an object": (write("config.json", "[]"), r"config\.json: holds list, not an object"),
    "other model": (edit("config.json", model_type="bert"), "model_type is 'bert', only 'whisper'"),
    "other activation": (edit("config.json", activation_function="relu"), "activation_function is 'relu'"),
    "no size": (edit("config.json", d_model=None), "d_model is None, it must be a whole number"),
    "odd mels": (edit("config.json", num_mel_bins=64), "num_mel_bins is 64, Whisper has 80 or 128"),
    "odd heads": (edit("config.json", decoder_attention_heads=3), "does not split into decoder_attention_heads 3"),
    "truncated weights": (truncate, r"model\.safetensors: not a whole safetensors file"),
    "empty weights": (write("model.safetensors", ""), "not a whole safetensors file"),
    "missing tensor": (rewrite(lambda tensors: tensors.__delitem__(TENSOR)), "layers.1.fc1.weight is missing"),
    "wrong shape": (edit("config.json", decoder_ffn_dim=128), r"fc1\.weight has shape \[256, 64\], .* \[128, 64\]"),
    "integer tensor": (
        rewrite(lambda tensors: tensors.update({TENSOR: np.zeros((256, 64), np.int32)})),
        "fc1.weight is I32, allowed are F32, F16, BF16",
    ),
    "smaller vocabulary": (edit("config.json", vocab_size=1000), "embed_tokens.weight has shape"),
    "foreign tokenizer": (
        edit("tokenizer.json", model={"vocab": {"a": 99_999}}),
        "has token 99999, but config.json gives vocab_size",
    ),
    "empty tokenizer": (write("tokenizer.json", "{}"), r"tokenizer\.json: holds no vocabulary"),
    "suppressed token": (edit("generation_config.json", suppress_tokens=[99_999]), "suppress_tokens must list"),
    "languages": (edit("generation_config.json", lang_to_id=[1]), "lang_to_id must be an object"),
    "language without a token": (
        edit("generation_config.json", lang_to_id={"en": "x"}),
        "a token id for each language",
    ),
    "first timestamp": (
        edit("generation_config.json", max_initial_timestamp_index="x"),
        "max_initial_timestamp_index is 'x', it must be a whole number",
    ),
    "alignment shape": (edit("generation_config.json", alignment_heads=[1, 2]), "must be pairs of layer and head"),
    "alignment range": (
        edit("generation_config.json", alignment_heads=[[9, 0]]),
        r"alignment head \[9, 0\] is not in 2",
    ),
    "audio context": (edit("amanuensis.json", audio_context="any"), "allowed are 'free' and 'padded'"),
    "window": (edit("amanuensis.json", window_s=60), "window_s is 60, allowed is 1 to 30"),
    "lag": (edit("amanuensis.json", attention_lag_ms=900), "attention_lag_ms is 900, allowed is -500 to 500, or null"),
}


@pytest.mark.parametrize("name", list(BROKEN))
def test_broken_folder_gives_one_clear_line(folder: Path, name: str) -> None:
    """Each kind of damage is named, with the file, in one line."""
    change, message = BROKEN[name]
    change(folder)
    with pytest.raises(ModelError, match=message) as caught:
        ModelFiles.load(folder)
    assert "\n" not in str(caught.value)
    assert str(folder) in str(caught.value)


def test_missing_folder_is_named(tmp_path: Path) -> None:
    """A folder that is not there is named, with what to do."""
    with pytest.raises(ModelError, match="no such model folder; `amanuensis models list`"):
        ModelFiles.load(tmp_path / "nothing")


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_tensors_come_as_float32(tmp_path: Path, dtype: str) -> None:
    """Every float type is read; values differ by its rounding only."""
    exact = ModelFiles.load(make_random_model(tmp_path / "float32", RandomModel())).weights
    weights = ModelFiles.load(make_random_model(tmp_path / dtype, RandomModel(dtype=dtype))).weights
    name = TENSOR.removeprefix("model.")
    assert weights[name].dtype == np.float32
    np.testing.assert_allclose(weights[name], exact[name], rtol=2**-8, atol=1e-6)


def test_shards_and_bare_names_are_read(folder: Path) -> None:
    """Weights may lie in shards with an index, and lack the prefix of the generating class."""
    whole = ModelFiles.load(folder).weights[TENSOR.removeprefix("model.")]
    tensors = load_file(folder / "model.safetensors")
    parts: tuple[dict[str, np.ndarray], ...] = ({}, {})
    for index, (name, value) in enumerate(tensors.items()):
        parts[index % 2][name.removeprefix("model.")] = value
    names = [f"model-{part + 1:05}-of-00002.safetensors" for part in range(2)]
    for name, part in zip(names, parts, strict=True):
        save_file(part, folder / name)
    index = {"weight_map": {tensor: name for name, part in zip(names, parts, strict=True) for tensor in part}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    (folder / "model.safetensors").unlink()
    np.testing.assert_array_equal(ModelFiles.load(folder).weights[TENSOR.removeprefix("model.")], whole)
    (folder / names[1]).unlink()
    with pytest.raises(ModelError, match=r"00002-of-00002\.safetensors: missing, though"):
        ModelFiles.load(folder)


def test_untied_embedding_is_needed_where_config_says_so(folder: Path) -> None:
    """A config without tied embeddings asks for the output projection."""
    edit("config.json", tie_word_embeddings=False)(folder)
    with pytest.raises(ModelError, match=r"proj_out\.weight is missing"):
        ModelFiles.load(folder)
    rewrite(lambda tensors: tensors.update({"proj_out.weight": tensors["model.decoder.embed_tokens.weight"] * 2}))(
        folder
    )
    assert ModelFiles.load(folder).output_embedding == "proj_out.weight"


def test_generation_config_is_read(tmp_path: Path) -> None:
    """Suppress lists, languages and alignment heads come from the generation config."""
    model = RandomModel(multilingual=True, languages=("en", "de"), alignment_heads=((1, 0), (0, 0)))
    generation = ModelFiles.load(make_random_model(tmp_path, model)).generation
    assert generation.multilingual
    assert generation.languages == ("en", "de")
    assert generation.alignment_heads == ((0, 0), (1, 0))
    assert len(generation.begin_suppress) == 2
    assert len(generation.suppress) == 5


def test_defaults_without_optional_files(folder: Path) -> None:
    """Without generation config and manifest a model is taken as stock Whisper: padded, upper half aligned."""
    (folder / "generation_config.json").unlink()
    (folder / "amanuensis.json").unlink()
    files = ModelFiles.load(folder)
    assert files.generation.alignment_heads == ((1, 0),)
    assert files.generation.suppress == ()
    assert not files.generation.multilingual
    assert (files.manifest.name, files.manifest.audio_context, files.manifest.window_s) == ("model", "padded", 30.0)
    assert files.generation.attention_lag_ms is None


def test_the_lag_of_attention_is_that_of_the_manifest(folder: Path) -> None:
    """A manifest without one is of a model whose heads were guided; null says that nobody measured it."""
    assert ModelFiles.load(folder).generation.attention_lag_ms == 8.0
    for lag_ms in (-12.5, None):
        edit("amanuensis.json", attention_lag_ms=lag_ms)(folder)
        assert ModelFiles.load(folder).generation.attention_lag_ms == lag_ms


def test_content_hash_follows_the_content(folder: Path, tmp_path: Path) -> None:
    """The same content in another place has the same hash; a changed weight has another."""
    before = ModelFiles.load(folder).content_hash()
    assert ModelFiles.load(make_random_model(tmp_path / "copy")).content_hash() == before
    rewrite(lambda tensors: tensors.update({TENSOR: tensors[TENSOR] + 1}))(folder)
    assert ModelFiles.load(folder).content_hash() != before

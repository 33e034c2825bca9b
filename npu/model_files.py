"""A model folder in the Hugging Face Whisper format, opened and checked."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from amanuensis.npu.model_config import (
    FETCH_AGAIN,
    Dimensions,
    Generation,
    Manifest,
    read_dimensions,
    read_generation,
    read_json,
    read_manifest,
)
from amanuensis.npu.model_error import ModelError
from amanuensis.npu.weights import Weights

__all__ = ["ModelError", "ModelFiles"]

OUTPUT_EMBEDDING = "proj_out.weight"
TOKEN_EMBEDDING = "decoder.embed_tokens.weight"


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """A checked model folder; tensors are read when a graph is built."""

    folder: Path
    dimensions: Dimensions
    generation: Generation
    manifest: Manifest
    weights: Weights

    @classmethod
    def load(cls, folder: Path) -> ModelFiles:
        """Open a folder.

        Args:
            folder: holds config.json, model.safetensors (or its shards with their index), tokenizer.json, and as a
                rule generation_config.json and amanuensis.json.

        Raises:
            ModelError: the folder is missing, incomplete, damaged or no Whisper model.

        """
        if not folder.is_dir():
            raise ModelError(f"{folder}: no such model folder; `amanuensis models list` shows the installed models")
        dimensions = read_dimensions(folder / "config.json")
        generation = read_generation(folder / "generation_config.json", dimensions)
        manifest = read_manifest(folder / "amanuensis.json", folder.resolve().name, dimensions)
        generation = replace(generation, attention_lag_ms=manifest.attention_lag_ms)
        weights = Weights.find(folder)
        _check_shapes(weights, dimensions)
        _check_vocabulary(folder / "tokenizer.json", dimensions)
        return cls(folder, dimensions, generation, manifest, weights)

    @property
    def output_embedding(self) -> str:
        """Name of the tensor that turns decoder states into logits."""
        return TOKEN_EMBEDDING if self.dimensions.tied_embedding else OUTPUT_EMBEDDING

    def content_hash(self) -> str:
        """Return a digest of everything that the prepared graphs depend on: the config files and the weights."""
        digest = hashlib.sha256()
        for path in (self.folder / "config.json", self.folder / "generation_config.json", *self.weights.files):
            digest.update(path.name.encode())
            if path.exists():
                with path.open("rb") as file:
                    digest.update(hashlib.file_digest(file, "sha256").digest())
        return digest.hexdigest()


def expected_shapes(dimensions: Dimensions) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Yield name and shape of every tensor of a Whisper model, without the prefix `model.`."""
    width = dimensions.width
    yield "encoder.conv1.weight", (width, dimensions.n_mels, 3)
    yield "encoder.conv1.bias", (width,)
    yield "encoder.conv2.weight", (width, width, 3)
    yield "encoder.conv2.bias", (width,)
    yield "encoder.embed_positions.weight", (dimensions.audio_positions, width)
    yield "decoder.embed_positions.weight", (dimensions.text_positions, width)
    yield TOKEN_EMBEDDING, (dimensions.vocabulary, width)
    if not dimensions.tied_embedding:
        yield OUTPUT_EMBEDDING, (dimensions.vocabulary, width)
    for part, layers, ffn, attentions in (
        ("encoder", dimensions.encoder_layers, dimensions.encoder_ffn, ("self_attn",)),
        ("decoder", dimensions.decoder_layers, dimensions.decoder_ffn, ("self_attn", "encoder_attn")),
    ):
        yield from _norm_shapes(f"{part}.layer_norm", width)
        for layer in range(layers):
            yield from _layer_shapes(f"{part}.layers.{layer}", width, ffn, attentions)


def _layer_shapes(
    name: str, width: int, ffn: int, attentions: tuple[str, ...]
) -> Iterator[tuple[str, tuple[int, ...]]]:
    for attention in attentions:
        yield from _norm_shapes(f"{name}.{attention}_layer_norm", width)
        for part in ("q_proj", "k_proj", "v_proj", "out_proj"):
            yield f"{name}.{attention}.{part}.weight", (width, width)
            if part != "k_proj":  # Whisper's keys have no bias
                yield f"{name}.{attention}.{part}.bias", (width,)
    yield from _norm_shapes(f"{name}.final_layer_norm", width)
    yield f"{name}.fc1.weight", (ffn, width)
    yield f"{name}.fc1.bias", (ffn,)
    yield f"{name}.fc2.weight", (width, ffn)
    yield f"{name}.fc2.bias", (width,)


def _norm_shapes(name: str, width: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield f"{name}.weight", (width,)
    yield f"{name}.bias", (width,)


def _check_shapes(weights: Weights, dimensions: Dimensions) -> None:
    for name, expected in expected_shapes(dimensions):
        found = weights.shapes.get(name)
        if found is None:
            raise ModelError(f"{weights.files[0]}: tensor {name} is missing; {FETCH_AGAIN}")
        if found != expected:
            raise ModelError(
                f"{weights.files[0]}: tensor {name} has shape {list(found)}, config.json asks for {list(expected)}; "
                f"{FETCH_AGAIN}"
            )


def _check_vocabulary(path: Path, dimensions: Dimensions) -> None:
    if not path.exists() and path.with_name("vocab.json").exists():
        return  # an older folder; the tokeniser reads and checks it
    tokenizer = read_json(path)
    try:
        ids = list(tokenizer["model"]["vocab"].values()) + [token["id"] for token in tokenizer.get("added_tokens", [])]
        highest = max(ids)
    except (AttributeError, KeyError, TypeError, ValueError):
        raise ModelError(f"{path}: holds no vocabulary; {FETCH_AGAIN}") from None
    if highest >= dimensions.vocabulary:
        raise ModelError(
            f"{path}: has token {highest}, but config.json gives vocab_size {dimensions.vocabulary}; "
            f"the files belong to different models: {FETCH_AGAIN}"
        )

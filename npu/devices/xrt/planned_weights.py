"""Where the weights of a model would lie, from its dimensions alone: for plans of models that are not installed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from amanuensis.kernels.layout import TILE_COLUMNS, padded
from amanuensis.npu.calibration import Precision
from amanuensis.npu.device_layers import CROSS, UNEMBEDDING, all_groups, norm_names
from amanuensis.npu.device_weights import CONVOLUTIONS, WeightMap
from amanuensis.npu.devices.xrt.memory import BF16_BYTES, F32_BYTES, TAPS, Memory, aligned
from amanuensis.npu.devices.xrt.short_vocabulary import (
    CENTRE,
    EXTRA,
    N_EXTRAS,
    SHORT,
    WHISPER_SPECIALS,
    ShortVocabulary,
)
from amanuensis.npu.model_config import Dimensions


def planned_weights(dimensions: Dimensions, precision: Precision, n_specials: int = WHISPER_SPECIALS) -> WeightMap:
    """Return the map that preparing a model of these dimensions makes when no product is smoothed or left in bf16.

    Args:
        dimensions: of the model.
        precision: of the linear layers.
        n_specials: ids from <|endoftext|> on.

    Raises:
        ModelError: the model's shape does not fit the device.

    """
    offsets: dict[str, int] = {}
    products: dict[str, dict[str, Any]] = {}
    end = 0
    short = ShortVocabulary.of(dimensions.vocabulary, dimensions.vocabulary - n_specials)
    for name, kind, (k, n) in _products(dimensions, precision, short):
        products[name] = {"precision": kind, "k": k, "n": n, "nrmse": 0.0}
        parts = {"values": k * n * (1 if kind == "int8" else BF16_BYTES)}
        parts |= {"scales": n * F32_BYTES} if kind == "int8" else {}
        parts |= {} if name.startswith(UNEMBEDDING) else {"bias": n * F32_BYTES}
        for part, n_bytes in parts.items():
            offsets[f"{name}.{part}"] = end
            end += aligned(n_bytes)
    for name, n_bytes in _tensors(dimensions, short):
        offsets[name] = end
        end += aligned(n_bytes)
    bounded = None if short is None else {**asdict(short), "radius": 0.0}
    return WeightMap(end, dimensions.width, offsets, products, bounded)


def _products(
    dimensions: Dimensions, precision: Precision, short: ShortVocabulary | None
) -> Iterator[tuple[str, Precision, tuple[int, int]]]:
    for name, channels in zip(CONVOLUTIONS, (dimensions.n_mels, dimensions.width), strict=True):
        yield name, "bf16", (TAPS * channels, dimensions.width)
    for group in all_groups(dimensions):
        yield group.name, precision, _shape(group.name, len(group.parts), dimensions)
    if short is not None:
        yield SHORT, precision, (dimensions.width, short.columns)
        yield EXTRA, precision, (dimensions.width, N_EXTRAS)


def _shape(name: str, n_parts: int, dimensions: Dimensions) -> tuple[int, int]:
    """Return inputs and outputs of a product."""
    width = dimensions.width
    ffn = dimensions.encoder_ffn if name.startswith("encoder.") else dimensions.decoder_ffn
    if name == UNEMBEDDING:
        return width, padded(dimensions.vocabulary, TILE_COLUMNS)
    if name.endswith(".fc1"):
        return width, ffn
    if name.endswith(".fc2"):
        return ffn, width
    assert name.startswith(CROSS) or n_parts in (1, 3)
    return width, n_parts * width


def _tensors(dimensions: Dimensions, short: ShortVocabulary | None) -> Iterator[tuple[str, int]]:
    """Yield the names and bytes of what is no matrix of a product."""
    row = dimensions.width * F32_BYTES
    if short is not None:
        yield CENTRE, row
    for name in norm_names(dimensions):
        yield f"{name}.gain", row
        yield f"{name}.bias", row
    yield "encoder.positions", Memory.plan(dimensions, 0).buckets[-1] * row
    yield "decoder.positions", dimensions.text_positions * row
    yield "embedding", dimensions.vocabulary * dimensions.width * BF16_BYTES

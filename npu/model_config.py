"""The JSON files of a Hugging Face Whisper folder, checked: config, generation config and our own manifest."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from amanuensis.npu.model_error import ModelError
from amanuensis.npu.window import FRAME_S

FETCH_AGAIN = "fetch or export the model again"
MULTILINGUAL_VOCABULARY = 51865  # openai/whisper: the vocabularies from this size on are multilingual
GUIDED_LAG_MS = 8.0  # of heads that `amanuensis.training` guided to the sound of each token; docs/benchmarks.md
MAX_LAG_MS = 500.0
MAX_INITIAL_TIMESTAMP_INDEX = 50  # 1 s, openai/whisper's default
Head = tuple[int, int]  # decoder layer, head


@dataclass(frozen=True, slots=True)
class Dimensions:
    """The shape of a Whisper model, named as openai/whisper names it where Hugging Face differs."""

    vocabulary: int
    n_mels: int
    width: int  # d_model
    encoder_layers: int
    encoder_heads: int
    encoder_ffn: int
    decoder_layers: int
    decoder_heads: int
    decoder_ffn: int
    audio_positions: int  # encoder frames of 20 ms
    text_positions: int
    tied_embedding: bool  # the token embedding also turns decoder states into logits


@dataclass(frozen=True, slots=True)
class Generation:
    """What the generation config says about decoding."""

    suppress: tuple[int, ...]
    begin_suppress: tuple[int, ...]
    alignment_heads: tuple[Head, ...]
    multilingual: bool
    languages: tuple[str, ...]  # codes such as "en", in the order of their tokens
    max_initial_timestamp_index: int
    heads_named: bool = True  # the config has alignment heads; else all of the decoder's last half count as such
    attention_lag_ms: float | None = None  # from where a token sets in to its peak of attention; of the manifest


@dataclass(frozen=True, slots=True)
class Manifest:
    """The optional `amanuensis.json`: what a model was trained to tolerate."""

    name: str
    audio_context: Literal["free", "padded"]
    window_s: float
    attention_lag_ms: float | None  # of the alignment heads; None: nobody measured it


def read_json(path: Path) -> dict[str, Any]:
    """Return the object in a JSON file; ModelError when it is missing or not an object."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ModelError(f"{path}: missing; a model folder needs it: {FETCH_AGAIN}") from None
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{path}: not readable as JSON ({error}); {FETCH_AGAIN}") from None
    if not isinstance(value, dict):
        raise ModelError(f"{path}: holds {type(value).__name__}, not an object; {FETCH_AGAIN}")
    return value


def shown(value: object) -> str:
    """Return a short `repr` for an error message."""
    return f"{value!r:.60}"


def read_dimensions(path: Path) -> Dimensions:
    """Return the dimensions in a config.json; ModelError names the key that is wrong."""
    config = read_json(path)
    kind = config.get("model_type")
    if kind != "whisper":
        raise ModelError(f"{path}: model_type is {shown(kind)}, only 'whisper' can be used; choose a Whisper model")
    for key, allowed in (("activation_function", "gelu"), ("scale_embedding", False)):
        if config.get(key, allowed) != allowed:
            found = shown(config[key])
            raise ModelError(f"{path}: {key} is {found}, only {allowed!r} can be used; choose another model")
    dimensions = Dimensions(
        vocabulary=_positive(path, config, "vocab_size"),
        n_mels=_positive(path, config, "num_mel_bins"),
        width=_positive(path, config, "d_model"),
        encoder_layers=_positive(path, config, "encoder_layers"),
        encoder_heads=_positive(path, config, "encoder_attention_heads"),
        encoder_ffn=_positive(path, config, "encoder_ffn_dim"),
        decoder_layers=_positive(path, config, "decoder_layers"),
        decoder_heads=_positive(path, config, "decoder_attention_heads"),
        decoder_ffn=_positive(path, config, "decoder_ffn_dim"),
        audio_positions=_positive(path, config, "max_source_positions"),
        text_positions=_positive(path, config, "max_target_positions"),
        tied_embedding=config.get("tie_word_embeddings", True) is not False,
    )
    _check_dimensions(path, dimensions)
    return dimensions


def _positive(path: Path, config: dict[str, Any], key: str) -> int:
    value = config.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or value <= 0:
        raise ModelError(f"{path}: {key} is {shown(value)}, it must be a whole number above 0; {FETCH_AGAIN}")
    return value


def _check_dimensions(path: Path, dimensions: Dimensions) -> None:
    if dimensions.n_mels not in (80, 128):
        raise ModelError(f"{path}: num_mel_bins is {dimensions.n_mels}, Whisper has 80 or 128; {FETCH_AGAIN}")
    for name, heads in (("encoder", dimensions.encoder_heads), ("decoder", dimensions.decoder_heads)):
        if dimensions.width % heads or dimensions.width // heads % 8:
            raise ModelError(
                f"{path}: d_model {dimensions.width} does not split into {name}_attention_heads {heads} "
                f"of a multiple of 8; {FETCH_AGAIN}"
            )


def read_generation(path: Path, dimensions: Dimensions) -> Generation:
    """Return the generation config, Whisper's defaults where the file or a key is missing."""
    config = read_json(path) if path.exists() else {}
    languages = config.get("lang_to_id") or {}
    if not isinstance(languages, dict) or not all(isinstance(token, int) for token in languages.values()):
        raise ModelError(f"{path}: lang_to_id must be an object with a token id for each language; {FETCH_AGAIN}")
    first_timestamps = config.get("max_initial_timestamp_index") or MAX_INITIAL_TIMESTAMP_INDEX
    if not isinstance(first_timestamps, int) or first_timestamps < 0:
        found = shown(first_timestamps)
        raise ModelError(f"{path}: max_initial_timestamp_index is {found}, it must be a whole number; {FETCH_AGAIN}")
    codes = tuple(name.strip("<|>") for name, _ in sorted(languages.items(), key=lambda item: item[1]))
    multilingual = config.get("is_multilingual", dimensions.vocabulary >= MULTILINGUAL_VOCABULARY)
    return Generation(
        suppress=_token_list(path, config, "suppress_tokens", dimensions.vocabulary),
        begin_suppress=_token_list(path, config, "begin_suppress_tokens", dimensions.vocabulary),
        alignment_heads=_alignment_heads(path, config, dimensions),
        multilingual=bool(multilingual),
        languages=codes or ("en",),
        max_initial_timestamp_index=first_timestamps,
        heads_named=bool(config.get("alignment_heads")),
    )


def _token_list(path: Path, config: dict[str, Any], key: str, vocabulary: int) -> tuple[int, ...]:
    tokens = config.get(key) or []
    if not isinstance(tokens, list) or not all(isinstance(token, int) and token < vocabulary for token in tokens):
        raise ModelError(f"{path}: {key} must list token ids below vocab_size {vocabulary}; {FETCH_AGAIN}")
    return tuple(token for token in tokens if token >= 0)


def default_alignment_heads(dimensions: Dimensions) -> tuple[Head, ...]:
    """Return the heads of a model that names none: all of the decoder's last half (openai/whisper)."""
    layers, heads = dimensions.decoder_layers, dimensions.decoder_heads
    return tuple((layer, head) for layer in range(layers // 2, layers) for head in range(heads))


def _alignment_heads(path: Path, config: dict[str, Any], dimensions: Dimensions) -> tuple[Head, ...]:
    """Return the heads whose attention follows time."""
    layers, heads = dimensions.decoder_layers, dimensions.decoder_heads
    named = config.get("alignment_heads")
    if not named:
        return default_alignment_heads(dimensions)
    try:
        pairs = tuple(sorted((int(layer), int(head)) for layer, head in named))
    except (TypeError, ValueError, OverflowError):
        raise ModelError(f"{path}: alignment_heads must be pairs of layer and head; {FETCH_AGAIN}") from None
    for layer, head in pairs:
        if not (0 <= layer < layers and 0 <= head < heads):
            raise ModelError(f"{path}: alignment head {[layer, head]} is not in {layers} layers of {heads} heads")
    return pairs


def read_manifest(path: Path, folder_name: str, dimensions: Dimensions) -> Manifest:
    """Return `amanuensis.json`, or what is safe for a stock model when there is none."""
    config = read_json(path) if path.exists() else {}
    longest_s = dimensions.audio_positions * FRAME_S
    context = config.get("audio_context", "padded")
    if context not in ("free", "padded"):
        found = shown(context)
        raise ModelError(f"{path}: audio_context is {found}, allowed are 'free' and 'padded'; correct the file")
    window_s = config.get("window_s", longest_s)
    if not isinstance(window_s, int | float) or not 1 <= window_s <= longest_s:
        raise ModelError(f"{path}: window_s is {shown(window_s)}, allowed is 1 to {longest_s:g}; correct the file")
    lag_ms = config.get("attention_lag_ms", GUIDED_LAG_MS if path.exists() else None)
    if lag_ms is not None and (not isinstance(lag_ms, int | float) or not -MAX_LAG_MS <= lag_ms <= MAX_LAG_MS):
        raise ModelError(
            f"{path}: attention_lag_ms is {shown(lag_ms)}, allowed is {-MAX_LAG_MS:g} to {MAX_LAG_MS:g}, "
            "or null where it is not known; correct the file"
        )
    return Manifest(str(config.get("name", folder_name)), context, float(window_s), lag_ms)

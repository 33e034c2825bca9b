"""Whisper folders with random weights: complete, small or of any real size, and the same for the same seed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import ml_dtypes
import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

from amanuensis.npu.model_config import Dimensions
from amanuensis.npu.model_files import expected_shapes

LANGUAGES = ("en", "zh", "de", "es", "fr")
MERGED = ("the", "and", "one", "two", "light", "ing", "er", " the", " a", " one", " light", " turn", " on", " off")
DTYPES = {"float32": np.float32, "float16": np.float16, "bfloat16": ml_dtypes.bfloat16}


@dataclass(frozen=True)
class RandomModel:
    """What a random model looks like; the defaults make a folder of about 1 MB."""

    width: int = 64
    layers: int = 2
    decoder_layers: int = 0  # 0: as `layers`
    heads: int = 1
    n_mels: int = 80
    fillers: int = 0  # text tokens without meaning, to reach a real vocabulary
    languages: tuple[str, ...] = LANGUAGES
    multilingual: bool = False
    dtype: str = "float32"
    seed: int = 0
    alignment_heads: tuple[tuple[int, int], ...] | None = None
    manifest: bool = True  # write amanuensis.json
    embedding_gain: float = 1.0  # above 1: surer of its tokens
    eot_bonus: float = 0.0  # added to the logit of <|endoftext|>, so that hypotheses end
    score_gain: float = 3.0  # above 1: sharper attention, so that outputs depend on sound and text
    residual_gain: float = 1.0  # of what a layer adds; GPT-2's initialisation takes (2 * layers) ** -0.5


def make_random_model(folder: Path, model: RandomModel | None = None) -> Path:
    """Write a whole Hugging Face Whisper folder and return it."""
    model = model or RandomModel()
    folder.mkdir(parents=True, exist_ok=True)
    specials = special_tokens(model.languages)
    vocabulary = _write_tokenizer(folder, model.fillers, specials)
    dimensions = Dimensions(
        vocabulary=len(vocabulary),
        n_mels=model.n_mels,
        width=model.width,
        encoder_layers=model.layers,
        encoder_heads=model.heads,
        encoder_ffn=4 * model.width,
        decoder_layers=model.decoder_layers or model.layers,
        decoder_heads=model.heads,
        decoder_ffn=4 * model.width,
        audio_positions=1500,
        text_positions=448,
        tied_embedding=True,
    )
    _write_json(folder / "config.json", config_json(dimensions, vocabulary))
    _write_json(folder / "generation_config.json", _generation_json(model, vocabulary))
    if model.manifest:
        _write_json(folder / "amanuensis.json", {"name": "random", "audio_context": "free", "window_s": 30})
    tensors = dict(random_tensors(dimensions, model))
    end = tensors["decoder.embed_tokens.weight"][vocabulary["<|endoftext|>"]]
    tensors["decoder.layer_norm.bias"] += model.eot_bonus * end / np.square(end).sum()
    stored = {f"model.{name}": value.astype(DTYPES[model.dtype]) for name, value in tensors.items()}
    save_file(stored, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def special_tokens(languages: tuple[str, ...]) -> list[str]:
    """Return Whisper's special tokens in their order."""
    head = ["<|endoftext|>", "<|startoftranscript|>", *(f"<|{code}|>" for code in languages)]
    tail = ["<|translate|>", "<|transcribe|>", "<|startoflm|>", "<|startofprev|>", "<|nospeech|>", "<|notimestamps|>"]
    return head + tail + [f"<|{k * 0.02:.2f}|>" for k in range(1501)]


def config_json(dimensions: Dimensions, vocabulary: dict[str, int]) -> dict[str, object]:
    """Return a config.json as transformers writes it."""
    return {
        "architectures": ["WhisperForConditionalGeneration"],
        "model_type": "whisper",
        "activation_function": "gelu",
        "vocab_size": dimensions.vocabulary,
        "num_mel_bins": dimensions.n_mels,
        "d_model": dimensions.width,
        "encoder_layers": dimensions.encoder_layers,
        "encoder_attention_heads": dimensions.encoder_heads,
        "encoder_ffn_dim": dimensions.encoder_ffn,
        "decoder_layers": dimensions.decoder_layers,
        "decoder_attention_heads": dimensions.decoder_heads,
        "decoder_ffn_dim": dimensions.decoder_ffn,
        "max_source_positions": dimensions.audio_positions,
        "max_target_positions": dimensions.text_positions,
        "decoder_start_token_id": vocabulary["<|startoftranscript|>"],
        "eos_token_id": vocabulary["<|endoftext|>"],
        "bos_token_id": vocabulary["<|endoftext|>"],
        "pad_token_id": vocabulary["<|endoftext|>"],
        "begin_suppress_tokens": None,
        "suppress_tokens": None,
    }


def random_tensors(dimensions: Dimensions, model: RandomModel) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """Yield float32 tensors: layer norms near 1, linear layers that keep the variance, sharpened attention."""
    random = np.random.default_rng(model.seed)
    for name, shape in expected_shapes(dimensions):
        noise = random.standard_normal(shape, np.float32)
        if name == "encoder.embed_positions.weight":
            yield name, sinusoids(*shape)
        elif "norm.weight" in name:
            yield name, 1 + 0.1 * noise
        elif name.endswith("bias"):
            yield name, 0.02 * noise
        elif "embed" in name:
            yield name, noise * np.float32(0.02 * (model.embedding_gain if "tokens" in name else 1))
        else:
            gain = {"q_proj": model.score_gain, "out_proj": model.residual_gain, "fc2": model.residual_gain}
            yield name, noise * np.float32(gain.get(name.split(".")[-2], 1.0) * np.prod(shape[1:]) ** -0.5)


def sinusoids(length: int, width: int) -> NDArray[np.float32]:
    """Return openai/whisper's positional table, float32 [length, width]."""
    steps = np.exp(-np.log(10_000) / (width // 2 - 1) * np.arange(width // 2))
    angles = np.arange(length)[:, None] * steps
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=1).astype(np.float32)


def _write_tokenizer(folder: Path, fillers: int, specials: list[str]) -> dict[str, int]:
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    texts = list(alphabet)
    merges: list[tuple[str, str]] = []
    for word in MERGED:
        parts = [character.replace(" ", "Ġ") for character in word]
        for stop in range(2, len(parts) + 1):
            merge = ("".join(parts[: stop - 1]), parts[stop - 1])
            if "".join(merge) not in texts:
                merges.append(merge)
                texts.append("".join(merge))
    texts += [f"Ġw{k}" for k in range(fillers)]
    tokenizer = Tokenizer(models.BPE(vocab={text: k for k, text in enumerate(texts)}, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(name, special=True) for name in specials])
    tokenizer.save(str(folder / "tokenizer.json"))
    vocabulary: dict[str, int] = tokenizer.get_vocab(with_added_tokens=True)
    return vocabulary


def _generation_json(model: RandomModel, vocabulary: dict[str, int]) -> dict[str, object]:
    config: dict[str, object] = {
        "is_multilingual": model.multilingual,
        "no_timestamps_token_id": vocabulary["<|notimestamps|>"],
        "decoder_start_token_id": vocabulary["<|startoftranscript|>"],
        "eos_token_id": vocabulary["<|endoftext|>"],
        "pad_token_id": vocabulary["<|endoftext|>"],
        "begin_suppress_tokens": [vocabulary["Ġ"], vocabulary["<|endoftext|>"]],
        "suppress_tokens": [vocabulary[text] for text in ('"', "#", "(", "<|startofprev|>", "<|nospeech|>")],
        "max_initial_timestamp_index": 50,
    }
    if model.multilingual:
        config["lang_to_id"] = {f"<|{code}|>": vocabulary[f"<|{code}|>"] for code in model.languages}
        config["task_to_id"] = {task: vocabulary[f"<|{task}|>"] for task in ("transcribe", "translate")}
    if model.alignment_heads:
        config["alignment_heads"] = [list(head) for head in model.alignment_heads]
    return config


def _write_json(path: Path, value: dict[str, object]) -> None:
    path.write_text(json.dumps(value, indent=1), encoding="utf-8")

"""A Whisper folder of Hugging Face's in the forms that other systems read.

Run in the environment of the system, which needs neither transformers nor safetensors nor this package:
`python convert_weights.py ctranslate2|openai FOLDER TARGET`. CTranslate2's own converter does the same with
transformers and PyTorch.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Tensors = Mapping[str, NDArray[np.float32]]
DTYPES = {"F16": np.float16, "F32": np.float32}
COPIED = ("tokenizer.json", "preprocessor_config.json")
# Hugging Face's names of parts, and openai/whisper's
OPENAI_NAMES = (
    (r"\blayers\.", "blocks."),
    (r"\bself_attn_layer_norm\b", "attn_ln"),
    (r"\bencoder_attn_layer_norm\b", "cross_attn_ln"),
    (r"\bfinal_layer_norm\b", "mlp_ln"),
    (r"\bself_attn\b", "attn"),
    (r"\bencoder_attn\b", "cross_attn"),
    (r"\bq_proj\b", "query"),
    (r"\bk_proj\b", "key"),
    (r"\bv_proj\b", "value"),
    (r"\bout_proj\b", "out"),
    (r"\bfc1\b", "mlp.0"),
    (r"\bfc2\b", "mlp.2"),
    (r"\bembed_tokens\b", "token_embedding"),
    (r"\bembed_positions\.weight\b", "positional_embedding"),
    (r"^encoder\.layer_norm\b", "encoder.ln_post"),
    (r"^decoder\.layer_norm\b", "decoder.ln"),
)


def read_tensors(folder: Path) -> dict[str, NDArray[np.float32]]:
    """Return the tensors of a folder's model.safetensors as float32, without the prefix `model.`."""
    data = (folder / "model.safetensors").read_bytes()
    start = 8 + int.from_bytes(data[:8], "little")
    tensors: dict[str, NDArray[np.float32]] = {}
    for name, entry in json.loads(data[8:start]).items():
        if name != "__metadata__":
            first, end = (start + offset for offset in entry["data_offsets"])
            values = np.frombuffer(data[first:end], DTYPES[entry["dtype"]]).astype(np.float32)
            tensors[name.removeprefix("model.")] = values.reshape(entry["shape"])
    return tensors


def openai_name(name: str) -> str:
    """Return openai/whisper's name of a tensor."""
    for pattern, replacement in OPENAI_NAMES:
        name = re.sub(pattern, replacement, name)
    return name


def to_openai(folder: Path, target: Path) -> None:
    """Write the checkpoint that `whisper.load_model` reads."""
    import torch

    config = json.loads((folder / "config.json").read_text())
    dimensions = {
        "n_mels": config["num_mel_bins"],
        "n_audio_ctx": config["max_source_positions"],
        "n_audio_state": config["d_model"],
        "n_audio_head": config["encoder_attention_heads"],
        "n_audio_layer": config["encoder_layers"],
        "n_vocab": config["vocab_size"],
        "n_text_ctx": config["max_target_positions"],
        "n_text_state": config["d_model"],
        "n_text_head": config["decoder_attention_heads"],
        "n_text_layer": config["decoder_layers"],
    }
    state = {openai_name(name): torch.from_numpy(value) for name, value in read_tensors(folder).items()}
    torch.save({"dims": dimensions, "model_state_dict": state}, target)


def to_ctranslate2(folder: Path, target: Path) -> None:
    """Write the int8 folder that faster-whisper reads."""
    from ctranslate2.specs.whisper_spec import WhisperSpec

    config, generation, tokenizer = (
        json.loads((folder / name).read_text()) for name in ("config.json", "generation_config.json", "tokenizer.json")
    )
    parts = ("encoder_layers", "encoder_attention_heads", "decoder_layers", "decoder_attention_heads")
    spec = WhisperSpec(*(config[part] for part in parts))
    tensors = read_tensors(folder)
    _fill_encoder(spec.encoder, tensors)
    _fill_decoder(spec.decoder, tensors)
    texts = tokenizer["model"]["vocab"] | {token["content"]: token["id"] for token in tokenizer["added_tokens"]}
    spec.register_vocabulary(sorted(texts, key=texts.__getitem__))
    spec.config.suppress_ids = generation["suppress_tokens"]
    spec.config.suppress_ids_begin = generation["begin_suppress_tokens"]
    spec.config.alignment_heads = generation["alignment_heads"]
    spec.config.lang_ids = [texts["<|en|>"]]
    spec.validate()
    spec.optimize(quantization="int8")
    target.mkdir(parents=True)
    spec.save(str(target))
    for name in COPIED:
        shutil.copyfile(folder / name, target / name)


def _fill_encoder(spec: Any, tensors: Tensors) -> None:
    for name in ("conv1", "conv2"):
        _fill(getattr(spec, name), tensors, f"encoder.{name}")
    _fill_stack(spec, tensors, "encoder")


def _fill_decoder(spec: Any, tensors: Tensors) -> None:
    spec.embeddings.weight = spec.projection.weight = tensors["decoder.embed_tokens.weight"]
    _fill_stack(spec, tensors, "decoder")
    for number, layer in enumerate(spec.layer):
        name = f"decoder.layers.{number}.encoder_attn"
        _fill_attention(layer.attention, tensors, name, (("q_proj",), ("k_proj", "v_proj")))


def _fill_stack(spec: Any, tensors: Tensors, part: str) -> None:
    spec.position_encodings.encodings = tensors[f"{part}.embed_positions.weight"]
    _fill_norm(spec.layer_norm, tensors, f"{part}.layer_norm")
    for number, layer in enumerate(spec.layer):
        name = f"{part}.layers.{number}"
        _fill_attention(layer.self_attention, tensors, f"{name}.self_attn", (("q_proj", "k_proj", "v_proj"),))
        _fill(layer.ffn.linear_0, tensors, f"{name}.fc1")
        _fill(layer.ffn.linear_1, tensors, f"{name}.fc2")
        _fill_norm(layer.ffn.layer_norm, tensors, f"{name}.final_layer_norm")


def _fill_attention(spec: Any, tensors: Tensors, name: str, fused: Iterable[tuple[str, ...]]) -> None:
    """Fill an attention, whose inputs are read by matrices that stand for several of Whisper's; keys have no bias."""
    _fill_norm(spec.layer_norm, tensors, f"{name}_layer_norm")
    for linear, parts in zip(spec.linear, fused, strict=False):
        weights = [tensors[f"{name}.{part}.weight"] for part in parts]
        biases = [tensors.get(f"{name}.{part}.bias") for part in parts]
        linear.weight = np.concatenate(weights)
        linear.bias = np.concatenate(
            [np.zeros(len(w), np.float32) if b is None else b for w, b in zip(weights, biases, strict=True)]
        )
    _fill(spec.linear[-1], tensors, f"{name}.out_proj")


def _fill(spec: Any, tensors: Tensors, name: str) -> None:
    spec.weight, spec.bias = tensors[f"{name}.weight"], tensors[f"{name}.bias"]


def _fill_norm(spec: Any, tensors: Tensors, name: str) -> None:
    spec.gamma, spec.beta = tensors[f"{name}.weight"], tensors[f"{name}.bias"]


FORMS = {"ctranslate2": to_ctranslate2, "openai": to_openai}


def main() -> None:
    """Convert."""
    form, folder, target = sys.argv[1:]
    FORMS[form](Path(folder), Path(target))


if __name__ == "__main__":
    main()

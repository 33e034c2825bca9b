"""The export stage: a checkpoint as a folder in the Hugging Face Whisper format, and as the packed archive."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import load_file, save_file

from amanuensis.npu import archive
from amanuensis.npu.calibration_sound import timed_windows
from amanuensis.npu.head_search import AttentionOf, remember
from amanuensis.npu.model_config import MAX_LAG_MS
from amanuensis.npu.model_files import ModelFiles
from amanuensis.npu.tokenizer import Tokenizer
from amanuensis.training import tokenizer as names
from amanuensis.training.losses import GUIDED_HEADS
from amanuensis.training.model import MAX_SOURCE, MAX_TARGET, Dimensions, Whisper
from amanuensis.training.tokenizer import Vocabulary, merges_and_vocabulary

MODEL_NAME = "builtin"
WINDOW_S = 12.0  # longer windows were rare in training and are read worse
TEXT_FORM = "case and marks as Whisper writes them, numbers as words"
_TRAINING_ONLY = ("phone_head.", "ctc_head.")


def export(model: Whisper, tokenizer_json: Path, folder: Path, heads: bool = False) -> None:
    """Write the model folder, whole or not at all, in place of an older one; with `heads`, the training's too."""
    partial = folder.with_name(folder.name + ".part")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    vocabulary = Vocabulary(tokenizer_json)
    files = {
        "config.json": config(model.dimensions, vocabulary),
        "generation_config.json": generation_config(model.dimensions, vocabulary),
        "preprocessor_config.json": preprocessor_config(model.dimensions),
        "tokenizer_config.json": tokenizer_config(),
        "special_tokens_map.json": dict.fromkeys(("bos_token", "eos_token", "unk_token"), names.END),
        "amanuensis.json": {
            "name": MODEL_NAME, "audio_context": "free", "window_s": WINDOW_S, "text_form": TEXT_FORM
        },
    }  # fmt: skip
    bpe, merges = merges_and_vocabulary(tokenizer_json)
    files["vocab.json"] = {**bpe, names.END: vocabulary.end}
    for name, content in files.items():
        (partial / name).write_text(json.dumps(content, indent=1) + "\n")
    (partial / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n")
    shutil.copyfile(tokenizer_json, partial / "tokenizer.json")
    tensors = {
        name: np.ascontiguousarray(value.detach().cpu().numpy().astype(np.float16))
        for name, value in model.state_dict().items()
        if heads or not name.startswith(_TRAINING_ONLY)
    }
    save_file(tensors, partial / "model.safetensors", metadata={"format": "pt"})
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)


def measure_lag(folder: Path) -> None:
    """Write to an exported folder how long after a token sets in its alignment heads listen to it."""
    files = ModelFiles.load(folder)
    windows = timed_windows(Tokenizer(folder), files.dimensions.n_mels)
    found = AttentionOf(files, windows, lambda _: None).measure(files.generation.alignment_heads)
    if abs(found.lag_ms) <= MAX_LAG_MS:  # else it has not learnt to listen yet
        remember(folder, found, heads=False)


def load(folder: Path, vocabulary: Vocabulary) -> Whisper:
    """Return the model of an exported folder in float32, ready to decode.

    Raises:
        RuntimeError: if its tensors do not fit its config.json.

    """
    d = json.loads((folder / "config.json").read_text())
    layers = {"encoder_layers": d["encoder_layers"], "decoder_layers": d["decoder_layers"]}
    sizes = {"width": d["d_model"], "heads": d["encoder_attention_heads"], "hidden": d["encoder_ffn_dim"]}
    model = Whisper(Dimensions(vocabulary.size, vocabulary.end, **layers, **sizes))
    tensors = {name: torch.from_numpy(value).float() for name, value in load_file(folder / "model.safetensors").items()}
    missing, unexpected = model.load_state_dict(tensors, strict=False)
    if unexpected or any(not name.startswith(_TRAINING_ONLY) for name in missing):
        raise RuntimeError(f"{folder}: tensors do not fit its config.json: {missing} {unexpected}")
    return model.eval()


def pack(folder: Path, target: Path) -> Path:
    """Write the archive of an exported folder, expand it again beside it and return that int8-rounded folder."""
    archive.pack(folder, target)
    rounded = target.with_name(target.name + ".expanded")
    shutil.rmtree(rounded, ignore_errors=True)
    archive.expand(target, rounded)
    return rounded


def config(d: Dimensions, vocabulary: Vocabulary) -> dict[str, object]:
    """Return `config.json`."""
    return {
        "architectures": ["WhisperForConditionalGeneration"],
        "model_type": "whisper",
        "activation_function": "gelu",
        "d_model": d.width,
        "encoder_layers": d.encoder_layers,
        "decoder_layers": d.decoder_layers,
        "num_hidden_layers": d.encoder_layers,
        "encoder_attention_heads": d.heads,
        "decoder_attention_heads": d.heads,
        "encoder_ffn_dim": d.hidden,
        "decoder_ffn_dim": d.hidden,
        "num_mel_bins": d.mels,
        "max_source_positions": MAX_SOURCE,
        "max_target_positions": MAX_TARGET,
        "vocab_size": d.vocabulary,
        "is_encoder_decoder": True,
        "scale_embedding": False,
        "tie_word_embeddings": True,
        "use_cache": True,
        "dropout": 0.0,
        "attention_dropout": 0.0,
        "activation_dropout": 0.0,
        "encoder_layerdrop": 0.0,
        "decoder_layerdrop": 0.0,
        "init_std": 0.02,
        "bos_token_id": vocabulary.end,
        "eos_token_id": vocabulary.end,
        "pad_token_id": vocabulary.end,
        "decoder_start_token_id": vocabulary.start,
        "torch_dtype": "float16",
    }


def generation_config(d: Dimensions, vocabulary: Vocabulary) -> dict[str, object]:
    """Return `generation_config.json`.

    The model writes nothing where nobody speaks, so the end may come first: `begin_suppress_tokens` is empty.
    """
    return {
        "bos_token_id": vocabulary.end,
        "eos_token_id": vocabulary.end,
        "pad_token_id": vocabulary.end,
        "decoder_start_token_id": vocabulary.start,
        "prev_sot_token_id": vocabulary.previous,
        "no_timestamps_token_id": vocabulary.no_timestamps,
        "is_multilingual": False,
        "max_length": MAX_TARGET,
        "max_initial_timestamp_index": 50,
        "return_timestamps": False,
        "suppress_tokens": vocabulary.suppressed,
        "begin_suppress_tokens": [],
        "alignment_heads": [[d.decoder_layers - 1, head] for head in GUIDED_HEADS],
    }


def preprocessor_config(d: Dimensions) -> dict[str, object]:
    """Return `preprocessor_config.json`."""
    return {
        "feature_extractor_type": "WhisperFeatureExtractor",
        "processor_class": "WhisperProcessor",
        "feature_size": d.mels,
        "sampling_rate": 16_000,
        "hop_length": 160,
        "n_fft": 400,
        "chunk_length": 30,
        "n_samples": 480_000,
        "nb_max_frames": 3_000,
        "padding_side": "right",
        "padding_value": 0.0,
        "return_attention_mask": False,
    }


def tokenizer_config() -> dict[str, object]:
    """Return `tokenizer_config.json`."""
    return {
        "tokenizer_class": "WhisperTokenizer",
        "processor_class": "WhisperProcessor",
        "bos_token": names.END,
        "eos_token": names.END,
        "pad_token": names.END,
        "unk_token": names.END,
        "additional_special_tokens": list(names.SPECIAL),
        "add_prefix_space": False,
        "clean_up_tokenization_spaces": False,
        "errors": "replace",
        "model_max_length": MAX_TARGET,
    }

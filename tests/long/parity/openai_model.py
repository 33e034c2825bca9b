"""The same weights in openai-whisper's own classes."""

from __future__ import annotations

from pathlib import Path

import torch
import whisper

from amanuensis.npu.model_files import ModelFiles

RENAMED = (  # Hugging Face -> openai-whisper, applied in order
    ("encoder.embed_positions.weight", "encoder.positional_embedding"),
    ("decoder.embed_positions.weight", "decoder.positional_embedding"),
    ("decoder.embed_tokens", "decoder.token_embedding"),
    (".layers.", ".blocks."),
    ("encoder_attn_layer_norm", "cross_attn_ln"),
    ("self_attn_layer_norm", "attn_ln"),
    ("final_layer_norm", "mlp_ln"),
    ("encoder.layer_norm", "encoder.ln_post"),
    ("decoder.layer_norm", "decoder.ln"),
    ("encoder_attn", "cross_attn"),
    ("self_attn", "attn"),
    ("q_proj", "query"),
    ("k_proj", "key"),
    ("v_proj", "value"),
    ("out_proj", "out"),
    ("fc1", "mlp.0"),
    ("fc2", "mlp.2"),
)


def openai_name(name: str) -> str:
    """Return openai-whisper's name of a tensor."""
    for old, new in RENAMED:
        name = name.replace(old, new)
    return name


def openai_model(folder: Path) -> whisper.model.Whisper:
    """Return the model of a Hugging Face folder as openai-whisper's, in float32 on the CPU."""
    files = ModelFiles.load(folder)
    dimensions = files.dimensions
    model = whisper.model.Whisper(
        whisper.model.ModelDimensions(
            n_mels=dimensions.n_mels,
            n_audio_ctx=dimensions.audio_positions,
            n_audio_state=dimensions.width,
            n_audio_head=dimensions.encoder_heads,
            n_audio_layer=dimensions.encoder_layers,
            n_vocab=dimensions.vocabulary,
            n_text_ctx=dimensions.text_positions,
            n_text_state=dimensions.width,
            n_text_head=dimensions.decoder_heads,
            n_text_layer=dimensions.decoder_layers,
        )
    )
    tensors = {openai_name(name): torch.from_numpy(files.weights[name].copy()) for name in files.weights.shapes}
    tensors.pop("proj_out.weight", None)  # tied
    model.load_state_dict(tensors, strict=True)
    return model.eval()

"""The shapes of OpenAI's Whisper models, for plans of models that are not installed.

Source: openai/whisper, `ModelDimensions` in the published checkpoints; parameters from its README.
"""

from __future__ import annotations

from typing import Final

from amanuensis.npu.model_config import Dimensions


def _whisper(
    width: int, encoder_layers: int, decoder_layers: int, *, vocabulary: int = 51865, n_mels: int = 80
) -> Dimensions:
    """Return a shape of the family: heads of 64, feed-forward layers four times as wide, windows of 30 s."""
    heads, ffn = width // 64, 4 * width
    return Dimensions(
        vocabulary=vocabulary,
        n_mels=n_mels,
        width=width,
        encoder_layers=encoder_layers,
        encoder_heads=heads,
        encoder_ffn=ffn,
        decoder_layers=decoder_layers,
        decoder_heads=heads,
        decoder_ffn=ffn,
        audio_positions=1500,
        text_positions=448,
        tied_embedding=True,
    )


KNOWN_MODELS: Final = {
    "tiny": _whisper(384, 4, 4),
    "base": _whisper(512, 6, 6),
    "small": _whisper(768, 12, 12),
    "turbo": _whisper(1280, 32, 4, vocabulary=51866, n_mels=128),
}

"""Which language is spoken: the likeliest language token after <|startoftranscript|>."""

from __future__ import annotations

from amanuensis.npu.devices.api import Decoder
from amanuensis.npu.tokenizer import Tokenizer


def detect_language(decoder: Decoder, tokenizer: Tokenizer) -> str:
    """Return the code of the likeliest language that the model knows; leaves the decoder's cache empty.

    Source: openai/whisper `whisper/decoding.py` (`detect_language`).
    """
    decoder.truncate(0)
    logits = decoder.forward([tokenizer.sot], [0]).logits[0, 0]
    decoder.truncate(0)
    return max(tokenizer.language_tokens, key=lambda code: float(logits[tokenizer.language_tokens[code]]))

"""Which language is spoken: the likeliest language token after <|startoftranscript|>."""

from __future__ import annotations

from amanuensis.npu.devices.api import Decoder
from amanuensis.npu.row_choice import best
from amanuensis.npu.row_rules import LANGUAGES, Row, RowRules
from amanuensis.npu.tokenizer import Tokenizer


def detect_language(decoder: Decoder, tokenizer: Tokenizer) -> str:
    """Return the code of the likeliest language that the model knows; leaves the decoder's cache empty.

    Source: openai/whisper `whisper/decoding.py` (`detect_language`).
    """
    decoder.truncate(0)
    scores = decoder.forward([tokenizer.sot], [Row(0, RowRules(mask=LANGUAGES))]).scores[0]
    decoder.truncate(0)
    token = best(scores).token
    return next(code for code, its_token in tokenizer.language_tokens.items() if its_token == token)

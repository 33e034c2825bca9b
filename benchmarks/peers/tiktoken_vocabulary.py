"""A model's vocabulary as the file that openai/whisper and WhisperLiveKit read theirs from, `assets/gpt2.tiktoken`.

Both look for it beside their module and know no other: a launcher shows them another folder.
"""

from __future__ import annotations

import base64
from pathlib import Path

from amanuensis.npu.tokenizer import Tokenizer

TEXT_TOKENS = 50_256  # of the English vocabulary; special tokens follow


def write_vocabulary(model: Path, folder: Path) -> None:
    """Write `folder/assets/gpt2.tiktoken`: a line for each text token, its bytes in base64 and its id.

    Bytes that several tokens have belong to the first; the others get bytes of their own, since the reader wants that.
    """
    tokenizer = Tokenizer(model)
    if tokenizer.eot != TEXT_TOKENS:
        raise ValueError(
            f"{model}: {tokenizer.eot} text tokens; this file is for the English vocabulary of {TEXT_TOKENS}"
        )
    seen: set[bytes] = set()
    lines = []
    for token in range(tokenizer.eot):
        text = tokenizer.text_bytes(token)
        if text in seen or not text:
            text = f"<unused {token}>".encode()
        seen.add(text)
        lines.append(f"{base64.b64encode(text).decode()} {token}\n")
    target = folder / "assets" / "gpt2.tiktoken"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text("".join(lines), encoding="ascii")

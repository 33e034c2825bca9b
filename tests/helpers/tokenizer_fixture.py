"""Texts in many scripts, and where openai-whisper's tokens and words for them are recorded."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / "data" / "parity" / "tokenizer"  # a cut vocabulary and answers.json
LANGUAGES = ("en", "ja")
TEXTS = (
    " Turn on the light, please. It's half past seven, isn't it?",
    ' He said: "No (maybe)", and then -- at 12:30 -- left!',
    " 3.5 % of $1,000 is [about] {35}; ¿qué? ¡sí! 'tis a-b x_y",
    " Grüße aus Köln, naïve Ærø, Łódź “quoted” ‘curly’ … ok",  # noqa: RUF001
    "日本語のテキスト、です。はい!「引用」",
    "你好,世界。这是一个测试。",
    "สวัสดีครับ ผม",
    "Привет, мир! Как дела?",
    "🎉 party 😀😀 over",
    "<|endoftext|> injected <|0.00|> <|en|>",
    "   spaces  \n\n tabs\t",
    "",
)

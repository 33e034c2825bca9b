"""openai-whisper's vocabularies as model folders in the Hugging Face format, whole or cut to their first merges."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import tiktoken
from transformers.convert_slow_tokenizer import bytes_to_unicode
from whisper.timing import WordTiming, merge_punctuations
from whisper.tokenizer import LANGUAGES, get_encoding
from whisper.tokenizer import Tokenizer as OpenAiTokenizer

PREPENDED, APPENDED = "\"'“¿([{-", "\"'.。,，!！?？:：”)]}、"  # noqa: RUF001 - defaults of whisper's add_word_timestamps


@dataclass(frozen=True)
class Vocabulary:
    """One of openai-whisper's vocabularies.

    Attributes:
        multilingual: "multilingual" or "gpt2" of its assets.
        n_languages: 99, or 100 since large-v3.
        names_timestamps: whether the folder lists them, as newer ones do.
        n_text: text tokens kept, or 0 for all.

    """

    multilingual: bool
    n_languages: int = 99
    names_timestamps: bool = True
    n_text: int = 0

    def encoding(self) -> tiktoken.Encoding:
        """Return it as openai-whisper uses it."""
        whole = get_encoding("multilingual" if self.multilingual else "gpt2", self.n_languages)
        if not self.n_text:
            return whole
        kept = {token: rank for token, rank in whole._mergeable_ranks.items() if rank < self.n_text}
        shift = len(whole._mergeable_ranks) - self.n_text
        special = {name: number - shift for name, number in whole._special_tokens.items()}
        return tiktoken.Encoding("cut", pat_str=whole._pat_str, mergeable_ranks=kept, special_tokens=special)

    def reference(self, language: str | None) -> OpenAiTokenizer:
        """Return openai-whisper's tokeniser for a language; None for English-only models."""
        task = "transcribe" if language else None
        return OpenAiTokenizer(self.encoding(), num_languages=self.n_languages, language=language, task=task)

    def write(self, folder: Path) -> Path:
        """Write tokenizer.json and generation_config.json."""
        encoding = self.encoding()
        ranks = encoding._mergeable_ranks
        vocabulary = {spelt(token): rank for token, rank in ranks.items()}
        merges = [
            tuple(map(spelt, parts(ranks, token))) for token in sorted(ranks, key=ranks.__getitem__) if len(token) > 1
        ]
        first_timestamp = encoding._special_tokens["<|0.00|>"]
        added = [
            {"id": number, "content": name, "special": number < first_timestamp} | FLAGS
            for name, number in encoding._special_tokens.items()
            if self.names_timestamps or number < first_timestamp
        ]
        tokenizer: dict[str, Any] = {
            "version": "1.0",
            "added_tokens": added,
            "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True},
            "model": {"type": "BPE", "vocab": vocabulary, "merges": merges},
        }
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
        (folder / "generation_config.json").write_text(json.dumps({"is_multilingual": self.multilingual}))
        return folder


ALPHABET = bytes_to_unicode()
FLAGS = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
VOCABULARIES = {
    "tiny.en": Vocabulary(multilingual=False),
    "base": Vocabulary(multilingual=True, names_timestamps=False),
    "large-v3": Vocabulary(multilingual=True, n_languages=len(LANGUAGES)),
}


def words_of(reference: OpenAiTokenizer, tokens: list[int]) -> list[tuple[str, list[int]]]:
    """Return the words that openai-whisper makes of tokens, each with its tokens."""
    words = [
        WordTiming(text, part, 0, 0, 0) for text, part in zip(*reference.split_to_word_tokens(tokens), strict=True)
    ]
    if words:
        merge_punctuations(words, PREPENDED, APPENDED)
    return [(word.word, word.tokens) for word in words if word.word]


def spelt(token: bytes) -> str:
    """Return a token in the printable alphabet of byte-level BPE."""
    return "".join(ALPHABET[byte] for byte in token)


def parts(ranks: Mapping[bytes, int], token: bytes) -> list[bytes]:
    """Return the two tokens that were merged into this one."""
    pieces = [bytes([byte]) for byte in token]
    while len(pieces) > 2:
        pairs = [ranks.get(left + right, len(ranks)) for left, right in pairwise(pieces)]
        at = pairs.index(min(pairs))
        pieces[at : at + 2] = [pieces[at] + pieces[at + 1]]
    return pieces

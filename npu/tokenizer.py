"""Whisper's tokeniser: byte-level BPE plus special and timestamp tokens, found by their names.

Source of the splitting and merging rules: openai/whisper `whisper/tokenizer.py` (`split_to_word_tokens`) and
`whisper/timing.py` (`merge_punctuations`).
"""

from __future__ import annotations

import codecs
import json
import re
import string
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tokenizers
from tokenizers import models, pre_tokenizers

from amanuensis.npu.engine.api import EngineError
from amanuensis.npu.window import FRAME_S, Task

N_TIMESTAMPS = 1501  # 0.00 s to 30.00 s in steps of FRAME_S
SPACELESS_LANGUAGES = frozenset({"zh", "ja", "th", "lo", "my", "yue"})
PREPENDED = "\"'“¿([{-"
APPENDED = "\"'.。,，!！?？:：”)]}、"  # noqa: RUF001 - full-width punctuation is meant
OPENAI_ENGLISH_EOT = 50256  # GPT-2's vocabulary; the multilingual one has a token more

_SPECIAL = re.compile(r"<\|[^|<>]+\|>")
_LANGUAGE = re.compile(r"<\|([a-z]{2,3})\|>")
# Thai, Lao, Burmese, Hiragana and Katakana, CJK ideographs: scripts that are written without spaces
_SPACELESS_SCRIPT = re.compile("[\u0e00-\u0eff\u1000-\u109f\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff]")


class TokenizerError(EngineError):
    """The tokeniser's files are missing or broken, or a token is asked for that the model does not have."""


@dataclass(frozen=True, slots=True)
class TokenWord:
    """A word and the tokens that spell it: `ids[start:stop]`; `text` keeps its own leading space."""

    text: str
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class _Vocabulary:
    """What the files of a folder say: the BPE model and the tokens added to it by name."""

    bpe: tokenizers.Tokenizer
    added: dict[str, int]


class Tokenizer:
    """The tokeniser of one model folder in the Hugging Face Whisper format.

    Attributes:
        sot, eot, prev: <|startoftranscript|>, <|endoftext|>, <|startofprev|>.
        no_speech: <|nospeech|>, named <|nocaptions|> in folders older than large-v3.
        no_timestamps: <|notimestamps|>.
        timestamp_begin: <|0.00|>; older folders do not name the timestamps, which then follow <|notimestamps|>.
        vocab_size: one more than the highest token, timestamps included.
        multilingual: False for a model that knows English only.
        language_tokens: token of each language that the model knows, by code; of "en" only when English-only.

    Raises:
        TokenizerError: a file is missing or broken, or a special token is missing.

    """

    def __init__(self, folder: Path) -> None:
        self._name = folder.name
        vocabulary = _load(folder)
        self._bpe, added = vocabulary.bpe, vocabulary.added
        self.sot = self._special(added, "<|startoftranscript|>")
        self.eot = self._special(added, "<|endoftext|>")
        self.prev = self._special(added, "<|startofprev|>")
        self.no_speech = self._special(added, "<|nospeech|>", "<|nocaptions|>")
        self.no_timestamps = self._special(added, "<|notimestamps|>")
        self.timestamp_begin = added.get("<|0.00|>", self.no_timestamps + 1)
        n_named = sum(f"<|{k * FRAME_S:.2f}|>" in added for k in range(N_TIMESTAMPS))
        self.vocab_size = max(*added.values(), self.timestamp_begin + (n_named or N_TIMESTAMPS) - 1) + 1
        self._tasks = {name: added[f"<|{name}|>"] for name in ("transcribe", "translate") if f"<|{name}|>" in added}
        languages = {m[1]: token for name, token in added.items() if (m := _LANGUAGE.fullmatch(name))}
        self.multilingual = _is_multilingual(folder, len(languages), self.eot)
        self.language_tokens = {k: v for k, v in languages.items() if self.multilingual or k == "en"}
        self._bytes = _token_bytes(folder, self._bpe.get_vocab(), set(added.values()))

    def encode(self, text: str) -> tuple[int, ...]:
        """Return the tokens of a text; names of special tokens in it are spelt out, never taken as such."""
        return tuple(self._bpe.encode(text, add_special_tokens=False).ids)

    def decode(self, ids: Iterable[int]) -> str:
        """Return the text; special and timestamp tokens and bytes at the end that are no character yet are left out."""
        return codecs.getincrementaldecoder("utf-8")("replace").decode(b"".join(map(self.text_bytes, ids)))

    def text_bytes(self, token: int) -> bytes:
        """Return the bytes that a token spells; none for special and timestamp tokens."""
        return self._bytes.get(token, b"")

    def is_text(self, token: int) -> bool:
        """Return whether a token spells text: it is neither special nor a timestamp."""
        return token in self._bytes

    def is_timestamp(self, token: int) -> bool:
        return token >= self.timestamp_begin

    def seconds(self, timestamp: int) -> float:
        """Return the time of a timestamp token in seconds from the start of the window."""
        return (timestamp - self.timestamp_begin) * FRAME_S

    def timestamp(self, seconds: float) -> int:
        """Return the timestamp token nearest to a time in seconds, which lies in 0..30."""
        return self.timestamp_begin + round(seconds / FRAME_S)

    def language_token(self, code: str) -> int:
        """Return the token of a language; TokenizerError when the model does not know it."""
        if code not in self.language_tokens:
            known = ", ".join(sorted(self.language_tokens)) if self.multilingual else "en: the model is English-only"
            raise TokenizerError(f"language {code!r}: model {self._name} does not know it (known: {known})")
        return self.language_tokens[code]

    def task_token(self, task: Task) -> int:
        """Return the token of a task; TokenizerError for tasks that an English-only model does not do."""
        if task not in self._tasks or (task == "translate" and not self.multilingual):
            why = (
                "it is English-only; use a multilingual model such as base" if not self.multilingual else "unknown task"
            )
            raise TokenizerError(f"task {task!r}: model {self._name} cannot do it: {why}")
        return self._tasks[task]

    def sot_sequence(self, language: str | None, task: Task, timestamps: bool) -> tuple[int, ...]:
        """Return the tokens that start a transcript.

        Args:
            language: code; None means "en" for English-only models and is an error for others (detect it first).
            task: "translate" is refused by English-only models.
            timestamps: leave <|notimestamps|> out, so that the model may write timestamp tokens.

        """
        end = () if timestamps else (self.no_timestamps,)
        if not self.multilingual:
            if task != "transcribe":
                self.task_token(task)
            self.language_token(language or "en")
            return (self.sot, *end)
        if language is None:
            raise TokenizerError(f"model {self._name} is multilingual: name or detect the language first")
        return (self.sot, self.language_token(language), self.task_token(task), *end)

    def split_words(self, ids: Sequence[int], language: str | None = None) -> list[TokenWord]:
        """Split tokens into words, each with its range of tokens.

        Languages that are written without spaces are split at every character; punctuation joins the word that it
        belongs to. Special and timestamp tokens end a word and belong to none; so do tokens at the end whose
        bytes are no character yet.

        Args:
            ids: tokens of a hypothesis.
            language: code of the language; None: judged by the script of the text.

        """
        units = list(self._characters(ids))
        if language is None:
            spaceless = _mostly_spaceless("".join(unit.text for unit in units))
        else:
            spaceless = language in SPACELESS_LANGUAGES
        return _merge_punctuation(units if spaceless else list(_join_units(units)))

    def _characters(self, ids: Sequence[int]) -> Iterator[TokenWord]:
        """Yield the shortest runs of tokens that spell whole characters."""
        start, pending = 0, b""
        for k, token in enumerate(ids):
            if token not in self._bytes:
                if pending:
                    yield TokenWord(pending.decode("utf-8", "replace"), start, k)
                start, pending = k + 1, b""
                continue
            pending += self._bytes[token]
            if not _ends_inside_character(pending):
                yield TokenWord(pending.decode("utf-8", "replace"), start, k + 1)
                start, pending = k + 1, b""

    def _special(self, added: Mapping[str, int], *names: str) -> int:
        for name in names:
            if name in added:
                return added[name]
        raise TokenizerError(f"model {self._name}: its tokeniser has no {names[0]}; it is not a Whisper model")


def _load(folder: Path) -> _Vocabulary:
    if (path := folder / "tokenizer.json").exists():
        return _load_json(path)
    vocab, merges, names = (folder / name for name in ("vocab.json", "merges.txt", "added_tokens.json"))
    if not (vocab.exists() and merges.exists() and names.exists()):
        raise TokenizerError(
            f"model folder {folder} has no tokeniser: tokenizer.json, or vocab.json, merges.txt and added_tokens.json"
        )
    added = _read_json(names)
    base = _read_json(vocab)
    try:
        bpe = tokenizers.Tokenizer(models.BPE.from_file(str(vocab), str(merges)))
    except Exception as error:  # the library raises plain Exception
        raise TokenizerError(f"{merges}: broken ({error}); fetch the model again") from error
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    return _Vocabulary(bpe, _integers(folder, _specials_in(base) | added))


def _load_json(path: Path) -> _Vocabulary:
    data = _read_json(path)
    try:
        added = {item["content"]: item["id"] for item in data.get("added_tokens", ())}
        # Without its added tokens the tokeniser cannot take text such as "<|endoftext|>" for the special token.
        plain = data | {"added_tokens": [], "post_processor": None, "truncation": None, "padding": None}
        bpe = tokenizers.Tokenizer.from_str(json.dumps(plain))
    except Exception as error:  # the library raises plain Exception
        raise TokenizerError(f"{path}: not a byte-level BPE tokeniser ({error}); fetch the model again") from error
    return _Vocabulary(bpe, _integers(path, _specials_in(data["model"]["vocab"]) | added))


def _specials_in(vocab: Mapping[str, int]) -> dict[str, int]:
    """Return the special tokens that stand in the BPE vocabulary itself, as <|endoftext|> does in GPT-2's."""
    return {name: token for name, token in vocab.items() if _SPECIAL.fullmatch(name)}


def _read_json(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise TokenizerError(f"model folder {path.parent} has no {path.name}") from None
    except (OSError, ValueError) as error:
        raise TokenizerError(f"{path}: cannot be read ({error}); fetch the model again") from error
    if not isinstance(data, dict):
        raise TokenizerError(f"{path}: holds no JSON object; fetch the model again")
    return data


def _integers(path: Path, tokens: Mapping[str, Any]) -> dict[str, int]:
    for name, token in tokens.items():
        if not isinstance(token, int) or token < 0:
            raise TokenizerError(f"{path}: token {name!r} has the number {token!r}; it must be 0 or more")
    return dict(tokens)


def _is_multilingual(folder: Path, n_languages: int, eot: int) -> bool:
    """Return what the generation config says; OpenAI's English-only vocabulary names languages it does not know."""
    path = folder / "generation_config.json"
    stated = _read_json(path).get("is_multilingual") if path.exists() else None
    return stated if isinstance(stated, bool) else n_languages > 1 and eot != OPENAI_ENGLISH_EOT


def _token_bytes(folder: Path, vocab: Mapping[str, int], special: set[int]) -> dict[int, bytes]:
    """Return the bytes that each text token stands for."""
    to_byte = _byte_alphabet()
    try:
        return {token: bytes(to_byte[char] for char in text) for text, token in vocab.items() if token not in special}
    except KeyError as error:
        raise TokenizerError(
            f"model folder {folder}: its tokeniser is not byte-level BPE ({error.args[0]!r})"
        ) from None


def _byte_alphabet() -> dict[str, int]:
    """Return the byte for each character of GPT-2's printable alphabet of bytes (openai/gpt-2 `encoder.py`)."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + k): byte for k, byte in enumerate(others)}


def _ends_inside_character(data: bytes) -> bool:
    """Return whether the last character of UTF-8 bytes is not complete but could become so."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    decoder.decode(data)
    return bool(decoder.getstate()[0])


def _mostly_spaceless(text: str) -> bool:
    return 2 * len(_SPACELESS_SCRIPT.findall(text)) > sum(char.isalpha() for char in text) > 0


def _join_units(units: Sequence[TokenWord]) -> Iterator[TokenWord]:
    """Join units to words that begin with a space or are punctuation."""
    word: TokenWord | None = None
    for unit in units:
        begins = unit.text.startswith(" ") or unit.text.strip() in string.punctuation
        if word is not None and not begins and unit.start == word.stop:
            word = TokenWord(word.text + unit.text, word.start, unit.stop)
            continue
        if word is not None:
            yield word
        word = unit
    if word is not None:
        yield word


def _merge_punctuation(words: Sequence[TokenWord]) -> list[TokenWord]:
    """Join opening punctuation to the word after it, closing punctuation to the word before it."""
    opened: list[TokenWord] = []  # from the last word to the first
    for word in reversed(words):
        follows = opened[-1] if opened else None
        opening = word.text.startswith(" ") and word.text.strip() in PREPENDED
        if opening and follows is not None and word.stop == follows.start:
            opened[-1] = TokenWord(word.text + follows.text, word.start, follows.stop)
        else:
            opened.append(word)
    merged: list[TokenWord] = []
    for word in reversed(opened):
        before = merged[-1] if merged else None
        if before and not before.text.endswith(" ") and word.text in APPENDED and before.stop == word.start:
            merged[-1] = TokenWord(before.text + word.text, before.start, word.stop)
        else:
            merged.append(word)
    return merged

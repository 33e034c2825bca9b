"""The tokeniser: byte-level BPE on our own text, then Whisper's special tokens in Whisper's order."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors, trainers

from amanuensis.training.text import MARKS, narrow_sentences, read_general, talk_sentences

N_TEXT_TOKENS = 1024
END, START, ENGLISH = "<|endoftext|>", "<|startoftranscript|>", "<|en|>"
TRANSLATE, TRANSCRIBE, START_OF_LM = "<|translate|>", "<|transcribe|>", "<|startoflm|>"
PREVIOUS, NO_SPEECH, NO_TIMESTAMPS = "<|startofprev|>", "<|nospeech|>", "<|notimestamps|>"
SPECIAL = (END, START, ENGLISH, TRANSLATE, TRANSCRIBE, START_OF_LM, PREVIOUS, NO_SPEECH, NO_TIMESTAMPS)
_GENERATED = 10_000  # sentences of a domain, at least
TIMESTAMPS = tuple(f"<|{i * 0.02:.2f}|>" for i in range(1501))


def train(path: Path, text: Path | None, seed: int, n_tokens: int = N_TEXT_TOKENS) -> None:
    """Train the tokeniser on the training sentences and write `tokenizer.json`; nothing if it is there."""
    if path.is_file():
        return
    general = read_general(text)[0] or list(islice(talk_sentences(seed, held_out=False), _GENERATED))
    narrow = narrow_sentences(seed, held_out=False)
    lines = [f" {next(narrow).written}" for _ in range(max(_GENERATED, len(general) // 2))]
    lines += [f" {made.written}" for made in general]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=n_tokens, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(lines, trainer)
    tokenizer.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in SPECIAL])
    tokenizer.add_tokens([AddedToken(name, special=False, normalized=False) for name in TIMESTAMPS])
    path.parent.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(path))


class Vocabulary:
    """Token ids by name, and text to tokens and back."""

    def __init__(self, path: Path) -> None:
        self.tokenizer = Tokenizer.from_file(str(path))
        vocabulary = self.tokenizer.get_vocab(with_added_tokens=True)
        ids = {name: vocabulary[name] for name in SPECIAL}
        self.size: int = self.tokenizer.get_vocab_size()
        self.end: int = ids[END]
        self.start: int = ids[START]
        self.previous: int = ids[PREVIOUS]
        self.no_speech: int = ids[NO_SPEECH]
        self.no_timestamps: int = ids[NO_TIMESTAMPS]
        self.first_timestamp: int = vocabulary[TIMESTAMPS[0]]
        self._marks = frozenset(vocabulary[mark] for mark in MARKS)
        self.suppressed: list[int] = [ids[name] for name in SPECIAL if name not in (END, NO_TIMESTAMPS)]

    def is_mark(self, token: int) -> bool:
        """Return whether a token is a mark of punctuation."""
        return token in self._marks

    def encode_words(self, words: list[str]) -> list[list[int]]:
        """Return the tokens of each word, its leading space included."""
        return [self.tokenizer.encode(f" {word}", add_special_tokens=False).ids for word in words]

    def decode(self, tokens: list[int]) -> str:
        """Return the text of the text tokens among `tokens`."""
        return str(self.tokenizer.decode([t for t in tokens if t < self.end])).strip()


def merges_and_vocabulary(path: Path) -> tuple[dict[str, int], list[str]]:
    """Return (text tokens by name, merges as "left right") of a `tokenizer.json`."""
    model = json.loads(path.read_text())["model"]
    merges = [" ".join(merge) if isinstance(merge, list) else merge for merge in model["merges"]]
    return model["vocab"], merges

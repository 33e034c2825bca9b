"""Our tokeniser against openai-whisper's on its own vocabularies."""

from __future__ import annotations

import json
import random

import pytest

from amanuensis.npu.tokenizer import Tokenizer
from tests.helpers.tokenizer_fixture import FOLDER, LANGUAGES, TEXTS
from tests.long.parity.openai_vocabulary import VOCABULARIES, Vocabulary, words_of
from tests.long.parity.record_tokenizer import answers

N_RANDOM = 3000


@pytest.fixture(scope="module", params=list(VOCABULARIES))
def vocabulary(request: pytest.FixtureRequest) -> Vocabulary:
    """Return each vocabulary in turn."""
    return VOCABULARIES[request.param]


@pytest.fixture(scope="module")
def ours(vocabulary: Vocabulary, tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    """Return our tokeniser on it."""
    return Tokenizer(vocabulary.write(tmp_path_factory.mktemp("vocabulary")))


def test_special_tokens(vocabulary: Vocabulary, ours: Tokenizer) -> None:
    """Every special token and the start of every transcript are the same."""
    theirs = vocabulary.reference("en" if vocabulary.multilingual else None)
    assert ours.multilingual == vocabulary.multilingual
    assert (ours.sot, ours.eot, ours.prev) == (theirs.sot, theirs.eot, theirs.sot_prev)
    assert (ours.no_speech, ours.no_timestamps) == (theirs.no_speech, theirs.no_timestamps)
    assert (ours.timestamp_begin, ours.vocab_size) == (theirs.timestamp_begin, theirs.encoding.n_vocab)
    assert ours.sot_sequence("en", "transcribe", timestamps=True) == theirs.sot_sequence
    assert ours.sot_sequence("en", "transcribe", timestamps=False) == theirs.sot_sequence_including_notimestamps
    if vocabulary.multilingual:
        assert set(ours.language_tokens.values()) == set(theirs.all_language_tokens)
        assert ours.task_token("translate") == theirs.translate


@pytest.mark.parametrize("language", LANGUAGES)
def test_texts(vocabulary: Vocabulary, ours: Tokenizer, language: str) -> None:
    """Texts in many scripts give the same tokens and the same words."""
    theirs = vocabulary.reference(language if vocabulary.multilingual else None)
    spoken = language if vocabulary.multilingual else "en"
    for text in TEXTS:
        tokens = theirs.encoding.encode(text, disallowed_special=())
        assert ours.encode(text) == tuple(tokens)
        assert ours.decode(tokens) == text
        words = [(word.text, tokens[word.start : word.stop]) for word in ours.split_words(tokens, spoken)]
        assert words == words_of(theirs, tokens)


@pytest.mark.parametrize("language", LANGUAGES)
def test_random_tokens(vocabulary: Vocabulary, ours: Tokenizer, language: str) -> None:
    """So do random tokens that make whole characters."""
    theirs = vocabulary.reference(language if vocabulary.multilingual else None)
    spoken = language if vocabulary.multilingual else "en"
    chance = random.Random(7)
    compared = 0
    for _ in range(N_RANDOM):
        tokens = [chance.randrange(ours.eot) for _ in range(chance.randrange(1, 12))]
        text = theirs.decode(tokens)
        if "\ufffd" in text:
            continue
        assert ours.decode(tokens) == text
        words = [(word.text, tokens[word.start : word.stop]) for word in ours.split_words(tokens, spoken)]
        assert words == words_of(theirs, tokens)
        compared += 1
    assert compared > N_RANDOM / 2


def test_fixture_is_what_openai_whisper_answers() -> None:
    """What `make test` compares with is still what the reference gives."""
    assert json.loads((FOLDER / "answers.json").read_text()) == answers()

"""The tokeniser on small vocabularies trained here, in every layout that Whisper folders have."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import AddedToken, models, pre_tokenizers, trainers
from tokenizers import Tokenizer as Bpe

from amanuensis.npu.tokenizer import Tokenizer, TokenizerError
from tests.helpers.tokenizer_fixture import FOLDER, LANGUAGES
from tests.helpers.tokenizer_fixture import TEXTS as RECORDED_TEXTS

TEXTS = [
    "Turn on the light. It's half past seven, isn't it?",
    'He said "no (maybe)", and then: 12:30!',
    "Grüße aus Köln, 東京 and สวัสดี.",
    "日本語のテキスト、です。",
    "🎉 naïve 😀",
]
TIMESTAMPS = tuple(f"<|{k * 0.02:.2f}|>" for k in range(1501))
ENGLISH = ("<|startoftranscript|>", "<|en|>", "<|zh|>", "<|translate|>", "<|transcribe|>", "<|startoflm|>")
END = ("<|startofprev|>", "<|nocaptions|>", "<|notimestamps|>")
MULTILINGUAL = ("<|startoftranscript|>", "<|en|>", "<|ja|>", "<|haw|>", "<|translate|>", "<|transcribe|>")

FolderMaker = Callable[..., Path]


@pytest.fixture(scope="module")
def make_folder(tmp_path_factory: pytest.TempPathFactory) -> FolderMaker:
    """Return a maker of tokeniser folders with given special tokens."""

    def make(specials: tuple[str, ...], multilingual: bool | None = None) -> Path:
        folder = tmp_path_factory.mktemp("tokenizer")
        bpe = Bpe(models.BPE())
        bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        trainer = trainers.BpeTrainer(vocab_size=330, initial_alphabet=alphabet, show_progress=False)
        bpe.train_from_iterator(TEXTS, trainer)
        bpe.add_tokens([AddedToken(name, special=True) for name in ("<|endoftext|>", *specials)])
        bpe.save(str(folder / "tokenizer.json"))
        if multilingual is not None:
            (folder / "generation_config.json").write_text(json.dumps({"is_multilingual": multilingual}))
        return folder

    return make


@pytest.fixture(scope="module")
def english(make_folder: FolderMaker) -> Tokenizer:
    """Return an English-only tokeniser that names its timestamps."""
    return Tokenizer(make_folder((*ENGLISH, *END, *TIMESTAMPS), multilingual=False))


@pytest.fixture(scope="module")
def multilingual(make_folder: FolderMaker) -> Tokenizer:
    """Return a multilingual tokeniser of the older kind."""
    return Tokenizer(make_folder((*MULTILINGUAL, *END), multilingual=True))


def texts_of(tokenizer: Tokenizer, text: str, language: str | None = None) -> list[str]:
    """Return the words of a text after encoding."""
    return [word.text for word in tokenizer.split_words(tokenizer.encode(text), language)]


def test_timestamps_follow_when_unnamed(english: Tokenizer, multilingual: Tokenizer) -> None:
    """Folders that do not name the timestamps have them right after <|notimestamps|>."""
    for tokenizer in (english, multilingual):
        assert tokenizer.timestamp_begin == tokenizer.no_timestamps + 1
        assert tokenizer.vocab_size == tokenizer.timestamp_begin + 1501


def test_timestamps_step_by_20_ms(english: Tokenizer) -> None:
    """A timestamp token and its time convert into each other."""
    token = english.timestamp(1.42)
    assert token == english.timestamp_begin + 71
    assert english.seconds(token) == pytest.approx(1.42)
    assert english.is_timestamp(token)
    assert not english.is_timestamp(english.no_timestamps)


def test_sot_sequence(english: Tokenizer, multilingual: Tokenizer) -> None:
    """English-only models start without language and task, the others with both."""
    assert english.sot_sequence(None, "transcribe", timestamps=True) == (english.sot,)
    assert english.sot_sequence("en", "transcribe", timestamps=False) == (english.sot, english.no_timestamps)
    expected = (multilingual.sot, multilingual.language_token("haw"), multilingual.task_token("translate"))
    assert multilingual.sot_sequence("haw", "translate", timestamps=True) == expected
    assert multilingual.sot_sequence("haw", "translate", timestamps=False) == (*expected, multilingual.no_timestamps)


def test_languages(english: Tokenizer, multilingual: Tokenizer) -> None:
    """An English-only model knows only English, though OpenAI's vocabulary names more."""
    assert not english.multilingual
    assert set(english.language_tokens) == {"en"}
    assert multilingual.multilingual
    assert set(multilingual.language_tokens) == {"en", "ja", "haw"}


def test_refusals_name_model_and_way_out(english: Tokenizer, multilingual: Tokenizer) -> None:
    """What a model cannot do is refused by name."""
    with pytest.raises(TokenizerError, match=r"'translate'.*English-only.*multilingual model"):
        english.sot_sequence(None, "translate", timestamps=False)
    with pytest.raises(TokenizerError, match=r"'ja'.*English-only"):
        english.sot_sequence("ja", "transcribe", timestamps=False)
    with pytest.raises(TokenizerError, match=r"'xx'.*known: en, haw, ja"):
        multilingual.language_token("xx")
    with pytest.raises(TokenizerError, match="detect the language first"):
        multilingual.sot_sequence(None, "transcribe", timestamps=False)


def test_multilingual_without_generation_config(make_folder: FolderMaker) -> None:
    """Without a statement the number of languages decides."""
    assert Tokenizer(make_folder((*MULTILINGUAL, *END))).multilingual
    one = tuple(name for name in MULTILINGUAL if name not in {"<|ja|>", "<|haw|>"})
    assert not Tokenizer(make_folder((*one, *END))).multilingual


def test_newer_name_of_no_speech(make_folder: FolderMaker) -> None:
    """large-v3 calls the token <|nospeech|>."""
    folder = make_folder((*MULTILINGUAL, "<|startofprev|>", "<|nospeech|>", "<|notimestamps|>"))
    tokenizer = Tokenizer(folder)
    assert tokenizer.no_speech == tokenizer.no_timestamps - 1


@given(st.text())
def test_round_trip(english: Tokenizer, text: str) -> None:
    """Any text survives, and no text makes a special token."""
    ids = english.encode(text)
    assert all(english.is_text(token) for token in ids)
    assert english.decode(ids) == text


def test_special_names_in_text_are_text(english: Tokenizer) -> None:
    """A prompt cannot inject special tokens."""
    ids = english.encode("<|endoftext|> and <|0.00|>")
    assert english.eot not in ids
    assert not any(english.is_timestamp(token) for token in ids)


def test_decode_leaves_out_specials_and_timestamps(english: Tokenizer) -> None:
    """Only text tokens make text."""
    ids = [english.sot, english.timestamp_begin, *english.encode(" light"), english.eot]
    assert english.decode(ids) == " light"


def test_decode_keeps_incomplete_bytes_back(english: Tokenizer) -> None:
    """A character shows when its last byte is there."""
    ids = english.encode("a😺")
    assert len(ids) > 2
    assert english.decode(ids[:-1]) == "a"
    assert english.decode(ids) == "a😺"


@pytest.mark.parametrize("language", ["en", "ja", None])
@given(text=st.text())
def test_words_cover_the_text(english: Tokenizer, language: str | None, text: str) -> None:
    """Words in order make the text again, and their ranges the tokens, without holes."""
    ids = english.encode(text)
    words = english.split_words(ids, language)
    assert "".join(word.text for word in words) == text
    assert [token for word in words for token in ids[word.start : word.stop]] == list(ids)
    assert all(english.decode(ids[word.start : word.stop]) == word.text for word in words)


def test_split_on_spaces(english: Tokenizer) -> None:
    """Words keep their leading space, punctuation joins the word it belongs to."""
    expected = ["He", " said", ' "no', ' (maybe)",', " and", " then:", " 12", ":30!"]
    assert texts_of(english, 'He said "no (maybe)", and then: 12:30!', "en") == expected
    assert texts_of(english, " It's isn't", "en") == [" It's", " isn't"]


def test_split_languages_without_spaces(multilingual: Tokenizer) -> None:
    """Japanese is split at tokens of whole characters, whether its name is given or its script seen."""
    for language in ("ja", None):
        assert texts_of(multilingual, "🎉東京、です。", language) == ["🎉", "東京、", "です。"]
    assert len(texts_of(multilingual, "東京、です。", "en")) == 1


def test_specials_end_words_and_belong_to_none(english: Tokenizer) -> None:
    """A timestamp inside a hypothesis separates words."""
    first, second = english.encode("half"), english.encode("past.")
    ids = (english.timestamp_begin, *first, english.timestamp_begin + 5, *second, english.eot)
    words = english.split_words(ids)
    assert [word.text for word in words] == ["half", "past."]
    assert ids[words[1].start : words[1].stop] == second


def test_tail_without_a_character_is_no_word(english: Tokenizer) -> None:
    """Tokens at the end that are no character yet belong to no word."""
    ids = english.encode("no 😺")[:-1]
    words = english.split_words(ids)
    assert [word.text.strip() for word in words if word.text.strip()] == ["no"]
    assert words[-1].stop < len(ids)


def test_vocab_and_merges_instead_of_tokenizer_json(
    make_folder: FolderMaker, english: Tokenizer, tmp_path: Path
) -> None:
    """A folder with vocab.json, merges.txt and added_tokens.json gives the same tokens."""
    folder = make_folder((*ENGLISH, *END, *TIMESTAMPS), multilingual=False)
    data = json.loads((folder / "tokenizer.json").read_text())
    added = {item["content"]: item["id"] for item in data["added_tokens"]}
    vocab = data["model"]["vocab"] | {"<|endoftext|>": added.pop("<|endoftext|>")}
    (tmp_path / "vocab.json").write_text(json.dumps(vocab))
    (tmp_path / "merges.txt").write_text("\n".join(map(" ".join, data["model"]["merges"])))
    (tmp_path / "added_tokens.json").write_text(json.dumps(added))
    shutil.copy(folder / "generation_config.json", tmp_path)
    other = Tokenizer(tmp_path)
    assert (other.sot, other.eot, other.vocab_size) == (english.sot, english.eot, english.vocab_size)
    for text in TEXTS:
        assert other.encode(text) == english.encode(text)
        assert other.decode(other.encode(text)) == text


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "has no tokeniser: tokenizer.json, or vocab.json"),
        ("{", r"tokenizer.json: cannot be read .*fetch the model again"),
        ("[]", r"tokenizer.json: holds no JSON object"),
        ("{}", r"tokenizer.json: not a byte-level BPE tokeniser"),
    ],
)
def test_broken_folders(tmp_path: Path, content: str | None, message: str) -> None:
    """Missing and broken files are named."""
    if content is not None:
        (tmp_path / "tokenizer.json").write_text(content)
    with pytest.raises(TokenizerError, match=message):
        Tokenizer(tmp_path)


def test_not_a_whisper_tokeniser(make_folder: FolderMaker) -> None:
    """A tokeniser without Whisper's special tokens is refused by the name of the missing one."""
    with pytest.raises(TokenizerError, match=r"has no <\|startoftranscript\|>"):
        Tokenizer(make_folder(("<|other|>",)))


def test_bad_token_number(make_folder: FolderMaker) -> None:
    """A number that is no token is named with its token."""
    folder = make_folder((*MULTILINGUAL, *END))
    data = json.loads((folder / "tokenizer.json").read_text())
    data["added_tokens"][0]["id"] = "x"
    (folder / "tokenizer.json").write_text(json.dumps(data))
    with pytest.raises(TokenizerError, match="'x'"):
        Tokenizer(folder)


@pytest.mark.parametrize("language", LANGUAGES)
def test_equals_openai_whisper(language: str) -> None:
    """Texts in many scripts give the tokens and words that openai-whisper gave on a cut vocabulary of its own."""
    tokenizer = Tokenizer(FOLDER)
    recorded = json.loads((FOLDER / "answers.json").read_text())[language]
    for text, answer in zip(RECORDED_TEXTS, recorded, strict=True):
        ids = tokenizer.encode(text)
        assert list(ids) == answer["tokens"]
        words = [[word.text, list(ids[word.start : word.stop])] for word in tokenizer.split_words(ids, language)]
        assert words == answer["words"]

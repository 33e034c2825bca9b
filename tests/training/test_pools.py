"""Tests of the stream of training windows: it goes on exactly where it was left."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice, pairwise
from pathlib import Path

import numpy as np
import pytest

from amanuensis.training.pools import Place, Stock, draw, endless_batches
from amanuensis.training.schedule import stage_at
from amanuensis.training.shards import FRAMES_PER_S, Features, ShardWriter
from amanuensis.training.tokenizer import Vocabulary
from amanuensis.training.windows import SHORT_FRAMES, SILENCE, Sound, Window, Word, batch_frames, delayed

Batches = Iterator[tuple[list[Window], Place]]
BEGINNING = Place()


def write_shard(work: Path, name: str, seed: int) -> None:
    """A shard of 30 sentences of three words, in random sound."""
    rng, writer = np.random.default_rng(seed), ShardWriter()
    for i in range(30):
        n = 2 * int(rng.integers(60, 150))
        starts = [0, n // 3, 2 * n // 3]
        mel = rng.uniform(-6, 0, (n, 80)).astype(np.float16)
        phones = rng.integers(1, 40, n // 2).astype(np.uint8)
        made = Features(mel, phones, starts, [at + n // 4 for at in starts])
        writer.add(made, "Turn it off.", f"voice {seed}", ("narrow", "general")[i % 2])
    writer.write(work / "shards" / name)


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A work folder with two shards and some noise."""
    (tmp_path / "shards").mkdir()
    np.save(tmp_path / "noise.npy", np.random.default_rng(0).uniform(-6, 0, (3, 200, 80)).astype(np.float16))
    write_shard(tmp_path, "00000", 0)
    write_shard(tmp_path, "00002", 2)
    return tmp_path


def stream(
    work: Path, vocabulary: Vocabulary, place: Place = BEGINNING, seed: int = 1, progress: float = 0.6
) -> Batches:
    """The stream from a place on."""
    return endless_batches(work, vocabulary, lambda: progress, seed, place)


def same(a: list[Window], b: list[Window]) -> bool:
    """Whether two batches are equal to the bit."""
    return len(a) == len(b) and all(
        np.array_equal(x.mel, y.mel)
        and np.array_equal(x.phones, y.phones)
        and (x.tokens, x.guides) == (y.tokens, y.guides)
        for x, y in zip(a, b, strict=True)
    )


def test_a_stream_goes_on_exactly_where_it_was_left(work: Path, vocabulary: Vocabulary) -> None:
    """From the place after any batch the same batches follow, amid a pool and across its end."""
    whole = list(islice(stream(work, vocabulary), 30))
    in_first = sum(place.pool == 0 for _, place in whole)
    assert 5 < in_first < 28
    for left in (3, in_first - 1):
        rest = islice(stream(work, vocabulary, whole[left][1]), 4)
        for (windows, place), (expected, expected_place) in zip(rest, whole[left + 1 :], strict=False):
            assert same(windows, expected)
            assert place == expected_place


def test_a_pool_is_drawn_again_as_it_was(work: Path, vocabulary: Vocabulary) -> None:
    """New shards and more progress leave the pool alone that was left amid; the next one takes them up."""
    whole = list(islice(stream(work, vocabulary), 6))
    write_shard(work, "00001", 1)
    rest = stream(work, vocabulary, whole[2][1], progress=0.9)
    assert all(same(windows, expected) for (windows, _), (expected, _) in zip(rest, whole[3:], strict=False))
    later = next(place for _, place in rest if place.pool == 1)
    assert later.shards == ("00000", "00001", "00002")
    assert later.progress == 0.9


def test_pools_and_seeds_differ(work: Path, vocabulary: Vocabulary) -> None:
    """No pool is heard twice, and another seed hears other windows."""
    first, second, other = (
        next(stream(work, vocabulary, Place(pool), seed))[0] for pool, seed in ((0, 1), (1, 1), (0, 2))
    )
    assert not same(first, second)
    assert not same(first, other)


def test_batches_are_of_one_length_and_as_full_as_the_curriculum_has(work: Path, vocabulary: Vocabulary) -> None:
    """All windows of a batch are as long as each other; all but two batches of a pool hold as many as fit.

    The two are the last one of long windows and the one of short ones.
    """
    limit = stage_at(0.6).batch_s * FRAMES_PER_S
    in_pool = [windows for windows, place in islice(stream(work, vocabulary), 60) if place.pool == 0]
    assert sum(len(windows) for windows in in_pool) == 192
    lengths = [{len(w.mel) for w in windows} for windows in in_pool]
    assert all(len(kinds) == 1 for kinds in lengths)
    full = [len(windows) == int(limit // len(windows[0].mel)) for windows in in_pool]
    assert full.count(False) <= 2


def write_words(work: Path, name: str = "00009") -> None:
    """A shard of single words of a fifth of a second to half a second, with as much silence on both sides."""
    writer, rng = ShardWriter(), np.random.default_rng(3)
    for n in range(20, 50, 2):
        mel = np.full((n + 80, 80), SILENCE, np.float16)
        mel[40 : 40 + n] = rng.uniform(-6, 0, (n, 80))
        phones = np.zeros((n + 80) // 2, np.uint8)
        phones[20 : 20 + n // 2] = 3
        writer.add(Features(mel, phones, [40], [40 + n]), "Four.", "voice", "narrow")
    writer.write(work / "shards" / name)


def test_words_are_heard_one_at_a_time(work: Path) -> None:
    """Some windows are single words, one or several with silence between them, half of them with none around them."""
    write_words(work)
    stock, rng = Stock(work), np.random.default_rng(0)
    stock.take(stock.on_disk())
    stage = stage_at(0.6)
    spaced = replace(stage, recipe=replace(stage.recipe, spaced=1.0, empty=0.0))
    sounds = [draw(stock, spaced, rng) for _ in range(400)]
    assert {len(sound.words) for sound in sounds} == {*range(1, 8)}
    bare = [sound for sound in sounds if sound.words[0].start < 10 and len(sound.mel) - sound.words[-1].end < 12]
    assert 0.4 < len(bare) / len(sounds) < 0.7
    for sound in sounds:
        assert len(sound.mel) == 2 * len(sound.phones)
        for word, following in pairwise(sound.words):
            assert following.start - word.end >= 4
        for word in sound.words:
            assert (sound.mel[word.start : word.end] > SILENCE).all()
            assert (sound.phones[word.start // 2 : word.end // 2] == 3).all()


@pytest.mark.parametrize(("name", "sentences"), [("00009", {1, 3}), ("natural00000", {3})])
def test_single_words_of_natural_voices_are_no_sentences(work: Path, name: str, sentences: set[int]) -> None:
    """There are as many of them as sentences, so they are heard among words alone; those of the others are both."""
    write_words(work, name)
    stock, rng = Stock(work), np.random.default_rng(0)
    stock.take(stock.on_disk())
    assert {len(stock.sentence("narrow", rng)[1].text.split()) for _ in range(200)} == sentences
    assert {item.text for _, item in stock.words(20, rng)} == {"Four."}


def test_a_word_is_heard_without_silence_around_it(work: Path, vocabulary: Vocabulary) -> None:
    """Some batches are short enough for a word alone; not all of their windows have one, or noise would be a word."""
    write_words(work)
    batches = [windows for windows, _ in islice(stream(work, vocabulary), 120)]
    lengths = {len(windows[0].mel) for windows in batches}
    assert lengths & {*SHORT_FRAMES}
    short = [w for windows in batches if len(windows[0].mel) in SHORT_FRAMES for w in windows]
    assert 0.4 < np.mean([bool(w.text_tokens) for w in short]) < 0.95


@pytest.mark.parametrize(("others", "share"), [(1, 0.4), (12, 0.4), (40, 0.2)])
def test_natural_voices_are_heard_oftener(work: Path, others: int, share: float) -> None:
    """They make up 40 % of the sentences, unless there are so few that each would be heard over ten times as often."""
    for index in range(others - 2):
        write_shard(work, f"1{index:04d}", 1)
    write_shard(work, "natural00000", 99)
    stock, rng = Stock(work), np.random.default_rng(0)
    stock.take(stock.on_disk())
    heard = [stock.sentence("narrow", rng)[1].voice == "voice 99" for _ in range(3000)]
    assert np.mean(heard) == pytest.approx(share, abs=0.03)


def test_windows_have_lengths_of_batches_and_many_end_with_their_last_word(work: Path, vocabulary: Vocabulary) -> None:
    """Kernels are built for few lengths; a model that always heard silence after a sentence would not know its end."""
    windows = [window for batch, _ in islice(stream(work, vocabulary), 40) for window in batch]
    assert all(len(w.mel) == batch_frames(len(w.mel)) for w in windows)
    spoken = [w for w in windows if w.text_tokens]
    ending = [w for w in spoken if w.phones[-1]]
    assert 0.2 < len(ending) / len(spoken) < 0.8


def test_silence_before_a_sound_moves_all_that_is_in_it() -> None:
    """Words and phones keep their sound."""
    mel = np.arange(200, dtype=np.float32)[:, None].repeat(80, axis=1)
    sound = Sound(mel, np.arange(100, dtype=np.uint8), [Word("off", 40, 60, first=True)], [])
    later = delayed(sound, 24)
    (word,) = later.words
    assert (word.start, word.end) == (64, 84)
    assert later.mel[word.start, 0] == 40
    assert later.phones[word.start // 2] == 20
    assert (later.mel[:24] == SILENCE).all()


def test_a_shard_without_its_index_is_not_there_yet(work: Path) -> None:
    """What is still being written is not drawn from."""
    np.save(work / "shards" / "00005.mel.npy", np.zeros((2, 80), np.float16))
    assert Stock(work).on_disk() == ("00000", "00002")

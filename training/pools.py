"""The stream of training windows, pool after pool; each follows from the seed, its number and what it is drawn from."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from amanuensis.training.schedule import Stage, stage_at
from amanuensis.training.shards import FRAMES_PER_S, NATURAL, Features, Item, Shard
from amanuensis.training.speech import Float32
from amanuensis.training.tokenizer import Vocabulary
from amanuensis.training.windows import (
    MAX_WINDOW_FRAMES,
    SHORT_FRAMES,
    Recipe,
    Sound,
    Window,
    batch_frames,
    cut,
    delayed,
    excerpt,
    finish,
    interrupt,
    join,
    silence,
)

_POOL = 192  # windows sorted by length together
_PAUSE_FRAMES = (4, 120)
_SPACED_WORDS = (1, 1, 2, 3, 4, 5, 6, 7)
_SPACE_FRAMES = (2, 25)  # pairs of frames
_BARE = 0.5  # of such windows begin with their first word and end with their last one
_SHORT_EMPTY = 0.4  # of windows without speech are as short as those of a word: else short ones would always have one
_SHORTEST_EXCERPT = 20  # frames
_LAST_FRAMES = (*SHORT_FRAMES, 64)  # by turns, windows of at most so many make the last batch of a pool
_NATURAL_SHARE = 0.4  # of sentences at most are of natural voices,
_NATURAL_OFTENER = 10  # but none is heard so much oftener than the others
_DELAYED = 0.7  # of windows are brought to the length of a batch by silence before the words


@dataclass(frozen=True)
class Place:
    """Where in the stream one is, and what the pool there was drawn from: all that it takes to go on exactly."""

    pool: int = 0
    batches: int = 0  # of the pool, already yielded
    progress: float = 0.0  # when the pool was drawn
    shards: tuple[str, ...] = ()  # on disk then


def endless_batches(
    work: Path, vocabulary: Vocabulary, progress: Callable[[], float], seed: int, place: Place, *, grown: bool = False
) -> Iterator[tuple[list[Window], Place]]:
    """Yield batches of similar length from `place` on, each with the place after it.

    A pool is drawn as the curriculum says at the progress of the moment, from the shards on disk; one that `place` is
    amid is drawn again as it was.
    """
    stock = Stock(work)
    for number in itertools.count(place.pool):
        rng = np.random.default_rng((seed, number))
        at = place if number == place.pool and place.batches else Place(number, 0, progress(), stock.on_disk())
        stock.take(at.shards)
        stage = stage_at(at.progress, grown=grown)
        pool = sorted((draw(stock, stage, rng) for _ in range(_POOL)), key=lambda sound: -len(sound.mel))
        batches = [
            [_window(_fitted(sound, n_frames, rng), stock, vocabulary, stage.recipe, rng) for sound in sounds]
            for n_frames, sounds in _batches(pool, stage.batch_s, int(rng.choice(_LAST_FRAMES)))
        ]
        order = rng.permutation(len(batches))
        for done in range(at.batches, len(batches)):
            yield batches[order[done]], replace(at, batches=done + 1)


class Stock:
    """The sentences of shards on disk, by domain."""

    def __init__(self, work: Path) -> None:
        self._folder = work / "shards"
        self._noise = np.load(work / "noise.npy", mmap_mode="r")
        self._open: dict[str, Shard] = {}
        self._items: dict[str, list[tuple[Shard, Item]]] = {}
        self._natural: dict[str, list[tuple[Shard, Item]]] = {}
        self._words: list[tuple[Shard, Item]] = []  # sentences of a single word

    def on_disk(self) -> tuple[str, ...]:
        """Return the names of the shards that are complete."""
        return tuple(sorted(index.stem for index in self._folder.glob("*.jsonl")))

    def take(self, names: tuple[str, ...]) -> None:
        """Hold the sentences of these shards and no others, in this order."""
        if names == tuple(self._open):
            return
        self._open = {name: self._open.get(name) or Shard.open(self._folder / f"{name}.jsonl") for name in names}
        self._items, self._natural = {"narrow": [], "general": []}, {"narrow": [], "general": []}
        self._words = []
        for name, shard in self._open.items():
            natural = name.startswith(NATURAL)
            for item in shard.items:
                word = " " not in item.text
                if word:
                    self._words.append((shard, item))
                if not (word and natural):  # of which there are as many as sentences
                    (self._natural if natural else self._items)[item.domain].append((shard, item))

    def sentence(self, domain: str, rng: np.random.Generator) -> tuple[Shard, Item]:
        """Return a random sentence of a domain, or of the other one if it has none."""
        items, natural = self._items[domain] or self._items["narrow"], self._natural[domain]
        weight = len(natural) * _NATURAL_OFTENER
        if rng.random() < min(_NATURAL_SHARE, weight / (weight + len(items))):
            items = natural
        return items[int(rng.integers(len(items)))]

    def words(self, n: int, rng: np.random.Generator) -> list[tuple[Shard, Item]]:
        """Return `n` random sentences of a single word; none if there is none."""
        chosen = rng.integers(len(self._words), size=n) if self._words else ()
        return [self._words[i] for i in chosen]

    def noise(self, n_frames: int, babble: bool, rng: np.random.Generator) -> Float32:
        """Return `n_frames` of one made noise, repeated as needed; with `babble`, sometimes another voice."""
        if babble and rng.random() < 0.15:
            shard, item = self.sentence("general", rng)
            clip = np.asarray(shard.features_of(item).mel, np.float32)
        else:
            clip = np.asarray(self._noise[int(rng.integers(len(self._noise)))], np.float32)
        clip = np.roll(clip, int(rng.integers(len(clip))), axis=0)
        return np.tile(clip, (n_frames // len(clip) + 1, 1))[:n_frames]


def draw(stock: Stock, stage: Stage, rng: np.random.Generator) -> Sound:
    """Return the sound of one random training window."""
    recipe = stage.recipe
    if rng.random() < recipe.empty:
        return _empty(stock, rng)
    if rng.random() < recipe.spaced and (words := stock.words(int(rng.choice(_SPACED_WORDS)), rng)):
        return _spaced(words, rng)
    domain = "narrow" if rng.random() < stage.narrow else "general"
    sound = _joined(stock, recipe, domain, rng)
    return _shortened(sound, recipe, rng) or _lengthened(sound, recipe, rng)


def _window(sound: Sound, stock: Stock, vocabulary: Vocabulary, recipe: Recipe, rng: np.random.Generator) -> Window:
    """Return the window of a sound that has its length."""
    n_frames = len(sound.mel)
    if rng.random() < recipe.interrupted:
        sound = interrupt(sound, stock.noise(n_frames, babble=False, rng=rng), float(rng.uniform(-2, 0.3)))
    noise = stock.noise(n_frames, babble=True, rng=rng) if rng.random() < 0.2 + 0.5 * recipe.augmentation else None
    return finish(sound, vocabulary, recipe, noise, rng)


def _joined(stock: Stock, recipe: Recipe, domain: str, rng: np.random.Generator) -> Sound:
    limit = recipe.longest_s * FRAMES_PER_S
    want = float(rng.uniform(0.3, 1) * limit) if rng.random() < recipe.joined else 0.0
    parts: list[tuple[Features, str]] = []
    n_frames = 0
    while not parts or n_frames < want:
        shard, item = stock.sentence(domain, rng)
        if parts and n_frames + item.n_frames + _PAUSE_FRAMES[1] * 2 > MAX_WINDOW_FRAMES:
            break
        parts.append((shard.features_of(item), item.text))
        n_frames += item.n_frames + _PAUSE_FRAMES[1]
    gaps = [0, *(2 * int(rng.integers(*_PAUSE_FRAMES) // 2) for _ in parts[1:]), 0]
    before = stock.sentence(domain, rng)[1].text.split()
    sound = join(parts, gaps, before)
    return sound if len(sound.mel) <= MAX_WINDOW_FRAMES else cut(sound, 0, MAX_WINDOW_FRAMES)


def _spaced(words: list[tuple[Shard, Item]], rng: np.random.Generator) -> Sound:
    """Return words that are said one at a time, as of a number that is dictated, with some silence around each."""
    parts = [(_trimmed(shard.features_of(item), *rng.integers(0, 10, 2)), item.text) for shard, item in words]
    gaps = [2 * int(gap) for gap in rng.integers(*_SPACE_FRAMES, len(parts) + 1)]
    if rng.random() < _BARE:
        gaps[0] = gaps[-1] = 0
    return join(parts, gaps, [])


def _trimmed(made: Features, lead: int, tail: int) -> Features:
    """Return a sentence with at most `lead` frames before its first word and `tail` after the last one."""
    start = max(0, made.word_starts[0] - lead) // 2 * 2
    end = min(len(made.mel), (made.word_ends[-1] + tail + 1) // 2 * 2)
    return Features(
        made.mel[start:end],
        made.phones[start // 2 : end // 2],
        [at - start for at in made.word_starts],
        [min(at, end) - start for at in made.word_ends],
    )


def _shortened(sound: Sound, recipe: Recipe, rng: np.random.Generator) -> Sound | None:
    """Return part of the sound as the recipe has it, or None if this window is to stay whole."""
    if rng.random() < recipe.cut and len(sound.mel) > 200:
        start = 2 * int(rng.integers(0, len(sound.mel) // 4))
        return cut(sound, start, 2 * int(rng.integers((start + 100) // 2, len(sound.mel) // 2 + 1)))
    if not sound.words:
        return None
    last, lead, tail = len(sound.words) - 1, *(int(slack) for slack in rng.integers(0, 10, 2))
    if rng.random() < recipe.tight:
        return excerpt(sound, 0, last, lead, tail)
    if rng.random() < recipe.excerpt:
        first = int(rng.integers(last + 1))
        last = min(last, first + int(rng.integers(3)))
        if sound.words[last].end - sound.words[first].start >= _SHORTEST_EXCERPT:
            return excerpt(sound, first, last, lead // 3, tail // 3)
    return None


def _lengthened(sound: Sound, recipe: Recipe, rng: np.random.Generator) -> Sound:
    """Return the sound with the silence after it that the recipe has."""
    if rng.random() < recipe.padded_full:
        return _padded(sound, int(rng.uniform(len(sound.mel), MAX_WINDOW_FRAMES)))
    if rng.random() < recipe.padded:
        return _padded(sound, len(sound.mel) + int(rng.uniform(50, 300)))
    return sound


def _padded(sound: Sound, n_frames: int) -> Sound:
    more = max(0, min(n_frames, MAX_WINDOW_FRAMES) - len(sound.mel)) // 2 * 2
    phones = np.concatenate([sound.phones, np.zeros(more // 2, np.uint8)])
    return replace(sound, mel=np.concatenate([sound.mel, silence(more)]), phones=phones)


def _fitted(sound: Sound, n_frames: int, rng: np.random.Generator) -> Sound:
    """Return the sound with the length of its batch, by silence before or after it.

    Where all of it stood after the words, the model would never hear a window that ends with its last word.
    """
    return delayed(sound, n_frames - len(sound.mel)) if rng.random() < _DELAYED else _padded(sound, n_frames)


def _empty(stock: Stock, rng: np.random.Generator) -> Sound:
    """Return a sound without speech: silence, faint noise, or noise and music as loud as speech."""
    n_frames = 2 * int(rng.uniform(50, 500 if rng.random() < 0.9 else 1500))
    if rng.random() < _SHORT_EMPTY:
        n_frames = 2 * int(rng.integers(SHORT_FRAMES[0] // 4, _LAST_FRAMES[-1] // 2))
    mel = silence(n_frames)
    kind = rng.random()
    if kind > 0.1:
        shard_noise = stock.noise(n_frames, babble=False, rng=rng) if kind > 0.15 else silence(n_frames)
        mel = np.maximum(shard_noise + rng.uniform(-8, -1), -10).astype(np.float32)
    before = stock.sentence("narrow", rng)[1].text.split()
    return Sound(mel, np.zeros(n_frames // 2, np.uint8), [], before)


def _batches(pool: list[Sound], batch_s: float, short: int) -> Iterator[tuple[int, list[Sound]]]:
    """Cut a pool, longest first, into batches of at most `batch_s` seconds, each with the length of its windows.

    As many windows as fit, so that the shapes of batches repeat, but for the last of a pool, which has those of at
    most `short` frames: beside longer ones they would never be heard without silence.
    """
    lengths = [batch_frames(len(sound.mel)) for sound in pool]
    n_long = sum(length > short for length in lengths)
    at = 0
    while at < len(pool):
        until = at + max(1, int(batch_s * FRAMES_PER_S) // lengths[at])
        if at < n_long:
            until = min(until, n_long)
        yield lengths[at], pool[at:until]
        at = until

"""The choice of tokens on a core, tile by tile of the vocabulary, against the reference."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from amanuensis.kernels.dtypes import Float32
from amanuensis.kernels.entries_rows import PLACES_WORDS, STATE_WORDS
from amanuensis.kernels.layout import padded
from amanuensis.kernels.records import MAX_BONUSES, NO_ID, SCORES
from amanuensis.kernels.reference.select import Vocabulary, draw, select
from tests.kernels.cores import ARCHITECTURES, empty, fresh, needs_compiler, placed
from tests.kernels.figures import PATIENT
from tests.kernels.scores import DRAW_ERROR, SUM_ERROR, agree, bitmaps_of, make_rules

pytestmark = needs_compiler

SMALL = Vocabulary(size=300, timestamp_begin=220, eot=200, no_speech=210)
BASE = Vocabulary(size=51865, timestamp_begin=50364, eot=50257, no_speech=50362)  # of the multilingual Whisper base


@dataclass(frozen=True)
class Resident:
    """How bitmaps come to a core: whole, or with each tile the bytes that belong to it."""

    bitmaps: NDArray[np.uint8]
    tile: int
    moves: bool = False

    @property
    def slot(self) -> int:
        """Bytes from bitmap to bitmap on the core."""
        return self.tile // 8 + 4 if self.moves else int(self.bitmaps.shape[1])

    @property
    def size(self) -> int:
        """Bytes on the core."""
        return padded(len(self.bitmaps) * self.slot, 4)

    def at(self, first: int) -> NDArray[np.int8]:
        """Return what lies on the core for the tile that begins with an id."""
        there, n_bytes = np.full(self.size, 0x55, np.uint8), self.bitmaps.shape[1]
        flat = np.concatenate([self.bitmaps.ravel(), np.zeros(self.tile + 8, np.uint8)])
        if not self.moves:
            there[: self.bitmaps.size] = self.bitmaps.ravel()
        for number in range(len(self.bitmaps) * self.moves):
            start = (number * n_bytes + first // 8) // 4 * 4  # a DMA moves whole words
            there[number * self.slot :][: self.slot] = flat[start : start + self.slot]
        return placed(there.view(np.int8))


def places_of(words: Vocabulary, bitmaps: Resident, first: int) -> NDArray[np.int32]:
    """Return what a core is told of the vocabulary."""
    skew = bitmaps.bitmaps.shape[1] if bitmaps.moves else 0
    told = [words.size, words.timestamp_begin, words.eot, words.no_speech, bitmaps.slot, skew, bitmaps.moves, first]
    return placed(np.array(told + [0] * (PLACES_WORDS - len(told)), np.int32))


@cache
def steps(tile: int, bitmap_bytes: int, architecture: str) -> list[Any]:
    """Return begin, tile, merge and finish at some sizes."""
    return [
        fresh(f"select_{name}", architecture, n=tile, k=bitmap_bytes) for name in ("begin", "tile", "merge", "finish")
    ]


def on_cores(
    raw: Float32, bitmaps: Resident, rules: np.ndarray, words: Vocabulary, parts: int = 1, architecture: str = "npu1"
) -> np.void:
    """Return the scores of one row, its ids shared by some cores that merge what they found."""
    tile = bitmaps.tile
    begin, step, merge, finish = steps(tile, bitmaps.size, architecture)
    tiles = padded(words.size, tile * parts) // tile
    wide = np.full(tiles * tile, np.nan, np.float32)  # what lies beyond the vocabulary is never looked at
    wide[: words.size] = raw[: words.size]
    rule_words, states = placed(rules.view(np.int32)), []
    work = empty(tile, np.int32)
    for part in np.split(np.arange(tiles), parts):
        places, state = places_of(words, bitmaps, int(part[0]) * tile), empty(STATE_WORDS, np.int32)
        begin(rule_words, places, state)
        for first in part * tile:
            step(placed(wide[first : first + tile]), bitmaps.at(first), rule_words, places, work, state)
        states.append(state)
    for other in states[1:]:
        merge(other, states[0])
    scores = empty(SCORES.itemsize // 4, np.int32)
    finish(rule_words, states[0], scores)
    return np.void(scores.view(SCORES)[0])


ROWS = st.fixed_dictionaries(
    {
        "mask": st.integers(0, 2),
        "text": st.booleans(),
        "eot": st.booleans(),
        "time_from": st.integers(0, 320),
        "time_to": st.integers(0, 320),
        "wanted": st.integers(-1, 299),
        "temperature": st.sampled_from([0.0, 0.2, 0.4, 1.0]),
        "seed": st.integers(0, (1 << 32) - 1),
        "position": st.integers(0, 447),
        "tag": st.integers(1, 1 << 30),
    }
)
BONUSES = st.dictionaries(st.integers(0, 299), st.sampled_from([0.5, 3.0, -2.25]), max_size=8)


@PATIENT
@given(ROWS, BONUSES, st.integers(0, 1 << 30), st.booleans(), st.sampled_from([1, 2]), st.booleans())
def test_answers_are_the_references(
    fields: dict[str, Any], bonuses: dict[int, float], seed: int, coarse: bool, parts: int, moves: bool
) -> None:
    """Ids with ties, logits, sums and draws are the reference's, on one core and on two, however bitmaps come."""
    raw = np.random.default_rng(seed).standard_normal((1, 300)).astype(np.float32)
    raw = np.round(raw) if coarse else raw
    bitmaps, rules = bitmaps_of(SMALL), make_rules(fields, bonuses)
    (expected,) = select(raw, bitmaps, rules, SMALL)
    found = on_cores(raw[0], Resident(bitmaps, 32, moves), rules, SMALL, parts)
    agree(found, expected)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("temperature", [0.0, 0.6])
def test_the_vocabulary_of_base_is_chosen_from(temperature: float, architecture: str) -> None:
    """All 51865 logits in tiles of 1024, on one core and shared by four, give the reference's answers."""
    raw = (4 * np.random.default_rng(5).standard_normal(BASE.size)).astype(np.float32)
    bitmaps = bitmaps_of(BASE)
    fields = {"mask": 1, "time_from": 50400, "time_to": 51000, "wanted": 50257, "temperature": temperature, "seed": 9}
    rules = make_rules({**fields, "position": 17, "tag": 3}, {50301: 7.0, 11: 2.5, 51864: 1.0})
    (expected,) = select(raw[None], bitmaps, rules, BASE)
    for parts in (1, 4):
        found = on_cores(raw, Resident(bitmaps, 1024), rules, BASE, parts, architecture)
        agree(found, expected)
        errors = {half: float(abs(found[f"{half}_lse"] - expected[f"{half}_lse"])) for half in ("text", "time")}
        print(f"select on {parts} cores: errors of the sums {errors}")


def test_draws_follow_the_noise_of_every_id() -> None:
    """Over 300 rows of generic logits each drawn id is the reference's, and so is its score within a few last bits."""
    bitmaps = np.zeros((1, 38), np.uint8)
    worst = 0.0
    for seed in range(300):
        raw = np.random.default_rng(seed).standard_normal(SMALL.size).astype(np.float32)
        rules = make_rules({"temperature": 1.0, "seed": seed, "position": seed % 7, "time_to": 300})
        found = on_cores(raw, Resident(bitmaps, 320), rules, SMALL)
        for half, first, logits in (("text", 0, raw[:220]), ("time", 220, raw[220:])):
            place, score = draw(logits, first, rules[0])
            assert found[f"drawn_{half}_id"] == place + first
            worst = max(worst, abs(float(found[f"drawn_{half}_score"] - score)) / (1 + abs(float(score))))
    print(f"scores of draws: largest error {worst:.1e} of 1 + score")
    assert worst < DRAW_ERROR


def test_rising_logits_push_every_id_through_the_list() -> None:
    """The list is right when each id is better than all before it, and when all are alike."""
    bitmaps = np.zeros((1, 38), np.uint8)
    for raw in (np.arange(300), -np.arange(300), np.zeros(300), np.tile([0.0, -0.0], 150)):
        logits = raw.astype(np.float32)
        rules = make_rules({"time_to": 300})
        (expected,) = select(logits[None], bitmaps, rules, SMALL)
        agree(on_cores(logits, Resident(bitmaps, 32), rules, SMALL), expected)


def test_many_bonuses_on_one_id_add_up() -> None:
    """As many bonuses as a record holds are added in order, also to an id that has several."""
    bitmaps = np.zeros((1, 38), np.uint8)
    random = np.random.default_rng(2)
    rules = make_rules({"time_to": 300})
    rules["n_bonuses"] = MAX_BONUSES
    rules["bonus_ids"][0] = random.integers(0, 40, MAX_BONUSES)
    rules["bonus_logits"][0] = random.standard_normal(MAX_BONUSES)
    raw = random.standard_normal(300).astype(np.float32)
    (expected,) = select(raw[None], bitmaps, rules, SMALL)
    agree(on_cores(raw, Resident(bitmaps, 64), rules, SMALL), expected)


@pytest.mark.parametrize("value", [np.nan, -np.nan, -np.inf])
def test_broken_logits_leave_nothing_allowed(value: float) -> None:
    """Where a logit is no number, or all are minus infinity, no id of its half is offered and the other half is."""
    raw = np.zeros(300, np.float32)
    raw[:220] = value
    rules = make_rules({"time_to": 300, "temperature": 1.0})
    found = on_cores(raw, Resident(np.zeros((1, 38), np.uint8), 32), rules, SMALL)
    assert (found["text_ids"] == NO_ID).all()
    assert found["drawn_text_id"] == NO_ID
    assert found["text_lse"] == -np.inf
    assert found["time_ids"][0] == 220
    assert found["time_lse"] == pytest.approx(np.log(80), abs=SUM_ERROR)


def test_sums_hold_far_below_what_is_suppressed() -> None:
    """A suppressed logit of 500 above the allowed ones takes nothing from their sum, and lanes far apart add up."""
    raw = np.zeros(300, np.float32)
    raw[0], raw[1], raw[2:] = 500, -300, -np.arange(298, dtype=np.float32)
    masks = np.zeros((1, 304), np.bool_)
    masks[0, 0] = True
    bitmaps, rules = np.packbits(masks, axis=1, bitorder="little"), make_rules({"time_to": 300})
    (expected,) = select(raw[None], bitmaps, rules, SMALL)
    agree(on_cores(raw, Resident(bitmaps, 32), rules, SMALL), expected)


def test_a_vocabulary_without_timestamps_or_no_speech() -> None:
    """With the first timestamp at the end and no token for silence, that half is empty and the probability 0."""
    words = Vocabulary(size=100, timestamp_begin=100, eot=99, no_speech=-1)
    raw = np.random.default_rng(1).standard_normal(100).astype(np.float32)
    bitmaps, rules = np.zeros((1, 13), np.uint8), make_rules({"temperature": 0.5})
    (expected,) = select(raw[None], bitmaps, rules, words)
    agree(on_cores(raw, Resident(bitmaps, 32), rules, words), expected)


def test_rules_that_name_no_bitmap_allow_nothing() -> None:
    """A bitmap beyond what lies on the core is never read: all ids count as suppressed."""
    found = on_cores(np.zeros(300, np.float32), Resident(bitmaps_of(SMALL), 32), make_rules({"mask": 1 << 20}), SMALL)
    assert (found["text_ids"] == NO_ID).all()

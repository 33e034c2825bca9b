"""Scores of rows against their definition, id by id."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from amanuensis.kernels.records import NO_ID, TOP_K, empty_rules
from amanuensis.kernels.reference.noise import gumbel
from amanuensis.kernels.reference.select import Vocabulary, select
from amanuensis.npu.devices.cpu_scores import RowScorer
from amanuensis.npu.row_rules import N_MASKS, KindScores, RowRules, Selection

Float32 = NDArray[np.float32]
SIZE, EOT, BEGIN = 60, 20, 26  # text, the end, five special tokens, timestamps
MASKS = np.random.default_rng(3).random((N_MASKS, SIZE)) < np.array([[0.0], [0.2], [0.5], [0.1], [0.9], [1.0]])
SELECTION = Selection(MASKS, EOT, BEGIN, no_speech=22)
SCORER = RowScorer(SELECTION)


@st.composite
def rules(draw: st.DrawFn) -> RowRules:
    """Return any rules."""
    bonuses = st.dictionaries(st.integers(0, SIZE - 1), st.sampled_from([0.5, 4.0, 1000.0]), max_size=5)
    time_from, time_to = sorted(draw(st.tuples(st.integers(BEGIN, SIZE), st.integers(BEGIN, SIZE))))
    return RowRules(
        mask=draw(st.integers(0, N_MASKS - 1)),
        text=draw(st.booleans()),
        eot=draw(st.booleans()),
        time_from=time_from,
        time_to=time_to,
        bonuses=tuple(draw(bonuses).items()),
        candidates=draw(st.integers(1, TOP_K)),
        wanted=draw(st.integers(NO_ID, SIZE - 1)),
        temperature=draw(st.sampled_from([0.0, 0.5])),
        seed=draw(st.integers(0, 2**32 - 1)),
        position=draw(st.integers(0, 447)),
        no_speech=draw(st.booleans()),
    )


@st.composite
def rows(draw: st.DrawFn) -> Float32:
    """Return logits [SIZE], many of them equal where their step is coarse."""
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return np.round(random.standard_normal(SIZE) * draw(st.sampled_from([2, 100]))).astype(np.float32)


def may_follow(token: int, row: RowRules) -> bool:
    """Return whether an id is allowed."""
    if MASKS[row.mask, token]:
        return False
    if token < EOT:
        return row.text
    if token == EOT:
        return row.eot
    return token < BEGIN or row.time_from <= token < row.time_to


def expected_scores(logits: Float32, row: RowRules, kind: range) -> tuple[list[int], float, int]:
    """Return the best allowed ids of a kind, the sum over all, and the draw."""
    bonuses = dict(row.bonuses)
    allowed = {token: float(logits[token]) + bonuses.get(token, 0.0) for token in kind if may_follow(token, row)}
    if not allowed:
        return [], -math.inf, NO_ID
    noise = gumbel(row.seed, row.position, np.arange(SIZE))
    scores = {t: np.float32(logit) / np.float32(row.temperature or 1) + noise[t] for t, logit in allowed.items()}
    drawn = max(scores, key=lambda token: (scores[token], -token)) if row.temperature else NO_ID
    highest = max(allowed.values())
    lse = highest + math.log(math.fsum(math.exp(logit - highest) for logit in allowed.values()))
    return sorted(allowed, key=lambda token: (-allowed[token], token))[: row.candidates], lse, drawn


@settings(deadline=None)
@given(logits=rows(), row=rules())
def test_scores_are_those_defined(logits: Float32, row: RowRules) -> None:
    """Best ids with their order, sums and draws of both kinds, and the wanted logit follow their definition."""
    before = logits.copy()
    scores = SCORER.score(logits, row)
    assert (logits == before).all()
    bonuses = dict(row.bonuses)
    for kind, found in ((range(BEGIN), scores.text), (range(BEGIN, SIZE), scores.time)):
        ids, lse, drawn = expected_scores(logits, row, kind)
        assert list(found.ids) == ids
        assert list(found.logits) == [float(logits[token]) + bonuses.get(token, 0.0) for token in ids]
        assert found.lse == pytest.approx(lse, abs=1e-5)
        assert found.drawn_id == drawn
    allowed = row.wanted != NO_ID and may_follow(row.wanted, row)
    assert scores.wanted_logit == (float(logits[row.wanted]) + bonuses.get(row.wanted, 0.0) if allowed else -math.inf)


@settings(deadline=None)
@given(logits=rows(), row=rules())
def test_draw_names_its_logit_and_score(logits: Float32, row: RowRules) -> None:
    """The drawn id has the logit that it would have as wanted, and the score that decides between the kinds."""
    scores = SCORER.score(logits, row)
    for kind in (scores.text, scores.time):
        if kind.drawn_id != NO_ID:
            assert kind.drawn_logit == logits[kind.drawn_id] + dict(row.bonuses).get(kind.drawn_id, 0.0)
            noise = gumbel(row.seed, row.position, np.array([kind.drawn_id]))[0]
            assert kind.drawn_score == np.float32(kind.drawn_logit) / np.float32(row.temperature) + noise


@settings(deadline=None)
@given(logits=rows(), row=rules())
def test_scores_are_those_of_the_operator(logits: Float32, row: RowRules) -> None:
    """The reference of the device's operator answers the same on the same rules: ids and draws alike."""
    records = empty_rules(1)
    for name in ("mask", "text", "eot", "time_from", "time_to", "wanted", "temperature", "seed", "position"):
        records[name] = getattr(row, name)
    records["n_bonuses"] = len(row.bonuses)
    for place, (token, bonus) in enumerate(row.bonuses):
        records["bonus_ids"][0, place], records["bonus_logits"][0, place] = token, bonus
    bitmaps = np.packbits(MASKS, axis=1, bitorder="little")
    (answer,) = select(logits[None], bitmaps, records, Vocabulary(SIZE, BEGIN, EOT, SELECTION.no_speech))
    scores = SCORER.score(logits, row)
    for name, kind in (("text", scores.text), ("time", scores.time)):
        assert tuple(token for token in answer[f"{name}_ids"] if token != NO_ID)[: row.candidates] == kind.ids
        assert tuple(answer[f"{name}_logits"][: len(kind.ids)]) == kind.logits
        assert answer[f"{name}_lse"] == pytest.approx(kind.lse, abs=1e-4)
        assert answer[f"drawn_{name}_id"] == kind.drawn_id
        assert answer[f"drawn_{name}_logit"] == kind.drawn_logit
        assert answer[f"drawn_{name}_score"] == kind.drawn_score
    assert answer["wanted_logit"] == scores.wanted_logit
    if row.no_speech:
        step = float(np.spacing(np.abs(logits).max()))  # of float32 where the logits are: so exact is their sum of exps
        assert answer["no_speech_prob"] == pytest.approx(scores.no_speech_prob, abs=max(step, 1e-6))


@settings(deadline=None)
@given(logits=rows())
def test_sums_in_buffers_are_those_of_the_formula(logits: Float32) -> None:
    """Sums and the no-speech probability are to the last bit what new arrays give."""
    row = RowRules(no_speech=True, time_from=BEGIN, time_to=SIZE)
    scores = SCORER.score(logits, row)
    for kind, found in ((logits[:BEGIN], scores.text), (logits[BEGIN:], scores.time)):
        highest = kind.max()
        assert found.lse == float(highest) + float(np.log(np.exp(kind - highest).sum(dtype=np.float64)))
    weights = np.exp(logits - logits.max())
    assert scores.no_speech_prob == float(weights[SELECTION.no_speech] / weights.sum())


def test_rows_without_candidates_cost_nothing() -> None:
    """Where only the no-speech probability is wanted, that of all raw logits, nothing else is told."""
    logits = np.zeros(SIZE, np.float32)
    scores = SCORER.score(logits, RowRules(candidates=0, no_speech=True, mask=5, bonuses=((22, 9.0),)))
    assert scores.no_speech_prob == pytest.approx(1 / SIZE)
    assert scores.text == scores.time == KindScores()


def test_impossible_logits_are_not_offered() -> None:
    """A logit of -inf is as good as suppressed."""
    logits = np.full(SIZE, -np.inf, np.float32)
    assert SCORER.score(logits, RowRules(candidates=3)).text == KindScores()
    logits[7] = 1
    assert SCORER.score(logits, RowRules(candidates=3)).text.ids == (7,)


@pytest.mark.parametrize("candidates", [1, 3])
def test_what_is_no_number_is_not_offered(candidates: int) -> None:
    """Where a broken model answers NaN there is no best token."""
    logits = np.full(SIZE, np.nan, np.float32)
    assert SCORER.score(logits, RowRules(candidates=candidates)).text == KindScores()

"""Decisions from the scores of a row against the rules on all its logits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from amanuensis.kernels.records import TOP_K
from amanuensis.kernels.reference.noise import gumbel
from amanuensis.npu.devices.cpu_scores import RowScorer
from amanuensis.npu.engine.api import EngineError
from amanuensis.npu.hotwords import HotwordTrie
from amanuensis.npu.row_choice import best, drawn, ranked, wanted_logprob
from amanuensis.npu.row_rules import KindScores, RowScores
from amanuensis.npu.rules import Ask, Rules
from tests.helpers.full_logits import allowed_logits, log_sum_exp, make_selection

Float32 = NDArray[np.float32]
EOT, BEGIN, SIZE = 30, 34, 80  # text 0..29, the end, three specials, timestamps 34..79
SELECTION = make_selection(SIZE, EOT, BEGIN, suppressed=[3, 4, 17], begin_suppressed=[0, EOT])
SCORER = RowScorer(SELECTION)
PLAIN = Rules(EOT, BEGIN, SIZE, timestamps=False, max_initial_timestamp=BEGIN + 10)
ROUNDING = 1e-5  # of float32 sums


@st.composite
def states(draw: st.DrawFn) -> tuple[Rules, list[int]]:
    """Return rules and tokens that may have been sampled under them: segments of text between pairs of timestamps."""
    texts = st.lists(st.integers(0, EOT - 1), max_size=3)
    hotwords = draw(st.none() | st.lists(st.lists(st.integers(0, EOT - 1), min_size=1, max_size=3), max_size=4))
    rules = replace(
        PLAIN,
        timestamps=draw(st.booleans()),
        hotwords=None if hotwords is None else HotwordTrie(hotwords, draw(st.sampled_from([0.5, 3.0]))),
        forced=tuple(draw(texts)),
    )
    sampled: list[int] = []
    for time in sorted(draw(st.lists(st.integers(BEGIN, SIZE - 1), max_size=3))):
        sampled += [time, *([time] if sampled else []), *draw(texts)] if rules.timestamps else draw(texts)
    if rules.timestamps and sampled and draw(st.booleans()):
        sampled.append(SIZE - 1)
    return rules, sampled


@st.composite
def rows(draw: st.DrawFn) -> Float32:
    """Return logits [SIZE], with ties where their steps are coarse, text and timestamps raised to any degree."""
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    logits = random.standard_normal(SIZE) * draw(st.sampled_from([0.3, 2.0, 8.0]))
    step = draw(st.sampled_from([0.0, 0.5, 4.0]))
    if step:
        logits = np.round(logits / step) * step
    logits[BEGIN:] += draw(st.sampled_from([-20.0, -2.0, 0.0, 2.0, 20.0]))
    return logits.astype(np.float32)


@settings(deadline=None)
@given(state=states(), logits=rows())
def test_best_is_the_greatest_allowed_logit(state: tuple[Rules, list[int]], logits: Float32) -> None:
    """Greedy decoding chooses what the rules on all logits choose, with its log-probability."""
    rules, sampled = state
    allowed = allowed_logits(rules, SELECTION, logits, sampled)
    choice = best(SCORER.score(logits, rules.row(sampled, Ask())))
    assert choice.token == int(allowed.argmax())
    assert choice.logprob == pytest.approx(float(allowed.max()) - log_sum_exp(allowed), abs=ROUNDING)


@settings(deadline=None)
@given(state=states(), logits=rows(), count=st.integers(1, TOP_K))
def test_ranked_are_the_greatest_allowed_logits(state: tuple[Rules, list[int]], logits: Float32, count: int) -> None:
    """Beams are offered the best tokens in their order, the lower of equals first, and none that may not come."""
    rules, sampled = state
    allowed = allowed_logits(rules, SELECTION, logits, sampled)
    choices = ranked(SCORER.score(logits, rules.row(sampled, Ask(candidates=count))), count)
    order = np.argsort(-allowed, kind="stable")[: min(count, int((allowed > -np.inf).sum()))]
    assert [choice.token for choice in choices] == order.tolist()
    expected = (allowed[order] - log_sum_exp(allowed)).tolist()
    assert [choice.logprob for choice in choices] == pytest.approx(expected, abs=ROUNDING)


@settings(deadline=None)
@given(state=states(), logits=rows(), temperature=st.sampled_from([0.2, 0.7, 1.0]), seed=st.integers(0, 2**32 - 1))
def test_drawn_is_the_greatest_with_noise(
    state: tuple[Rules, list[int]], logits: Float32, temperature: float, seed: int
) -> None:
    """The draw is the argmax of all allowed logits over the temperature with noise, text and timestamps together."""
    rules, sampled = state
    allowed = allowed_logits(rules, SELECTION, logits, sampled)
    noisy = allowed / np.float32(temperature) + gumbel(seed, len(sampled), np.arange(SIZE))
    choice = drawn(SCORER.score(logits, rules.row(sampled, Ask(temperature=temperature, seed=seed))))
    assert choice.token == int(noisy.argmax())
    expected = float(allowed[choice.token]) - log_sum_exp(allowed)
    assert choice.logprob == pytest.approx(expected, abs=ROUNDING)


@settings(deadline=None)
@given(state=states(), logits=rows(), data=st.data())
def test_wanted_has_its_log_probability(state: tuple[Rules, list[int]], logits: Float32, data: st.DataObject) -> None:
    """A token that may follow has the log-probability that the rules on all logits give it."""
    rules, sampled = state
    allowed = allowed_logits(rules, SELECTION, logits, sampled)
    wanted = data.draw(st.sampled_from(np.flatnonzero(allowed > -np.inf).tolist()))
    scores = SCORER.score(logits, rules.row(sampled, Ask(), wanted))
    assert wanted_logprob(scores) == pytest.approx(float(allowed[wanted]) - log_sum_exp(allowed), abs=ROUNDING)


@settings(deadline=None)
@given(state=states(), logits=rows())
def test_more_candidates_change_no_decision(state: tuple[Rules, list[int]], logits: Float32) -> None:
    """A device may answer more candidates than were asked for."""
    rules, sampled = state
    few, many = (SCORER.score(logits, rules.row(sampled, Ask(candidates=count))) for count in (2, TOP_K))
    assert best(many) == best(few)
    assert ranked(many, 2) == ranked(few, 2)


def test_draws_follow_the_distribution() -> None:
    """Over many seeds, tokens come as often as the softmax at the temperature says."""
    logits = np.full(SIZE, -50, np.float32)
    logits[[5, 6, 7]] = np.log([0.5, 0.3, 0.2]) * 0.5
    tokens = [
        drawn(SCORER.score(logits, PLAIN.row([1], Ask(temperature=0.5, seed=seed)))).token for seed in range(4000)
    ]
    shares = np.bincount(tokens, minlength=SIZE)[5:8] / len(tokens)
    np.testing.assert_allclose(shares, [0.5, 0.3, 0.2], atol=0.04)  # five standard deviations


@pytest.mark.parametrize("choose", [best, drawn])
def test_nothing_allowed_is_said(choose: object) -> None:
    """A model whose suppressed tokens leave nothing is named as the cause."""
    assert callable(choose)
    with pytest.raises(EngineError, match="suppress_tokens leave none"):
        choose(RowScores(KindScores(), KindScores()))

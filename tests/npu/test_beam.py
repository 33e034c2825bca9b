"""Beam search against a literal transcription of its rules, on made-up distributions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from amanuensis.npu.alignment import AttentionRows
from amanuensis.npu.beam import decode_beam, offers
from amanuensis.npu.devices.api import DecoderOutput
from amanuensis.npu.devices.cpu_scores import RowScorer
from amanuensis.npu.hypothesis import Hypothesis
from amanuensis.npu.row_rules import Row, RowRules, RowScores
from amanuensis.npu.rules import Rules
from amanuensis.npu.token_times import Loudness
from amanuensis.npu.window_pass import Prefix, WindowPass
from tests.helpers.full_logits import allowed_logits, log_sum_exp, make_selection

EOT, SIZE = 6, 9  # text 0..5, the end, two suppressed
SELECTION = make_selection(SIZE, EOT, 8, suppressed=[], begin_suppressed=[EOT])
RULES = Rules(EOT, 8, SIZE, timestamps=False, max_initial_timestamp=8)
Tokens = tuple[int, ...]


def logits_after(seed: int, tokens: Sequence[int]) -> NDArray[np.float32]:
    """Return made-up logits [SIZE] that depend on all tokens."""
    return np.random.default_rng([seed, *tokens]).standard_normal(SIZE).astype(np.float32) * 2


class MadeUpDecoder:
    """A decoder whose logits are `logits_after`; it keeps the tokens of each beam in place of a cache."""

    def __init__(self, seed: int, scorer: RowScorer | None = None) -> None:
        self._seed = seed
        self._scorer = scorer or RowScorer(SELECTION)
        self._beams: list[list[int]] = [[]]

    @property
    def length(self) -> int:
        return len(self._beams[0])

    def forward(self, tokens: Sequence[int], rows: Sequence[Row]) -> DecoderOutput:
        """Append tokens to the one beam."""
        start = self.length
        self._beams[0] += tokens
        scores = tuple(self.score(self._beams[0][: start + row.index + 1], row.rules) for row in rows)
        return DecoderOutput(scores, np.zeros((1, 1, len(tokens), 4), np.float32))

    def step(self, tokens: Sequence[int], rules: Sequence[RowRules]) -> DecoderOutput:
        """Append a token to each beam."""
        assert len(tokens) == len(self._beams)
        for beam, token in zip(self._beams, tokens, strict=True):
            beam.append(token)
        scores = tuple(map(self.score, self._beams, rules))
        return DecoderOutput(scores, np.zeros((1, len(tokens), 1, 4), np.float32))

    def score(self, tokens: Sequence[int], rules: RowRules) -> RowScores:
        """Return the scores of the row after tokens."""
        return self._scorer.score(logits_after(self._seed, tokens), rules)

    def truncate(self, length: int) -> None:
        """Forget the tokens from `length` on."""
        self._beams = [beam[:length] for beam in self._beams]

    def reorder(self, sources: Sequence[int]) -> None:
        """Let beam k go on from beam sources[k]."""
        self._beams = [list(self._beams[source]) for source in sources]


def transcription(seed: int, size: int, limit: int) -> tuple[Tokens, float]:
    """Return the winner and its score, by openai/whisper's rules written down step by step."""
    beams: list[tuple[Tokens, float]] = [((), 0.0)] * size
    finished: dict[Tokens, float] = {}
    for _ in range(limit):
        scores = continuations(seed, size, beams)
        beams = []
        for tokens in sorted(scores, key=lambda each: scores[each], reverse=True):
            if tokens[-1] != EOT:
                beams.append((tokens, scores[tokens]))
            elif len(finished) < size:
                finished[tokens] = scores[tokens]
            if len(beams) == size:
                break
        if len(finished) >= size:
            break
    for tokens, score in beams[: size - len(finished)]:
        finished[(*tokens, EOT)] = score
    winner = max(finished, key=lambda each: finished[each] / (len(each) - 1))
    return winner[:-1], finished[winner]


def continuations(seed: int, size: int, beams: list[tuple[Tokens, float]]) -> dict[Tokens, float]:
    """Return the best `size + 1` continuations of each beam with their scores."""
    scores: dict[Tokens, float] = {}
    for tokens, score in beams:
        allowed = allowed_logits(RULES, SELECTION, logits_after(seed, tokens), tokens).astype(np.float64)
        logprobs = allowed - log_sum_exp(allowed)
        scores |= {(*tokens, int(token)): score + float(logprobs[token]) for token in np.argsort(-logprobs)[: size + 1]}
    return scores


def search(decoder: MadeUpDecoder, size: int, limit: int) -> Hypothesis:
    """Return what our beam search finds."""
    silence = Loudness(np.zeros((1, 8), np.float32))
    window = WindowPass(decoder, AttentionRows(1, 64, 4), Prefix((), 0, 0), RULES, limit, None, silence, None)
    return decode_beam(window, decoder.score((), RULES.row((), offers(size))), size)


@settings(deadline=None)
@given(seed=st.integers(0, 10_000), size=st.integers(2, 5), limit=st.integers(1, 8))
def test_equals_the_transcription(seed: int, size: int, limit: int) -> None:
    """Winner and score are those of openai/whisper's rules."""
    tokens, score = transcription(seed, size, limit)
    found = search(MadeUpDecoder(seed), size, limit)
    assert found.tokens == tokens
    assert found.sum_logprob == pytest.approx(score, abs=1e-4)


@settings(deadline=None)
@given(seed=st.integers(0, 10_000))
def test_replay_adds_up(seed: int) -> None:
    """The log-probabilities of the winner's tokens, and of its end when it has one, are its score."""
    found = search(MadeUpDecoder(seed), 3, 5)
    end = found.sum_logprob - sum(found.logprobs)
    allowed = allowed_logits(RULES, SELECTION, logits_after(seed, found.tokens), found.tokens)
    expected = float(allowed[EOT]) - log_sum_exp(allowed) if found.complete else 0.0
    assert end == pytest.approx(expected, abs=1e-4)


def test_hypothesis_may_be_empty() -> None:
    """Where nothing is said the end may come first, and the score is not divided by zero."""
    silent = make_selection(SIZE, EOT, 8, suppressed=range(6), begin_suppressed=[])
    found = search(MadeUpDecoder(0, RowScorer(silent)), 2, 3)
    assert found.tokens == ()
    assert found.complete

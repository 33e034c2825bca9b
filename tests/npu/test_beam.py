"""Beam search against a literal transcription of its rules, on made-up distributions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from amanuensis.npu.alignment import AttentionRows
from amanuensis.npu.beam import decode_beam
from amanuensis.npu.devices.api import DecoderOutput
from amanuensis.npu.hypothesis import Hypothesis
from amanuensis.npu.rules import Rules, log_sum_exp
from amanuensis.npu.window_pass import Prefix, WindowPass

EOT, SIZE = 6, 9  # text 0..5, the end, two suppressed
RULES = Rules(np.array([7, 8]), np.array([EOT]), EOT, 7, 8, timestamps=False, max_initial_timestamp=8)
Tokens = tuple[int, ...]


def logits_after(seed: int, tokens: Sequence[int]) -> NDArray[np.float32]:
    """Return made-up logits [SIZE] that depend on all tokens."""
    return np.random.default_rng([seed, *tokens]).standard_normal(SIZE).astype(np.float32) * 2


class MadeUpDecoder:
    """A decoder whose logits are `logits_after`; it keeps the tokens of each beam in place of a cache."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._beams: list[list[int]] = [[]]

    @property
    def length(self) -> int:
        return len(self._beams[0])

    def forward(self, tokens: Sequence[int], rows: Sequence[int]) -> DecoderOutput:
        """Append tokens to the one beam."""
        start = self.length
        self._beams[0] += tokens
        logits = [logits_after(self._seed, self._beams[0][: start + row + 1]) for row in rows]
        return DecoderOutput(np.array([logits]), np.zeros((1, 1, len(tokens), 4), np.float32))

    def step(self, tokens: Sequence[int]) -> DecoderOutput:
        """Append a token to each beam."""
        assert len(tokens) == len(self._beams)
        for beam, token in zip(self._beams, tokens, strict=True):
            beam.append(token)
        logits = [[logits_after(self._seed, beam)] for beam in self._beams]
        return DecoderOutput(np.array(logits), np.zeros((1, len(tokens), 1, 4), np.float32))

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
        scores = offers(seed, size, beams)
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


def offers(seed: int, size: int, beams: list[tuple[Tokens, float]]) -> dict[Tokens, float]:
    """Return the best `size + 1` continuations of each beam with their scores."""
    scores: dict[Tokens, float] = {}
    for tokens, score in beams:
        allowed = RULES.apply(logits_after(seed, tokens), tokens).astype(np.float64)
        logprobs = allowed - log_sum_exp(allowed)
        scores |= {(*tokens, int(token)): score + float(logprobs[token]) for token in np.argsort(-logprobs)[: size + 1]}
    return scores


def search(seed: int, size: int, limit: int) -> Hypothesis:
    """Return what our beam search finds."""
    attention = AttentionRows(1, 64, 4)
    window = WindowPass(MadeUpDecoder(seed), attention, Prefix((), 0, 0), RULES, limit, None)
    return decode_beam(window, logits_after(seed, ()), size)


@given(seed=st.integers(0, 10_000), size=st.integers(2, 5), limit=st.integers(1, 8))
def test_equals_the_transcription(seed: int, size: int, limit: int) -> None:
    """Winner and score are those of openai/whisper's rules."""
    tokens, score = transcription(seed, size, limit)
    found = search(seed, size, limit)
    assert found.tokens == tokens
    assert found.sum_logprob == pytest.approx(score, abs=1e-4)


@given(seed=st.integers(0, 10_000))
def test_replay_adds_up(seed: int) -> None:
    """The log-probabilities of the winner's tokens, and of its end when it has one, are its score."""
    found = search(seed, 3, 5)
    end = found.sum_logprob - sum(found.logprobs)
    allowed = RULES.apply(logits_after(seed, found.tokens), found.tokens)
    expected = float(allowed[EOT]) - log_sum_exp(allowed) if found.complete else 0.0
    assert end == pytest.approx(expected, abs=1e-4)


def test_hypothesis_may_be_empty() -> None:
    """Where nothing is said the end may come first, and the score is not divided by zero."""
    decoder = MadeUpDecoder(0)
    rules = replace(RULES, suppressed=np.arange(6), begin_suppressed=np.array([], np.int64))
    window = WindowPass(decoder, AttentionRows(1, 64, 4), Prefix((), 0, 0), rules, 3, None)
    found = decode_beam(window, logits_after(0, ()), 2)
    assert found.tokens == ()
    assert found.complete

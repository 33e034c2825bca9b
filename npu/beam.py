"""Beam search with openai/whisper's semantics.

Source: openai/whisper `whisper/decoding.py` (BeamSearchDecoder with patience 1, MaximumLikelihoodRanker without length
penalty): each beam offers its best `size + 1` tokens, finished hypotheses leave the beam until `size` of them are
found, and the greatest mean log-probability wins.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from amanuensis.npu.hypothesis import Hypothesis
from amanuensis.npu.rules import Rules, log_sum_exp
from amanuensis.npu.window_pass import WindowPass, logprob

Float32 = NDArray[np.float32]
Tokens = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Candidate:
    tokens: Tokens
    score: float  # sum of log-probabilities
    source: int  # the beam that it continues


def decode_beam(window: WindowPass, logits: Float32, size: int) -> Hypothesis:
    """Search with `size` beams.

    Args:
        window: its cache holds the prefix; afterwards also the winner.
        logits: float32 [vocabulary] after the prefix.
        size: number of beams.

    """
    found = _search(window, logits, size)
    tokens = max(found, key=lambda each: found[each] / max(1, len(_text(each, window.rules.eot))))
    text = _text(tokens, window.rules.eot)
    return Hypothesis(text, _replay(window, logits, text), found[tokens], complete=tokens != text)


def _search(window: WindowPass, logits: Float32, size: int) -> dict[Tokens, float]:
    """Return hypotheses, those that ended with their <|endoftext|>, and their scores."""
    rules = window.rules
    finished: dict[Tokens, float] = {}
    live, ended = _split(_expand(rules, [((), 0.0)], logits[None], size), size, rules.eot)
    for step in range(window.limit):
        for candidate in ended[: size - len(finished)]:
            finished[candidate.tokens] = candidate.score
        if len(finished) >= size or step == window.limit - 1:
            break
        window.decoder.reorder([candidate.source for candidate in live])
        output = window.decoder.step([candidate.tokens[-1] for candidate in live])
        beams = [(candidate.tokens, candidate.score) for candidate in live]
        live, ended = _split(_expand(rules, beams, output.logits[:, 0], size), size, rules.eot)
    for candidate in live[: max(0, size - len(finished))]:
        finished[candidate.tokens] = candidate.score
    return finished


def _expand(rules: Rules, beams: list[tuple[Tokens, float]], logits: Float32, size: int) -> list[_Candidate]:
    """Return the continuations of all beams by their best `size + 1` tokens, the best first."""
    candidates: list[_Candidate] = []
    for source, (tokens, score) in enumerate(beams):
        allowed = rules.apply(logits[source], tokens)
        total = log_sum_exp(allowed)
        best = np.argpartition(allowed, -size - 1)[-size - 1 :].tolist()
        candidates += [_Candidate((*tokens, token), score + float(allowed[token]) - total, source) for token in best]
    return sorted(candidates, key=lambda candidate: candidate.score, reverse=True)


def _split(candidates: list[_Candidate], size: int, eot: int) -> tuple[list[_Candidate], list[_Candidate]]:
    """Return the best `size` candidates that go on, and those that end before the last of them in rank."""
    live: list[_Candidate] = []
    ended: list[_Candidate] = []
    for candidate in candidates:
        if candidate.tokens[-1] == eot:
            ended.append(candidate)
        else:
            live.append(candidate)
        if len(live) == size:
            break
    return live, ended


def _text(tokens: Tokens, eot: int) -> Tokens:
    return tokens[:-1] if tokens and tokens[-1] == eot else tokens


def _replay(window: WindowPass, logits: Float32, tokens: Tokens) -> tuple[float, ...]:
    """Run the winner once more in one forward, for its attention; return each token's log-probability."""
    window.decoder.reorder([0])
    window.rewind(0)
    if not tokens:
        return ()
    rows = [logits, *window.extend(tokens)]
    return tuple(
        logprob(window.rules.apply(row, tokens[:k]), token)
        for k, (row, token) in enumerate(zip(rows, tokens, strict=False))
    )

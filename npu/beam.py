"""Beam search with openai/whisper's semantics.

Source: openai/whisper `whisper/decoding.py` (BeamSearchDecoder with patience 1, MaximumLikelihoodRanker without length
penalty): each beam offers its best `size + 1` tokens, finished hypotheses leave the beam until `size` of them are
found, and the greatest mean log-probability wins.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from amanuensis.npu.hypothesis import Hypothesis
from amanuensis.npu.row_choice import ranked, wanted_logprob
from amanuensis.npu.row_rules import RowScores
from amanuensis.npu.rules import Ask
from amanuensis.npu.window_pass import WindowPass

Tokens = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Candidate:
    tokens: Tokens
    score: float  # sum of log-probabilities
    source: int  # the beam that it continues


def offers(size: int) -> Ask:
    """Return what a search with `size` beams asks of every row."""
    return Ask(candidates=size + 1)


def decode_beam(window: WindowPass, row: RowScores, size: int) -> Hypothesis:
    """Search with `size` beams.

    Args:
        window: its cache holds the prefix; afterwards also the winner.
        row: after the prefix, asked for `offers(size)`.
        size: number of beams.

    """
    found = _search(window, row, size)
    tokens = max(found, key=lambda each: found[each] / max(1, len(_text(each, window.rules.eot))))
    text = _text(tokens, window.rules.eot)
    return Hypothesis(text, _replay(window, row, text, size), found[tokens], complete=tokens != text)


def _search(window: WindowPass, row: RowScores, size: int) -> dict[Tokens, float]:
    """Return hypotheses, those that ended with their <|endoftext|>, and their scores."""
    rules, ask = window.rules, offers(size)
    finished: dict[Tokens, float] = {}
    live, ended = _split(_expand([((), 0.0)], [row], size), size, rules.eot)
    for step in range(window.limit):
        for candidate in ended[: size - len(finished)]:
            finished[candidate.tokens] = candidate.score
        if len(finished) >= size or not live or step == window.limit - 1:
            break
        window.decoder.reorder([candidate.source for candidate in live])
        beams = [(candidate.tokens, candidate.score) for candidate in live]
        output = window.decoder.step([tokens[-1] for tokens, _ in beams], [rules.row(each, ask) for each, _ in beams])
        live, ended = _split(_expand(beams, output.scores, size), size, rules.eot)
    for candidate in live[: max(0, size - len(finished))]:
        finished[candidate.tokens] = candidate.score
    return finished


def _expand(beams: Sequence[tuple[Tokens, float]], rows: Sequence[RowScores], size: int) -> list[_Candidate]:
    """Return the continuations of all beams by their best `size + 1` tokens, the best first."""
    candidates = [
        _Candidate((*tokens, choice.token), score + choice.logprob, source)
        for source, ((tokens, score), row) in enumerate(zip(beams, rows, strict=True))
        for choice in ranked(row, size + 1)
    ]
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


def _replay(window: WindowPass, row: RowScores, tokens: Tokens, size: int) -> tuple[float, ...]:
    """Run the winner once more in one forward, for its attention; return each token's log-probability."""
    window.decoder.reorder([0])
    window.rewind(0)
    if not tokens:
        return ()
    first = next(choice.logprob for choice in ranked(row, size + 1) if choice.token == tokens[0])
    wanted = (*tokens[1:], window.rules.eot)  # after each token
    rules = [window.rules.row(tokens[: k + 1], Ask(), token) for k, token in enumerate(wanted)]
    return (first, *map(wanted_logprob, window.extend(tokens, rules)[:-1]))

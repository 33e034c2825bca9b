"""Token by token: greedy decoding with verification of a draft, and sampling at a temperature."""

from __future__ import annotations

from collections.abc import Sequence

from amanuensis.npu.hypothesis import Hypothesis, is_looping
from amanuensis.npu.row_choice import best, drawn
from amanuensis.npu.row_rules import RowScores
from amanuensis.npu.rules import Ask
from amanuensis.npu.window_pass import WindowPass

BEST = Ask(candidates=1)
SEED_STEP = 1_000_003  # prime: jobs whose seeds are neighbours share no noise at any temperature
SEEDS = 1 << 32


def decode_greedy(window: WindowPass, rows: Sequence[RowScores], draft: Sequence[int] = ()) -> Hypothesis:
    """Decode at temperature 0, checking a draft that is already in the cache.

    A token of the draft is kept when it is what greedy decoding would have chosen at its place; its successor's scores
    are then known already. At the first other choice the rest of the draft is taken out of the cache, and decoding
    goes on one token at a time. The result is that of plain greedy decoding, up to rounding: in int8 the activations
    of a forward share one scale, so a near-tie may fall otherwise than in single steps.

    Args:
        window: its cache holds prefix and draft.
        rows: 1 + len(draft) of them, from `WindowPass.prefill`, asked for BEST.
        draft: the tokens to check.

    """
    return _decode(window, rows, draft, BEST)


def decode_sampled(window: WindowPass, row: RowScores, ask: Ask) -> Hypothesis:
    """Decode by drawing each token from its distribution.

    Args:
        window: its cache holds the prefix.
        row: after the prefix, asked for `ask`.
        ask: from `sampling`.

    """
    return _decode(window, [row], (), ask)


def sampling(temperature: float, seed: int) -> Ask:
    """Return how to draw at a temperature above 0; the same seed gives the same tokens on every device."""
    return Ask(temperature=temperature, seed=(seed * SEED_STEP + round(1000 * temperature)) % SEEDS)


def _decode(window: WindowPass, rows: Sequence[RowScores], draft: Sequence[int], ask: Ask) -> Hypothesis:
    choose = drawn if ask.temperature > 0 else best
    tokens: list[int] = []
    logprobs: list[float] = []
    accepted = 0
    ahead = list(rows)  # rows already known, the next at the end
    ahead.reverse()
    while True:
        choice = choose(ahead.pop())
        complete = choice.token == window.rules.eot
        if complete or _must_stop(window, tokens):
            break
        tokens.append(choice.token)
        logprobs.append(choice.logprob)
        if ahead and choice.token == draft[accepted]:
            accepted += 1
            continue
        if ahead:
            ahead.clear()
            window.rewind(accepted)
        ahead += window.extend([choice.token], [window.rules.row(tokens, ask)])
    if ahead:
        window.rewind(len(tokens))
    total = sum(logprobs) + (choice.logprob if complete else 0.0)
    return Hypothesis(tuple(tokens), tuple(logprobs), total, complete, accepted)


def _must_stop(window: WindowPass, tokens: list[int]) -> bool:
    """Return whether the next token may not be added: too many, a loop, or too near the end of the sound."""
    said = (*window.rules.forced, *tokens)
    return len(tokens) >= window.limit or is_looping(said) or window.at_edge(len(tokens))

"""Token by token: greedy decoding with verification of a draft, and sampling at a temperature."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from amanuensis.npu.hypothesis import Hypothesis, is_looping
from amanuensis.npu.window_pass import WindowPass, logprob

Float32 = NDArray[np.float32]
Choice = Callable[[Float32], int]  # from logits [vocabulary] under the rules to a token


def decode_greedy(window: WindowPass, logits: Float32, draft: Sequence[int] = ()) -> Hypothesis:
    """Decode at temperature 0, checking a draft that is already in the cache.

    A token of the draft is kept when it is what greedy decoding would have chosen at its place; its successor's logits
    are then known already. At the first other choice the rest of the draft is taken out of the cache, and decoding
    goes on one token at a time. The result is that of plain greedy decoding, up to rounding: in int8 the activations
    of a forward share one scale, so a near-tie may fall otherwise than in single steps.

    Args:
        window: its cache holds prefix and draft.
        logits: float32 [1 + len(draft), vocabulary], from `WindowPass.prefill`.
        draft: the tokens to check.

    """
    return _decode(window, logits, draft, lambda allowed: int(allowed.argmax()))


def decode_sampled(window: WindowPass, logits: Float32, temperature: float, seed: int) -> Hypothesis:
    """Decode by drawing each token from its distribution at a temperature above 0.

    Args:
        window: its cache holds the prefix.
        logits: float32 [1, vocabulary] after the prefix.
        temperature: divides the logits.
        seed: the same seed gives the same tokens.

    """
    random = np.random.default_rng([seed, round(temperature * 1000)])

    def draw(allowed: Float32) -> int:
        noise = random.gumbel(size=allowed.shape)  # the greatest of logits plus Gumbel noise is a draw from softmax
        return int((allowed / temperature + noise).argmax())

    return _decode(window, logits, (), draw)


def _decode(window: WindowPass, logits: Float32, draft: Sequence[int], choose: Choice) -> Hypothesis:
    tokens: list[int] = []
    logprobs: list[float] = []
    accepted = 0
    ahead = list(logits)  # logits already known, the next at the end
    ahead.reverse()
    while True:
        allowed = window.rules.apply(ahead.pop(), tokens)
        token = choose(allowed)
        probability = logprob(allowed, token)
        complete = token == window.rules.eot
        if complete or _must_stop(window, tokens):
            break
        tokens.append(token)
        logprobs.append(probability)
        if ahead and token == draft[accepted]:
            accepted += 1
            continue
        if ahead:
            ahead.clear()
            window.rewind(accepted)
        ahead.append(window.extend([token])[0])
    if ahead:
        window.rewind(len(tokens))
    total = sum(logprobs) + (probability if complete else 0.0)
    return Hypothesis(tuple(tokens), tuple(logprobs), total, complete, accepted)


def _must_stop(window: WindowPass, tokens: list[int]) -> bool:
    """Return whether the next token may not be added: too many, a loop, or too near the end of the sound."""
    said = (*window.rules.forced, *tokens)
    return len(tokens) >= window.limit or is_looping(said) or window.at_edge(len(tokens))

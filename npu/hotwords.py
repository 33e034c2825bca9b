"""Hotwords: a bonus on the logits of tokens that spell words which the user expects."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeAlias

Node: TypeAlias = "dict[int, Node]"


class HotwordTrie:
    """A trie of token sequences, matched against the end of a hypothesis."""

    def __init__(self, sequences: Iterable[Sequence[int]], bonus: float) -> None:
        """Take the spellings of all hotwords, with and without a leading space; `bonus` is in nats."""
        self._root: Node = {}
        self._bonus = bonus
        self._depth = 0
        for sequence in sequences:
            node = self._root
            for token in sequence:
                node = node.setdefault(token, {})
            self._depth = max(self._depth, len(sequence))

    def bonuses(self, tokens: Sequence[int]) -> dict[int, float]:
        """Return what to add to the logit of each token that begins or continues a hotword after `tokens`."""
        continued = set(self._root)
        for start in range(max(0, len(tokens) - self._depth), len(tokens)):
            continued.update(self._walk(tokens[start:]))
        return dict.fromkeys(continued, self._bonus)

    def _walk(self, tokens: Sequence[int]) -> Node:
        node = self._root
        for token in tokens:
            if token not in node:
                return {}
            node = node[token]
        return node

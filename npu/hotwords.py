"""Hotwords: a bonus on the logits of tokens that spell words which the user expects.

A back end takes at most MAX_BONUSES a row. MAX_HOTWORDS words, each spelt in two ways, need no more unless the end of
the text is a beginning of them in over 56 ways: m nodes of a trie with n leaves have at most n - 1 + m children. Beyond
that the bonus goes to the tokens that continue the longest beginnings, alike on every back end.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import TypeAlias

from amanuensis.kernels.records import MAX_BONUSES

MAX_HOTWORDS = 100

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
        """Return what to add to the logit of each token that begins or continues a hotword after `tokens`.

        At most MAX_BONUSES of them, those first that continue the longest beginning.
        """
        starts = range(max(0, len(tokens) - self._depth), len(tokens) + 1)
        continued = (token for start in starts for token in self._walk(tokens[start:]))
        return dict.fromkeys(islice(dict.fromkeys(continued), MAX_BONUSES), self._bonus)

    def _walk(self, tokens: Sequence[int]) -> Node:
        node = self._root
        for token in tokens:
            if token not in node:
                return {}
            node = node[token]
        return node

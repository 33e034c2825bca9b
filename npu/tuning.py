"""Which precision and how many threads a model's products get on a CPU: the rule, and what a measurement changes of it.

A measurement only overrules the rule where it is clear, so that noise decides nothing: the same machine gives the same
arithmetic at every first start.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Final, Literal

from amanuensis.npu.model_config import Dimensions

Operator = Literal["encoder attention", "encoder feed-forward", "cross-attention", "decoder", "logits"]
Arithmetic = Literal["float32", "int8"]
CLEAR: Final = 0.8  # of the time by the rule: a smaller gain is not told from noise
SINGLE_THREAD_WIDTH: Final = 512  # up to base, a decoder step is too small to gain from a second thread
ENCODER_ROWS: Final = 250  # frames of 5 s
UNEMBEDDING: Final = "unembedding"  # the layer that makes logits


@dataclass(frozen=True, slots=True)
class Shape:
    """A product of [rows, columns] with weights [columns, outputs]."""

    rows: int
    columns: int
    outputs: int


@dataclass(frozen=True, slots=True)
class Tuning:
    """How a model runs on a CPU.

    Attributes:
        arithmetic: of all products but those in `other`.
        other: the operators whose products are in the other arithmetic.
        encoder_threads: of the encoder and of the cross-attention's keys and values.
        decoder_threads: of a forward of the decoder.
        how: "rule", "measured", or "rule in part" where the time to measure was up.

    """

    arithmetic: Arithmetic
    encoder_threads: int
    decoder_threads: int
    other: tuple[Operator, ...] = ()
    how: Literal["rule", "measured", "rule in part"] = "rule"

    def of(self, operator: Operator) -> Arithmetic:
        """Return the arithmetic of an operator."""
        return _opposite(self.arithmetic) if operator in self.other else self.arithmetic

    def __str__(self) -> str:
        exceptions = f" but {_opposite(self.arithmetic)} for {', '.join(self.other)}" if self.other else ""
        threads = f"{self.encoder_threads} and {self.decoder_threads} threads"
        return f"{self.arithmetic}{exceptions}, {threads} to encode and decode ({self.how})"

    def to_json(self) -> str:
        """Return it as text for a file."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Tuning:
        """Read `to_json`'s text; ValueError, KeyError or TypeError when it is none."""
        stored = json.loads(text)
        return cls(**(stored | {"other": tuple(stored["other"])}))


def operator_of(layer: str) -> Operator:
    """Return the operator that a layer of the graphs belongs to, by its name."""
    if layer == UNEMBEDDING:
        return "logits"
    if layer.startswith("encoder."):
        return "encoder feed-forward" if ".fc" in layer else "encoder attention"
    return "cross-attention" if layer.endswith(("encoder_attn.k_proj", "encoder_attn.v_proj")) else "decoder"


def by_rule(dimensions: Dimensions, arithmetic: Arithmetic, threads: int) -> Tuning:
    """Return what is used where nothing is measured."""
    return Tuning(arithmetic, threads, 1 if dimensions.width <= SINGLE_THREAD_WIDTH else threads)


def shapes(dimensions: Dimensions) -> dict[Operator, Shape]:
    """Return the product that stands for each operator, the most costly first: a window of 5 s, one token."""
    width, wide = dimensions.width, dimensions.encoder_ffn
    return {
        "encoder feed-forward": Shape(ENCODER_ROWS, width, wide),
        "encoder attention": Shape(ENCODER_ROWS, width, width),
        "cross-attention": Shape(ENCODER_ROWS, width, width),
        "decoder": Shape(1, width, dimensions.decoder_ffn),
        "logits": Shape(1, width, min(dimensions.vocabulary, 8 * width)),
    }


def with_arithmetic(
    rule: Tuning, operators: Iterable[Operator], gain: Callable[[Operator], float], time_left: Callable[[], bool]
) -> Tuning:
    """Return the rule with the other arithmetic where that takes clearly less time.

    Args:
        rule: what holds else.
        operators: to be measured, while there is time.
        gain: measures an operator: the time that the other arithmetic takes, over that of the rule's.
        time_left: whether to go on.

    """
    other: list[Operator] = []
    for operator in operators:
        if not time_left():
            return replace(rule, other=tuple(other), how="rule in part")
        if gain(operator) <= CLEAR:
            other.append(operator)
    return replace(rule, other=tuple(other), how="measured")


def enough_threads(times_s: Mapping[int, float]) -> int:
    """Return the most threads of which each step up makes a product clearly faster; `times_s` by threads, from 1 on."""
    best, *more = sorted(times_s)
    for count in more:
        if times_s[count] > CLEAR * times_s[best]:
            break
        best = count
    return best


def _opposite(arithmetic: Arithmetic) -> Arithmetic:
    return "int8" if arithmetic == "float32" else "float32"

"""The operators of the device, and their encoding as a stream of 32-bit words."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from amanuensis.kernels.operands import Buffer, Count, Dtype, Epilogue, Parameter, Region
from amanuensis.kernels.operators import (
    AddRows,
    Attention,
    CopyRows,
    Embed,
    EnergyGate,
    GemmBf16,
    GemmInt8,
    GemmRequantise,
    Im2col,
    LayerNorm,
    Nop,
    Operator,
    QuantiseRows,
    Select,
)
from amanuensis.kernels.words import OpError, WordReader, write

__all__ = [
    "OPERATORS",
    "AddRows",
    "Attention",
    "Buffer",
    "CopyRows",
    "Count",
    "Dtype",
    "Embed",
    "EnergyGate",
    "Epilogue",
    "GemmBf16",
    "GemmInt8",
    "GemmRequantise",
    "Im2col",
    "LayerNorm",
    "Nop",
    "OpError",
    "Operator",
    "Parameter",
    "QuantiseRows",
    "Region",
    "Select",
    "decode",
    "encode",
]

STREAM_MAGIC: Final = 0x31534D41  # "AMS1" in a little-endian dump
MAX_OPERATORS: Final = 4096
_HEADER_WORDS: Final = 3


_KINDS: Final[tuple[type[Operator], ...]] = (
    Nop,
    Im2col,
    LayerNorm,
    QuantiseRows,
    GemmInt8,
    GemmRequantise,
    GemmBf16,
    AddRows,
    Embed,
    Attention,
    CopyRows,
    Select,
    EnergyGate,
)  # the place in this tuple is the code in the stream: new kinds go to the end
OPERATORS: Final = tuple(kind.__name__ for kind in _KINDS)


def encode(operators: Iterable[Operator]) -> NDArray[np.uint32]:
    """Return the stream of a sequence: magic, number of words, number of operators, then each operator.

    Raises:
        OpError: too many operators, or a value that its word cannot hold.

    """
    sequence = tuple(operators)
    if len(sequence) > MAX_OPERATORS:
        raise OpError(f"a stream of {len(sequence)} operators; at most {MAX_OPERATORS} are allowed")
    words = [STREAM_MAGIC, 0, len(sequence)]
    for operator in sequence:
        start = len(words)
        words.append(0)
        write(words, type(operator), operator, type(operator).__name__)
        words[start] = _KINDS.index(type(operator)) << 16 | len(words) - start
    words[1] = len(words)
    return np.array(words, np.uint32)


def decode(words: NDArray[np.uint32]) -> tuple[Operator, ...]:
    """Return the sequence of a stream.

    Raises:
        OpError: the words are not a stream of `encode`.

    """
    if len(words) < _HEADER_WORDS or int(words[0]) != STREAM_MAGIC:
        raise OpError(f"these {len(words)} words are no stream of operators: the first one is not {STREAM_MAGIC:#x}")
    if int(words[1]) != len(words):
        raise OpError(f"the stream says it has {int(words[1])} words, and {len(words)} were given")
    if int(words[2]) > MAX_OPERATORS:
        raise OpError(f"the stream says it has {int(words[2])} operators; at most {MAX_OPERATORS} are allowed")
    reader = WordReader(words.tolist())
    reader.place = _HEADER_WORDS
    operators = tuple(_read_operator(reader, place) for place in range(int(words[2])))
    if reader.place != len(words):
        raise OpError(f"the stream has {len(words) - reader.place} words after its last operator")
    return operators


def _read_operator(reader: WordReader, place: int) -> Operator:
    start = reader.place
    code, length = divmod(reader.next(f"operator {place}"), 1 << 16)
    if code >= len(_KINDS):
        raise OpError(f"operator {place} has the code {code}; allowed are 0 to {len(_KINDS) - 1}")
    operator: Operator = reader.read(_KINDS[code], f"operator {place}, {OPERATORS[code]}")
    if reader.place - start != length:
        raise OpError(
            f"operator {place}, {OPERATORS[code]}, takes {reader.place - start} words; the stream says {length}"
        )
    return operator

"""Streams of operators: round trips, garbage, values that no operator allows."""

from __future__ import annotations

import dataclasses
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from amanuensis.kernels import ops
from amanuensis.kernels.ops import (
    OPERATORS,
    Attention,
    Buffer,
    CopyRows,
    Epilogue,
    GemmBf16,
    GemmInt8,
    Im2col,
    Nop,
    Operator,
    OpError,
    Parameter,
    QuantiseRows,
    Region,
    Select,
    decode,
    encode,
)
from tests.kernels.figures import PATIENT

PARAMETERS = st.builds(Parameter, st.integers(0, 255), st.integers(0, 1 << 20))
REGIONS = st.builds(Region, st.integers(0, 4), st.integers(0, 1 << 40), st.none() | PARAMETERS, st.integers(0, 1 << 40))
MAYBE_REGIONS = st.none() | REGIONS
COUNTS = st.integers(0, 4096) | PARAMETERS
EIGHTS = st.integers(1, 512).map(lambda n: 8 * n)
EPILOGUES = st.builds(Epilogue, st.booleans(), MAYBE_REGIONS, st.sampled_from(["bf16", "f32"]))
SEQUENCES = st.lists(
    st.one_of(
        st.builds(Nop),
        st.builds(QuantiseRows, REGIONS, REGIONS, REGIONS, COUNTS, EIGHTS, MAYBE_REGIONS),
        st.builds(
            GemmInt8, REGIONS, REGIONS, REGIONS, REGIONS, MAYBE_REGIONS, REGIONS, COUNTS, EIGHTS, EIGHTS, EPILOGUES
        ),
        st.builds(GemmBf16, REGIONS, REGIONS, MAYBE_REGIONS, REGIONS, COUNTS, EIGHTS, EIGHTS, EPILOGUES),
        st.builds(
            Attention,
            REGIONS,
            REGIONS,
            REGIONS,
            REGIONS,
            COUNTS,
            COUNTS,
            st.integers(8, 20),
            EIGHTS,
            st.booleans(),
            COUNTS,
            st.floats(-4, 4, width=32),
            MAYBE_REGIONS,
            st.lists(st.integers(0, 7), min_size=1, max_size=8).map(tuple),
            st.integers(1, 2048),
        ),
    ),
    max_size=12,
)


@PATIENT
@given(SEQUENCES)
def test_what_is_encoded_is_decoded(sequence: list[Operator]) -> None:
    """Decoding gives back exactly the operators that were encoded."""
    words = encode(sequence)
    assert words.dtype == np.uint32
    assert decode(words) == tuple(sequence)


def example_of(kind: type) -> Any:
    """Return an operator of the kind with plain values of every field."""
    values: dict[str, Any] = {}
    for field in dataclasses.fields(kind):
        if field.default is dataclasses.MISSING:
            plain = {"float": 0.5, "bool": True, "int": 8, "Count": 8}
            values[field.name] = plain.get(str(field.type), Region(0, 64))
    special = {Im2col: {"k_padded": 24}, Select: {"timestamp_begin": 8, "eot": 7, "no_speech": -1}}
    return kind(**(values | special.get(kind, {})))


@pytest.mark.parametrize("kind", get_args(ops.Operator))
def test_every_operator_has_a_code(kind: type) -> None:
    """Each kind of operator goes into a stream and comes back the same."""
    operator = example_of(kind)
    assert kind.__name__ in OPERATORS
    assert decode(encode([operator, Nop()])) == (operator, Nop())


@PATIENT
@given(SEQUENCES.filter(len), st.data())
def test_changed_words_are_refused_or_another_sequence(sequence: list[Operator], data: st.DataObject) -> None:
    """A changed word never passes unnoticed, and never ends in another error than OpError."""
    words = encode(sequence)
    place = data.draw(st.integers(0, len(words) - 1))
    words[place] ^= np.uint32(data.draw(st.integers(1, (1 << 32) - 1)))
    try:
        again = decode(words)
    except OpError:
        return
    assert repr(again) != repr(tuple(sequence))  # by repr: NaN differs from itself


@PATIENT
@given(st.lists(st.integers(0, (1 << 32) - 1), max_size=64))
def test_garbage_is_refused(garbage: list[int]) -> None:
    """Words that nobody encoded raise OpError, with and without a true header."""
    words = np.array(garbage, np.uint32)
    with pytest.raises(OpError):
        decode(words)
    with pytest.raises(OpError):
        decode(np.concatenate([np.array([ops.STREAM_MAGIC, len(garbage) + 3, 200], np.uint32), words]))


def test_truncated_streams_are_refused() -> None:
    """Every prefix of a stream is refused, also one whose header was made to fit."""
    words = encode([QuantiseRows(Region(0, 0), Region(1, 0), Region(1, 64), 4, 8)])
    for length in range(len(words)):
        with pytest.raises(OpError):
            decode(words[:length])
        if length > 2:
            forged = words[:length].copy()
            forged[1] = length
            with pytest.raises(OpError):
                decode(forged)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Parameter(256), "parameter 256 does not exist; there are 0 to 255"),
        (lambda: Region(5, 0), "buffer 5; there are 0 to 4"),
        (lambda: Region(Buffer.SCRATCH, -64), "offset -64"),
        (lambda: CopyRows(Region(0, 0), Region(1, 0), 1, 64, 32, 64), "rows of 64 bytes at 32 and 64"),
        (lambda: QuantiseRows(Region(0, 0), Region(1, 0), Region(2, 0), 1, 12), "QuantiseRows.width is 12; .* of 8"),
        (lambda: Im2col(Region(0, 0), Region(1, 0), 4, 4, 80, 1, 232), "k_padded is 232; it must hold 3 \\* 80"),
        (lambda: dataclasses.replace(example_of(Attention), kept_heads=(8,)), "there are heads 0 to 7"),
        (lambda: dataclasses.replace(example_of(Attention), scale=float("nan")), "must be finite"),
        (lambda: dataclasses.replace(example_of(Attention), probabilities=Region(4, 0)), "needs kept_heads"),
        (lambda: dataclasses.replace(example_of(Select), eot=8), "eot 8, timestamps from 8"),
    ],
)
def test_operators_refuse_what_they_cannot_be(build: Any, message: str) -> None:
    """A value out of range is named at the time the operator is made."""
    with pytest.raises(OpError, match=message):
        build()

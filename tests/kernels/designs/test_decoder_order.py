"""Orders and moves of the decoder's configuration: packing, cutting, bounds."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amanuensis.kernels.designs.decoder_array import FIELDS, PACKED_WORDS, Word
from amanuensis.kernels.designs.decoder_order import ITERATIONS, STEP_WORDS, WRAP, Move, checked, packed
from amanuensis.kernels.designs.decoder_place import Place, padding, run_of
from amanuensis.kernels.designs.launch import LaunchError
from amanuensis.kernels.operators import Nop
from tests.kernels.figures import PATIENT


def words_of(move: Move) -> list[int]:
    """Return the words that a move touches, in order."""
    ranges = [range(size) for size, _ in move.dims]
    return [move.start + sum(i * s for i, (_, s) in zip(at, move.dims, strict=True)) for at in product(*ranges)]


@PATIENT
@given(
    st.lists(st.tuples(st.integers(1, 9), st.integers(1, 40)), max_size=2), st.tuples(st.integers(1, 300), st.just(0))
)
def test_what_is_cut_does_the_same(inner: list[tuple[int, int]], outer: tuple[int, int]) -> None:
    """Repetitions beyond what a task can do become several tasks, in the same order."""
    move = Move("loads", 3, 5, (outer, *inner, (4, 1)))
    parts = list(move.cut())
    assert [word for part in parts for word in words_of(part)] == words_of(move)
    assert all(part.dims[0][0] <= ITERATIONS for part in parts if part.dims[0][1] == 0)


def test_far_steps_become_tasks_of_their_own() -> None:
    """A stride that no descriptor holds, as between rows of the vocabulary's weights."""
    move = Move("blocks", 0, 0, ((3, STEP_WORDS + 1), (4, 128), (16, 200), (128, 1)))
    assert [part.start for part in move.cut()] == [0, STEP_WORDS + 1, 2 * (STEP_WORDS + 1)]
    assert [part.dims for part in move.cut()] == [((4, 128), (16, 200), (128, 1))] * 3


def test_long_runs_are_two_sizes() -> None:
    """A row of a cache is longer than a size of a descriptor may be; alone it needs none."""
    assert run_of(1000) == ((1000, 1),)
    (count, step), (inner, one) = run_of(3072)
    assert count * inner == 3072
    assert (step, one) == (inner, 1)
    assert inner <= WRAP


def test_padding_reads_the_parameters() -> None:
    """They are there in every dispatch: 256 words, again and again."""
    assert sum(move.words for move in padding("loads", 600)) == 600
    assert all(move.end <= 256 for move in padding("loads", 600))
    assert padding("loads", 0) == []


def test_fields_of_an_order_do_not_overlap() -> None:
    """Each word of an order has bits of its own, below the sign."""
    taken = [0] * PACKED_WORDS
    for word, (place, shift, bits) in FIELDS.items():
        mask = ((1 << bits) - 1) << shift
        assert not taken[place] & mask, word
        assert mask < 1 << 31
        taken[place] |= mask


def test_a_value_beyond_its_bits_is_refused() -> None:
    """The message names the word, the value and the limit; the largest that fits passes."""
    assert packed({Word.STEPS: 31}) == {2: 31 << 16}
    with pytest.raises(LaunchError, match="STEPS of an order is 32; the decoder takes 0 to 31"):
        packed({Word.STEPS: 32})


def test_moves_stay_in_their_buffer() -> None:
    """The last word of a buffer may be read, the next one not."""
    inside = Place(1, 60).move("loads", 0, (4, 1))
    checked(Nop(), [inside], [0, 256])
    with pytest.raises(LaunchError, match="Nop: whole objects of loads take words 61 to 65 of buffer 1, which has 64"):
        checked(Nop(), [Place(1, 60).move("loads", 1, (4, 1))], [0, 256])

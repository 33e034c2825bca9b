"""What varies in the words of a launch: patched words are those that would have been made at these very values."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from functools import cache

import numpy as np
import pytest

from amanuensis.kernels.compile.errors import CompileError
from amanuensis.kernels.compile.patches import (
    BYTES,
    HEADER_WORDS,
    OPERATIONS,
    PatchError,
    Patches,
    Words,
    chained,
    derived,
    settings_of,
)
from amanuensis.kernels.compile.template import FIRST_BYTES, Template, bound
from amanuensis.kernels.compile.work import DESIGNS, Places, launched, load_designs
from amanuensis.kernels.operands import Epilogue, Parameter, Region
from amanuensis.kernels.operators import Attention, CopyRows, Embed, GemmInt8, Im2col, LayerNorm, Operator
from amanuensis.kernels.sim.iron import NPU1
from amanuensis.kernels.sim.stream import assembled

TRIES = 12
ROWS, FIRST, KEYS, SLOT = Parameter(0, 32), Parameter(1, 447), Parameter(2, 448), Parameter(6, 15)
WIDTH = 256


def scratch(kib: int) -> Region:
    """Return a place in SCRATCH."""
    return Region(1, kib << 10)


def weights(kib: int) -> Region:
    """Return a place in WEIGHTS."""
    return Region(0, kib << 10)


CACHED = [Region(2, skip, SLOT, 448 * 1024) for skip in (0, 512)]
RESIDUAL = Epilogue(residual=scratch(0), out="f32")
LAUNCHES: dict[str, tuple[str, tuple[Operator, ...]]] = {
    "cached attention": (
        "decoder",
        (
            Attention(
                scratch(0), *CACHED, scratch(64), ROWS, KEYS, 4, 64, True, FIRST, 0.125, q_pitch=1536, kv_pitch=1024
            ),
        ),
    ),
    "kept probabilities": (
        "decoder",
        (
            Attention(
                *(scratch(0), scratch(64), scratch(1024), scratch(2048), ROWS, Parameter(3, 256), 4, 64, False, 0),
                *(0.125, Region(4, 64), (0, 2), 256),
            ),
        ),
    ),
    "norm, product and append": (
        "decoder",
        (
            LayerNorm(scratch(0), scratch(64), weights(0), weights(1), ROWS, WIDTH),
            GemmInt8(
                *(scratch(128), scratch(192), weights(2), weights(128), weights(130), scratch(0)),
                *(ROWS, WIDTH, WIDTH, RESIDUAL),
            ),
            CopyRows(scratch(64), Region(2, 0, Parameter(7, 7000), 2048), ROWS, 1024, 1536, 2048),
        ),
    ),
    "embedding": (
        "decoder",
        (Embed(Region(3, 1024), weights(0), weights(4096), scratch(0), ROWS, FIRST, WIDTH, 2000, 448),),
    ),
    "encoder's attention": (
        "attention",
        (Attention(*map(scratch, (0, 400, 800, 1200)), 256, Parameter(3, 256), 4, 64, False, 0, 0.125),),
    ),
    "matrix of a convolution": (
        "products",
        (Im2col(scratch(0), scratch(1024), Parameter(4, 512), 256, WIDTH, 2, 3 * WIDTH, "bf16"),),
    ),
}
BUFFER_BYTES = (8 << 20, 8 << 20, 16 << 20, 1 << 20, 4 << 20)


@cache
def _designs() -> dict[str, object]:
    return dict(load_designs(DESIGNS))


def made(template: Template, setting: Sequence[int]) -> Words:
    """Return the words of a launch at a setting, as the design makes them."""
    operators, memory = Places(BUFFER_BYTES).operands(template, setting)
    design = _designs()[template.configuration]
    return assembled(launched(design, operators, memory, NPU1()).program)  # type: ignore[arg-type]


def drawn(template: Template, draw: random.Random) -> tuple[int, ...]:
    """Return any setting that the launch takes."""
    return tuple(
        FIRST_BYTES + 64 * draw.randrange(4000) if v.kind == "base" else draw.randint(v.least, v.most)
        for v in template.variables
    )


@pytest.mark.parametrize("name", LAUNCHES)
@pytest.mark.parametrize("rows", [1, 8, 32])
def test_patched_words_are_those_of_the_values(name: str, rows: int) -> None:
    """At random bases, parameters and ids, every word; the sizes only choose the launch."""
    configuration, operators = LAUNCHES[name]
    found = bound(configuration, operators, {0: rows, 2: 128})
    assert found is not None
    template = found.template
    constants, patches = derived(template, [made(template, setting) for setting in settings_of(template)])
    again = Patches.from_bytes(patches.to_bytes(), constants.size, len(template.variables))
    draw = random.Random(len(name) + rows)
    for _ in range(TRIES):
        setting = drawn(template, draw)
        values = [template.value(*pair) for pair in zip(template.variables, setting, strict=True)]
        assert np.array_equal(again.apply(constants, values), made(template, setting))
    assert patches.at.size


def streams(template: Template, word: object) -> Iterator[Words]:
    """Yield streams of one word behind the header, a function of base and parameter."""
    for base, parameter in settings_of(template):
        body = word(base, parameter)  # type: ignore[operator]
        yield np.array([1, 4, 1, 20, *body], np.uint32)[: HEADER_WORDS + len(body)]


SLOTTED = CopyRows(Region(2, 0, SLOT, 4096), Region(2, 1 << 20), 1, 64, 64, 64)


@pytest.mark.parametrize(
    ("word", "message"),
    [
        (lambda _, slot: [slot * slot], r"word 4 is not affine"),
        (lambda base, _: [base // 128], r"word 4 is not affine in the bases"),
        (lambda base, slot: [base * slot % (1 << 32)], r"word 4 is not affine"),
        (lambda _, slot: [0] * (1 + slot), r"20 words at \(1024, 15\), and 5 at"),
    ],
)
def test_what_is_not_affine_is_refused_when_it_is_built(word: object, message: str) -> None:
    """The error names the launch, the word and the setting or the variable."""
    found = bound("decoder", (SLOTTED,), {})
    assert found is not None
    with pytest.raises(CompileError, match=message) as error:
        derived(found.template, list(streams(found.template, word)))
    assert str(error.value).startswith("CopyRows on decoder: ")


def test_words_wrap_as_those_of_the_device() -> None:
    """A negative value in a word, and fields side by side, are sums modulo 2**32."""
    found = bound("decoder", (SLOTTED,), {})
    assert found is not None
    wanted = [[(base - 5000 + (slot << 20)) % (1 << 32)] for base, slot in settings_of(found.template)]
    made_streams = [np.array([1, 4, 1, 20, *body], np.uint32) for body in wanted]
    constants, patches = derived(found.template, made_streams)
    assert patches.apply(constants, [64, 3])[4] == (64 - 5000 + (3 << 20)) % (1 << 32)


def test_damaged_patches_are_refused() -> None:
    """Of half a row, or of words and variables that the launch has not."""
    patches = Patches(*(np.array([value], np.int32) for value in (9, 1, 4)))
    data = patches.to_bytes()
    assert Patches.from_bytes(data, 10, 2).coefficients.tolist() == [4]
    for n_words, n_variables, message in ((9, 2, "patch of word 9"), (10, 1, "patch of variable 1")):
        with pytest.raises(PatchError, match=message):
            Patches.from_bytes(data, n_words, n_variables)
    with pytest.raises(PatchError, match="11 bytes; a multiple of 12"):
        Patches.from_bytes(data[:-1], 10, 2)


def test_launches_follow_one_another_in_one_stream() -> None:
    """Operations and bytes are those of all, and one header is left."""
    one, two = np.array([7, 4, 2, 24, 1, 2], np.uint32), np.array([7, 4, 1, 20, 3], np.uint32)
    joined = chained([one, two])
    assert joined.tolist() == [7, 4, 3, 28, 1, 2, 3]
    assert (joined[OPERATIONS], joined[BYTES]) == (3, joined.nbytes)
    with pytest.raises(PatchError, match="20 bytes say that they have 24"):
        chained([one[:-1]])
    with pytest.raises(PatchError, match="no header"):
        chained([one[:2]])
    with pytest.raises(PatchError, match="two kinds of device"):
        chained([one, np.array([8, 4, 1, 20, 3], np.uint32)])

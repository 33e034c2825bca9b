"""Blind mutation of seeds by a fixed rule, for the sample in `make test`."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Final

EDGES: Final = (
    *(b"\x00", b"\xff", b"\x7f", b"\x80", b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f"),
    *(b"-1", b"1e999", b"NaN", b"null", b"true", b"[]", b"{}", b"[[", b'"', b"\\ud800", b"\xf0\x9f\x92\xa9"),
)


def inputs(seeds: list[bytes], count: int, max_bytes: int, seed: int) -> Iterator[bytes]:
    """Yield the seeds, then mutations of them, `count` in all."""
    yield from islice(seeds, count)
    draw = random.Random(seed)
    for _ in range(count - len(seeds)):
        data = bytearray(draw.choice(seeds))
        for _ in range(draw.randint(1, 4)):
            draw.choice(CHANGES)(data, draw, seeds)
        yield bytes(data[:max_bytes])


def _flip(data: bytearray, draw: random.Random, seeds: list[bytes]) -> None:
    if data:
        data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)


def _cut(data: bytearray, draw: random.Random, seeds: list[bytes]) -> None:
    start = draw.randrange(len(data) + 1)
    del data[start : start + draw.randint(1, 16)]


def _truncate(data: bytearray, draw: random.Random, seeds: list[bytes]) -> None:
    del data[draw.randrange(len(data) + 1) :]


def _edge(data: bytearray, draw: random.Random, seeds: list[bytes]) -> None:
    edge, start = draw.choice(EDGES), draw.randrange(len(data) + 1)
    data[start : start + draw.choice((0, len(edge)))] = edge


def _digits(data: bytearray, draw: random.Random, seeds: list[bytes]) -> None:
    """Put another number where there is one in decimal digits."""
    places = [k for k, byte in enumerate(data) if 48 <= byte <= 57]
    if places:
        start = draw.choice(places)
        data[start : start + draw.randint(1, 3)] = str(draw.choice((0, -1, 7, 10**9, 2**63, 2**64))).encode()


def _splice(data: bytearray, draw: random.Random, seeds: list[bytes]) -> None:
    other = draw.choice(seeds)
    start, length = draw.randrange(len(other) + 1), draw.randint(1, 64)
    at = draw.randrange(len(data) + 1)
    data[at:at] = other[start : start + length]


CHANGES: Final[tuple[Callable[[bytearray, random.Random, list[bytes]], None], ...]] = (
    _flip,
    _flip,
    _cut,
    _truncate,
    _edge,
    _digits,
    _splice,
)

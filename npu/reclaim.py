"""Gives memory back to the system that this process has used but does not need: after the start, and after a burst.

Opening a model runs through some 20 MB of code that is not needed again (the readers, checkers and optimisers of ONNX
Runtime), and leaves holes in the heap. The kernel takes both only when memory is short; here they go at once. Pages of
files come back from the page cache when they are touched after all.
"""

from __future__ import annotations

import contextlib
import ctypes
import mmap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

SMAPS: Final = Path("/proc/self/smaps")
LEAST_KB: Final = 256  # of a mapping that is worth a call
LARGE_BYTES: Final = 1 << 20
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # glibc's malloc.h


@dataclass(frozen=True, slots=True)
class Mapping:
    """A run of pages of this process.

    Attributes:
        start, stop: addresses.
        rights: as proc(5) writes them, such as `r-xp`.
        path: of the file; "" where there is none.
        resident_kb: pages that are in memory.
        own_kb: pages, in memory or swapped out, that differ from the file and would be lost.

    """

    start: int
    stop: int
    rights: str
    path: str
    resident_kb: int
    own_kb: int

    @property
    def is_unchanged_code(self) -> bool:
        """Whether all its pages can be had again from a file that is only read."""
        in_file = self.path.startswith("/") and not self.path.startswith("/dev/")
        return in_file and self.rights in ("r-xp", "r--p") and self.own_kb == 0


def mappings(lines: Iterable[str]) -> Iterator[Mapping]:
    """Yield the mappings that the lines of `smaps` tell of."""
    head: list[str] = []
    sizes: dict[str, int] = {}
    for line in lines:
        words = line.split(maxsplit=5)
        if words[0].endswith(":"):
            sizes[words[0]] = int(words[1]) if words[1].isdecimal() else 0
            continue
        if head:
            yield _mapping(head, sizes)
        head, sizes = words, {}
    if head:
        yield _mapping(head, sizes)


def _mapping(head: list[str], sizes: dict[str, int]) -> Mapping:
    start, _, stop = head[0].partition("-")
    path = head[5].strip() if len(head) > 5 else ""
    own_kb = sizes.get("Anonymous:", 0) + sizes.get("Swap:", 0)
    return Mapping(int(start, 16), int(stop, 16), head[1], path, sizes.get("Rss:", 0), own_kb)


def give_back_start() -> int:
    """Let go of the code that the start has run through and of free pages of the heap; return the kB of code."""
    trim_heap()
    given_kb = 0
    with contextlib.suppress(OSError), SMAPS.open(encoding="utf-8", errors="replace") as lines:
        for one in list(mappings(lines)):
            if one.is_unchanged_code and one.resident_kb >= LEAST_KB and _let_go(one):
                given_kb += one.resident_kb
    return given_kb


def keep_large_blocks_apart() -> None:
    """Let blocks of LARGE_BYTES and more go back at once when they are freed, whatever their size.

    By itself glibc raises that limit to the largest block that it has seen freed, up to 32 MB: from then on the second
    looks at the voices of a long session would lie in the heap and leave it full of holes.
    """
    with contextlib.suppress(AttributeError):
        libc = ctypes.CDLL(None)
        for setting in (M_MMAP_THRESHOLD, M_TRIM_THRESHOLD):
            libc.mallopt(setting, LARGE_BYTES)


def trim_heap() -> None:
    """Return free pages of the heap; does nothing where the C library is not glibc."""
    with contextlib.suppress(AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def _let_go(one: Mapping) -> bool:
    size = ctypes.c_size_t(one.stop - one.start)
    return bool(ctypes.CDLL(None).madvise(ctypes.c_void_p(one.start), size, mmap.MADV_DONTNEED) == 0)

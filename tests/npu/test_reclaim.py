"""Tests of npu/reclaim.py."""

import subprocess
import sys

from amanuensis.npu.reclaim import Mapping, mappings

SMAPS = """\
7f0000000000-7f0000200000 r-xp 00001000 fe:00 77 /usr/lib/a library.so
Size:               2048 kB
Rss:                1024 kB
Anonymous:             0 kB
VmFlags: rd ex mr mw me
7f0000200000-7f0000201000 r--p 00201000 fe:00 77 /usr/lib/a library.so
Rss:                   4 kB
Anonymous:             4 kB
7f0000202000-7f0000300000 r--p 00202000 fe:00 77 /usr/lib/a library.so
Rss:                 512 kB
Anonymous:             0 kB
Swap:                  8 kB
7f0000300000-7f0000400000 rw-p 00000000 00:00 0
Rss:                 512 kB
Anonymous:           512 kB
7f0000500000-7f0000600000 r--p 00000000 00:05 9 /dev/accel/accel0
Rss:                1024 kB
Anonymous:             0 kB
"""

GIVES_BACK = """
from amanuensis.npu.reclaim import SMAPS, give_back_start, mappings
import numpy, ssl

def resident_kb():
    return sum(one.resident_kb for one in mappings(SMAPS.read_text().splitlines()) if one.is_unchanged_code)

before_kb = resident_kb()
given_kb = give_back_start()
assert given_kb > before_kb // 2, (given_kb, before_kb)
assert resident_kb() < before_kb * 3 // 4, (resident_kb(), before_kb)
assert numpy.allclose(numpy.linalg.inv(numpy.eye(9) * 2), numpy.eye(9) / 2)
ssl.create_default_context()
"""

HEAP = """
from amanuensis.npu.reclaim import SMAPS, keep_large_blocks_apart, mappings, trim_heap
import numpy

def heap_kb():
    return sum(one.resident_kb for one in mappings(SMAPS.read_text().splitlines()) if one.path == "[heap]")

keep_large_blocks_apart()
small_kb = heap_kb()
del_me = numpy.ones(3 << 20)
del del_me
kept = numpy.ones(2 << 20)  # smaller than what was freed: would lie in the heap now
assert heap_kb() - small_kb < 8 << 10, (small_kb, heap_kb())
holes = [bytes(50_000) for _ in range(400)]
last = bytes(50_000)
full_kb = heap_kb()
del holes
trim_heap()
assert heap_kb() < full_kb - (16 << 10), (full_kb, heap_kb())
"""


def test_only_unchanged_pages_of_files_are_given_back() -> None:
    """Code may go; pages that differ from their file, also swapped out, or are of no file or a device must stay."""
    code, changed, swapped, heap, device = mappings(SMAPS.splitlines())
    assert code == Mapping(0x7F0000000000, 0x7F0000200000, "r-xp", "/usr/lib/a library.so", 1024, 0)
    assert code.is_unchanged_code
    assert (changed.path, changed.own_kb, heap.path) == ("/usr/lib/a library.so", 4, "")
    assert (swapped.resident_kb, swapped.own_kb) == (512, 8)
    assert not any(one.is_unchanged_code for one in (changed, swapped, heap, device))


def test_a_process_goes_on_with_less_memory() -> None:
    """What libraries have needed to load leaves the memory, and they work as before."""
    done = subprocess.run([sys.executable, "-c", GIVES_BACK], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_heap_stays_small() -> None:
    """Large blocks lie beside the heap after larger ones were freed too, and free pages inside it are returned."""
    done = subprocess.run([sys.executable, "-c", HEAP], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr

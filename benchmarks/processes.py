"""What a process and its descendants cost: CPU seconds and memory, from /proc (proc(5))."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Memory:
    """Memory of some processes in MB (1024 * 1024 bytes)."""

    rss_mb: float  # resident; pages that several share are counted once for each
    pss_mb: float  # proportional: pages that several share are counted once


def family(pid: int) -> list[int]:
    """Return a process and its descendants; those that end meanwhile may be missing."""
    found = [pid]
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            listed = children.read_text().split()
        except OSError:
            continue
        for child in listed:
            found += family(int(child))
    return found


def memory(pid: int) -> Memory:
    """Return the memory of a process and its descendants."""
    kilobytes = [_rollup_kb(member) for member in family(pid)]
    return Memory(sum(rss for rss, _ in kilobytes) / 1024, sum(pss for _, pss in kilobytes) / 1024)


def cpu_seconds(pid: int) -> float:
    """Return the CPU seconds, of user and system, that a process, its descendants and those that ended have used."""
    return sum(_cpu_ticks(member) for member in family(pid)) / TICKS_PER_S


def _rollup_kb(pid: int) -> tuple[int, int]:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0, 0
    sizes = {line.split(":")[0]: int(line.split()[1]) for line in lines[1:]}
    return sizes.get("Rss", 0), sizes.get("Pss", 0)


def _cpu_ticks(pid: int) -> int:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return 0
    fields = stat.rpartition(")")[2].split()  # the name before it may hold spaces
    return sum(int(field) for field in fields[11:15])  # utime, stime, cutime, cstime

"""What this machine's CPU offers to the CPU back end and to the training."""

from __future__ import annotations

import os
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")
INT8_DOT_FLAGS = frozenset({"avx512_vnni", "avx_vnni", "asimddp"})  # x86 and ARM: dot products of int8 in one step
BFLOAT16_FLAGS = frozenset({"avx512_bf16", "amx_bf16", "bf16"})
MAX_WINDOWS = 4  # decoded side by side, each with key-value buffers of its own
MAX_AUTO_THREADS = 4  # more gain little on one window and take cores from the rest of the machine


def cpu_model(cpuinfo: Path = CPUINFO) -> str:
    """Return the name that the processor gives itself, or "unknown"."""
    try:
        lines = cpuinfo.read_text(encoding="utf-8").splitlines()
    except OSError:
        return "unknown"
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")


def cpu_generation(cpuinfo: Path = CPUINFO) -> str:
    """Return the processor's name with family and model, where there are such: several generations may share a name."""
    try:
        first = cpuinfo.read_text(encoding="utf-8").partition("\n\n")[0]
    except OSError:
        return cpu_model(cpuinfo)
    fields = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in first.splitlines())}
    numbers = [f"{name.removeprefix('cpu ')} {fields[name]}" for name in ("cpu family", "model") if name in fields]
    return ", ".join([cpu_model(cpuinfo), *numbers])


def has_int8_dot(cpuinfo: Path = CPUINFO) -> bool:
    """Return whether int8 products are exact and fast here; False when the CPU does not say."""
    return not INT8_DOT_FLAGS.isdisjoint(_flags(cpuinfo))


def has_bfloat16(cpuinfo: Path = CPUINFO) -> bool:
    """Return whether products of bfloat16 are fast here; elsewhere they are far slower than float32."""
    return not BFLOAT16_FLAGS.isdisjoint(_flags(cpuinfo))


def _flags(cpuinfo: Path) -> frozenset[str]:
    """Return what the first core says that it can do; nothing when it does not say."""
    try:
        lines = cpuinfo.read_text(encoding="utf-8").splitlines()
    except OSError:
        return frozenset()
    fields = ((key.strip(), value) for key, _, value in (line.partition(":") for line in lines))
    return frozenset(next((value for key, value in fields if key in ("flags", "Features")), "").split())


def physical_cores(cpuinfo: Path = CPUINFO) -> int:
    """Return the cores that this process may use, hyper-threads counted once; at least 1."""
    allowed = len(os.sched_getaffinity(0))
    try:
        blocks = cpuinfo.read_text(encoding="utf-8").split("\n\n")
    except OSError:
        return allowed
    cores = set()
    for block in blocks:
        fields = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in block.splitlines())}
        if "core id" in fields:
            cores.add((fields.get("physical id"), fields["core id"]))
    return max(1, min(allowed, len(cores) or allowed))


def windows_at_once(threads: int) -> int:
    """Return how many windows of so many threads each the cores take at once; at least 1."""
    return max(1, min(MAX_WINDOWS, physical_cores() // threads))


def auto_threads() -> int:
    """Return the threads to compute with when the user names none: a core is left to capture and the server."""
    return min(MAX_AUTO_THREADS, max(1, physical_cores() - 1))

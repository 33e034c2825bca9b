"""What is read from /proc/cpuinfo."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from amanuensis.npu.cpu_features import (
    MAX_AUTO_THREADS,
    MAX_WINDOWS,
    auto_threads,
    cpu_generation,
    has_bfloat16,
    has_int8_dot,
    physical_cores,
    windows_at_once,
)

LAPTOP = "".join(
    f"processor\t: {k}\nphysical id\t: 0\ncore id\t: {k // 2}\nflags\t\t: fpu sse2 avx2 {{flag}}\n\n" for k in range(4)
)


@pytest.fixture
def cpuinfo(tmp_path: Path) -> Path:
    """A machine of two cores with two threads each."""
    path = tmp_path / "cpuinfo"
    path.write_text(LAPTOP.format(flag="avx_vnni"))
    return path


@pytest.mark.parametrize(("flag", "expected"), [("avx_vnni", True), ("avx512_vnni", True), ("avx512f", False)])
def test_vnni_is_found_in_the_flags(cpuinfo: Path, flag: str, expected: bool) -> None:
    """Int8 is chosen by the flags that stand for int8 dot products."""
    cpuinfo.write_text(LAPTOP.format(flag=flag))
    assert has_int8_dot(cpuinfo) is expected


@pytest.mark.parametrize(("flag", "expected"), [("avx512_bf16", True), ("amx_bf16", True), ("avx512f", False)])
def test_bfloat16_is_found_in_the_flags(cpuinfo: Path, flag: str, expected: bool) -> None:
    """The training takes bfloat16 only where products of it are an instruction."""
    cpuinfo.write_text(LAPTOP.format(flag=flag))
    assert has_bfloat16(cpuinfo) is expected
    assert has_bfloat16(cpuinfo.parent / "nothing") is False


def test_a_generation_has_family_and_model(tmp_path: Path) -> None:
    """Two generations of one name differ; what gives no numbers is told by its name alone, or as unknown."""
    path = tmp_path / "cpuinfo"
    assert cpu_generation(path) == "unknown"
    path.write_text("processor\t: 0\nBogoMIPS\t: 48.00\n\n")
    assert cpu_generation(path) == "unknown"
    path.write_text("processor\t: 0\ncpu family\t: 26\nmodel\t\t: 2\nmodel name\t: AMD EPYC\n\nprocessor\t: 1\n")
    assert cpu_generation(path) == "AMD EPYC, family 26, model 2"


def test_threads_of_a_core_count_once(cpuinfo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four hyper-threads are two cores."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(4)))
    assert physical_cores(cpuinfo) == 2


def test_unreadable_cpuinfo_is_no_error(tmp_path: Path) -> None:
    """Without /proc the CPU is taken as plain, with as many cores as the process may use."""
    assert has_int8_dot(tmp_path / "nothing") is False
    assert physical_cores(tmp_path / "nothing") == len(os.sched_getaffinity(0))


def test_auto_threads_are_bounded() -> None:
    """At least one thread, at most four."""
    assert 1 <= auto_threads() <= MAX_AUTO_THREADS


@pytest.mark.parametrize(
    ("cores", "threads", "windows"), [(1, 1, 1), (2, 1, 2), (8, 4, 2), (16, 1, MAX_WINDOWS), (2, 4, 1)]
)
def test_windows_share_the_cores(monkeypatch: pytest.MonkeyPatch, cores: int, threads: int, windows: int) -> None:
    """As many windows are decoded at once as find cores for their threads, and never none or too many."""
    monkeypatch.setattr("amanuensis.npu.cpu_features.physical_cores", lambda: cores)
    assert windows_at_once(threads) == windows

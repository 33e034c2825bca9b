"""Building kernels for this machine: the cache, errors, stack."""

from __future__ import annotations

import ctypes
from pathlib import Path

import pytest

from amanuensis.kernels.host.build import BuildError, build, load, stack_usage
from tests.kernels.cores import needs_compiler

pytestmark = needs_compiler

ANSWER = '#include "answer.h"\nextern "C" int answer() { return ANSWER; }\n'


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A kernel with a header beside it."""
    (tmp_path / "answer.h").write_text("#define ANSWER 42\n")
    path = tmp_path / "answer.cc"
    path.write_text(ANSWER)
    return path


def test_what_is_built_runs(source: Path) -> None:
    """The library of a source has its entry points."""
    assert load(source).answer() == 42


def test_what_has_not_changed_is_not_built_again(source: Path) -> None:
    """The same source, headers and flags are the same file, left as it is."""
    made = build(source)
    stamp = made.stat().st_mtime_ns
    assert build(source) == made
    assert made.stat().st_mtime_ns == stamp


def test_any_change_is_built_anew(source: Path) -> None:
    """A changed header, a changed source, other flags and the sanitizers each make a file of their own."""
    made = {build(source), build(source, ["-DMORE=1"]), build(source, sanitize=True)}
    source.with_name("answer.h").write_text("#define ANSWER 43\n")
    made.add(build(source))
    assert ctypes.CDLL(str(build(source))).answer() == 43
    source.write_text(ANSWER + "// changed\n")
    made.add(build(source))
    assert len(made) == 5


def test_nothing_is_left_of_a_failure(source: Path) -> None:
    """The error has all that the compiler said; a warning is one; no file stays behind."""
    folder = build(source).parent
    before = set(folder.iterdir())
    source.write_text('extern "C" int answer(int unused) { return nothing; }\n')
    with pytest.raises(BuildError) as error:
        build(source)
    assert "nothing" in str(error.value)
    assert "unused parameter" in str(error.value)
    assert "-Werror" in str(error.value)
    assert set(folder.iterdir()) == before


def test_a_source_that_is_not_there_is_named(tmp_path: Path) -> None:
    """The error names the file."""
    with pytest.raises(BuildError, match=r"none\.cc is not a file; a kernel source was expected"):
        build(tmp_path / "none.cc")


def test_a_missing_compiler_says_what_to_install(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without g++ the error says how to get it."""
    monkeypatch.setenv("PATH", str(source.parent))
    with pytest.raises(BuildError, match=r"g\+\+ is not installed.*apt-get install g\+\+"):
        build(source)


def test_a_cache_that_cannot_be_made_is_named(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the user's cache is no folder, the error says so."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(source))
    with pytest.raises(BuildError, match=r"no place for built kernels: .*set XDG_CACHE_HOME"):
        build(source)


def test_stack_is_that_of_the_deepest_call(tmp_path: Path) -> None:
    """An entry point is charged with what it calls, and functions that are none are not listed."""
    path = tmp_path / "deep.cc"
    path.write_text("""
        void fill(int *);
        static __attribute__((noinline)) int inner(int n) { int a[256]; fill(a); return a[n & 255]; }
        extern "C" int shallow(int n) { return n + 1; }
        extern "C" int deep(int n) { int a[256]; fill(a); return inner(a[n & 255]); }
    """)
    used = stack_usage(path)
    assert used.keys() == {"shallow", "deep"}
    assert used["shallow"] < 64
    assert 2048 <= used["deep"] < 2048 + 256


def test_stack_without_a_bound_is_refused(tmp_path: Path) -> None:
    """A function that calls itself or takes stack by a number known at run time is named."""
    path = tmp_path / "endless.cc"
    path.write_text("""
        void use(int *);
        static __attribute__((noinline)) int again(int n) { int a[9]; use(a); return n ? again(n - 1) + a[0] : a[1]; }
        extern "C" int endless(int n) { return again(n) + 1; }
    """)
    with pytest.raises(BuildError, match=r"of endless\.cc calls itself"):
        stack_usage(path)
    path.write_text('void use(int *);\nextern "C" void any(int n) { use(static_cast<int *>(__builtin_alloca(n))); }\n')
    with pytest.raises(
        BuildError, match=r"any of endless\.cc takes an amount of stack that is known only when it runs"
    ):
        stack_usage(path)

"""Compiled files by the hash of what they depend on."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from amanuensis.kernels.compile.cache import Cache, digest, sources_digest
from amanuensis.kernels.compile.errors import CompileError


def test_parts_are_told_apart() -> None:
    """The same characters cut otherwise are another key; so are other contents or names of files."""
    assert digest("ab", "c") != digest("a", "bc")
    assert digest("ab", "c") == digest(b"ab", "c")


def test_sources_count_by_name_and_content(tmp_path: Path) -> None:
    """A header that changes, or is called otherwise, makes another key."""
    paths = [tmp_path / name for name in ("a.h", "b.h")]
    for path in paths:
        path.write_text("same")
    first = sources_digest(paths[:1])
    assert sources_digest(paths[1:]) != first
    paths[0].write_text("other")
    assert sources_digest(paths[:1]) != first


def test_a_file_is_made_once(tmp_path: Path) -> None:
    """The second time it is found; the counters say so."""
    cache = Cache(tmp_path / "deep" / "cache")
    made = cache.file("key", ".o", lambda target: target.write_text("object"))
    assert cache.file("key", ".o", lambda _: pytest.fail("it is there")) == made
    assert (made.read_text(), cache.made, cache.found) == ("object", 1, 1)


def test_half_a_file_is_not_kept(tmp_path: Path) -> None:
    """What fails while it writes leaves nothing behind, and what writes nothing has failed."""
    cache = Cache(tmp_path)

    def fails(target: Path) -> None:
        target.write_text("half")
        raise CompileError("the compiler died")

    with pytest.raises(CompileError, match="the compiler died"):
        cache.file("key", ".o", fails)
    with pytest.raises(CompileError, match=r"did not write key.o"):
        cache.file("key", ".o", Path.touch)
    assert list(tmp_path.iterdir()) == []


def test_a_cache_without_a_place_is_one_line(tmp_path: Path) -> None:
    """It names the folder and the variable."""
    (tmp_path / "file").touch()
    with pytest.raises(CompileError, match=r"no place for compiled files: .*Not a directory; set XDG_CACHE_HOME"):
        Cache(tmp_path / "file" / "cache")


def test_what_was_needed_longest_ago_goes_first(tmp_path: Path) -> None:
    """Until the rest is small enough; what was found again counts as needed now."""
    cache = Cache(tmp_path)
    made = [cache.file(name, ".o", lambda target: target.write_bytes(bytes(100))) for name in ("a", "b", "c")]
    for age_s, path in enumerate(reversed(made)):
        os.utime(path, (1000 - age_s, 1000 - age_s))
    cache.file("a", ".o", lambda _: pytest.fail("it is there"))
    assert (cache.prune(250), cache.prune(250)) == (1, 0)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.o", "c.o"]
    assert cache.prune(0) == 2

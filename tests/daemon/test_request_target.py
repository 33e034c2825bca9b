"""What a request asks for."""

from __future__ import annotations

import pytest

from amanuensis.daemon.request_target import split_target


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        ("/v1/session?resume=x", "/v1/session", "resume=x"),
        ("//[", "//[", ""),
        ("//[?token=x", "//[?token=x", ""),
        ("http://[/captions", "http://[/captions", ""),
    ],
)
def test_any_target_is_split(target: str, path: str, query: str) -> None:
    """What is no address has no query, and is a path that nothing lies on."""
    parts = split_target(target)
    assert (parts.path, parts.query) == (path, query)

"""What a request asks for: the path and the query of its first line. Pure."""

from __future__ import annotations

from urllib.parse import SplitResult, urlsplit


def split_target(target: str) -> SplitResult:
    """Split the target of a request; one that is no address (`//[`) is a path as it stands, which leads nowhere."""
    try:
        return urlsplit(target)
    except ValueError:
        return SplitResult("", "", target, "", "")

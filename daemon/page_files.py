"""The files of the web pages: everything that a page of the daemon loads comes from here, and is in the package."""

from __future__ import annotations

import re
from functools import cache
from importlib import resources
from typing import Final

# Scripts and styles are files of ours and nothing else is: nothing that gets into a page can run. Answers that are not
# JavaScript by their type are never taken for it (`nosniff`), so 'self' is these files.
PAGE_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; worker-src 'self'; img-src data:; media-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)
CONTENT_TYPES: Final = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8"}
FILE: Final = re.compile(rf"/page/([a-z0-9_]{{1,64}}\.({'|'.join(CONTENT_TYPES)}))")
CAPTIONS: Final = re.compile(r"/(captions(/([0-9A-Za-z_-]{1,64})?)?)?")  # such as sessions are called


def is_captions(path: str) -> bool:
    """Whether a path, without its query, is that of the captions page: of the newest session, or of one by its name."""
    return CAPTIONS.fullmatch(path) is not None


def page_file(path: str) -> tuple[str, bytes] | None:
    """Return content type and bytes of a script or style of the pages, None where there is none of this name."""
    match = FILE.fullmatch(path)
    data = None if match is None else _read(match[1])
    return None if match is None or data is None else (CONTENT_TYPES[match[2]], data)


def meetings_html() -> bytes:
    """Return the page of meetings."""
    html = _read("meetings.html")
    assert html is not None
    return html


def captions_html() -> bytes:
    """Return the captions page."""
    html = _read("captions.html")
    assert html is not None
    return html


@cache  # of the files that the package has: a few
def _names() -> frozenset[str]:
    return frozenset(entry.name for entry in resources.files("amanuensis.daemon").joinpath("page").iterdir())


def _read(name: str) -> bytes | None:
    return resources.files("amanuensis.daemon").joinpath("page", name).read_bytes() if name in _names() else None

"""Pages beside the WebSocket."""

from __future__ import annotations

import json
import re

import pytest

from amanuensis.daemon.connection import Route
from amanuensis.daemon.http import (
    CONTENT_TYPES,
    Export,
    Page,
    Site,
    answer,
    needed_role,
    websocket_route,
)
from amanuensis.daemon.journal import Journal, JournalLimits
from amanuensis.daemon.outputs import FORMATS
from amanuensis.stream.events import Commit, Word


def site(ready: bool = True) -> Site:
    """Return a site with one session of two utterances, the first word of which was dropped."""
    journal = Journal(JournalLimits(words=3))
    journal.add(Commit(0, (Word(" one", 0, 400, 0.9), Word(" two.", 400, 900, 0.9))))
    journal.add(Commit(1, (Word(" <three>", 2000, 2400, 0.9), Word(" four", 2400, 2600, 0.9))))
    return Site(
        lambda: {"encoder": "cpu"},
        lambda: (ready, {"why": "" if ready else "lost"}),
        lambda: b"x 1\n",
        lambda: {"sessions": []},
        {"abc": journal, "a b": journal}.get,
        lambda name: {"rate": 16000, "samples": {"received": 48000, "gap": 0}},
        lambda name, token: False,
    )


def page_at(path: str, site: Site, *, is_admin: bool = True) -> Page:
    """Return the page at a path, exports written."""
    found = answer(path, site, is_admin=is_admin)
    return found.page() if isinstance(found, Export) else found


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/v1/session", Route("session")),
        ("/v1/session?x=1", Route("session")),
        ("/v1/session?a=b&resume=4f0c2e9a71d3", Route("session", resumes="4f0c2e9a71d3")),
        ("/v1/session?resume=a%20b", Route("session")),
        ("/v1/watch/abc", Route("watch", "abc")),
        ("/v1/watch/a%20b", Route("watch", "a b")),
        ("/v1/watch/", None),
        ("/v1/watch/a/b", None),
        ("/v1/watch/" + "a" * 65, None),
        ("/", None),
    ],
)
def test_websocket_paths(path: str, route: Route | None) -> None:
    """Only the two paths of the protocol lead to a WebSocket."""
    assert websocket_route(path) == route


@pytest.mark.parametrize(
    "path", ["/", "/captions", "/captions?session=abc", "/captions/abc", "/captions/abc?overlay=1"]
)
def test_captions_page(path: str) -> None:
    """The page is there for the newest session and for one by its name; all that it loads are files of the package."""
    page = page_at(path, site())
    assert page.status == 200
    assert page.content_type.startswith("text/html")
    loaded = set(re.findall(r"""(?:src|href)=["']([^"']+)""", page.body.decode())) - {"data:,"}
    assert "/page/captions.js" in loaded
    assert {page_at(name, site()).status for name in loaded} == {200}


def test_health_and_readiness() -> None:
    """Health is that the daemon answers; readiness that it can transcribe."""
    assert (page_at("/healthz", site()).status, page_at("/healthz", site(False)).status) == (200, 200)
    assert json.loads(page_at("/healthz", site()).body) == {"status": "ok", "engine": {"encoder": "cpu"}}
    ready, lost = page_at("/readyz", site()), page_at("/readyz", site(False))
    assert (ready.status, json.loads(ready.body)["ready"]) == (200, True)
    assert (lost.status, json.loads(lost.body)) == (503, {"ready": False, "why": "lost"})


def test_strangers_are_told_no_details() -> None:
    """Whoever may do nothing learns that the daemon lives and is ready, not what runs there or what went wrong."""
    assert json.loads(page_at("/healthz", site(), is_admin=False).body) == {"status": "ok"}
    assert json.loads(page_at("/readyz", site(False), is_admin=False).body) == {"ready": False}


def test_the_page_runs_its_own_scripts_and_no_others() -> None:
    """Scripts and styles are files of the server, and nothing that stands in the page itself is run."""
    page = page_at("/captions", site())
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'; script-src 'self'; style-src 'self'" in policy
    assert "unsafe" not in policy
    assert not re.search(r"<style|<script(?! type=\"module\" src=)| on[a-z]+=| style=", page.body.decode())


def test_metrics() -> None:
    """Metrics are told in the type that Prometheus expects."""
    page = page_at("/metrics", site())
    assert (page.body, page.content_type) == (b"x 1\n", "text/plain; version=0.0.4; charset=utf-8")


@pytest.mark.parametrize(
    ("suffix", "content_type", "words"),
    [
        ("srt", "application/x-subrip", "00:00:00,400 --> 00:00:01,400\ntwo."),
        ("vtt", "text/vtt", "&lt;three&gt; four"),
        ("txt", "text/plain", "two.\n<three> four\n"),
        ("json", "application/json", '"text": "two. <three> four"'),
    ],
)
def test_exports(suffix: str, content_type: str, words: str) -> None:
    """The committed words come in every form, and what was dropped is told."""
    page = page_at(f"/v1/sessions/abc.{suffix}", site())
    assert page.status == 200
    assert page.content_type.startswith(content_type)
    assert words in page.body.decode()
    assert page.headers["X-Words-Dropped"] == "1"


def test_words_are_exported_with_their_times() -> None:
    """With word_times=1 in the query every word has its time."""
    assert page_at("/v1/sessions/abc.txt?word_times=1", site()).body == (
        b"0.400\t0.900\ttwo.\n2.000\t2.400\t<three>\n2.400\t2.600\tfour\n"
    )
    assert b" --> " in page_at("/v1/sessions/abc.srt?a=b&word_times=1", site()).body
    assert page_at("/v1/sessions/abc.csv?word_times=1", site()).body.splitlines()[1] == b"400,900,,,word,two."
    assert page_at("/v1/sessions/abc.txt?word_times=0", site()) == page_at("/v1/sessions/abc.txt", site())
    refused = page_at("/v1/sessions/abc.md?word_times=1", site())
    assert (refused.status, refused.body) == (400, b"md has no times of words; choose txt, srt, vtt, json, csv\n")


def test_json_tells_what_became_of_the_audio() -> None:
    """The JSON of a session carries its ledger beside the words."""
    document = json.loads(page_at("/v1/sessions/abc.json", site()).body)
    assert document["ledger"] == {"rate": 16000, "samples": {"received": 48000, "gap": 0}}
    assert len(document["utterances"]) == 2


def test_export_is_as_of_now() -> None:
    """Words that are committed while a transcript is written, by another thread, do not disturb it."""
    pages = site()
    export = answer("/v1/sessions/abc.txt", pages, is_admin=False)
    journal = pages.journal("abc")
    assert isinstance(export, Export)
    assert journal is not None
    journal.add(Commit(1, (Word(" five", 3000, 3400, 0.9),)))
    assert export.page().body == b"two.\n<three> four\n"


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/v1/sessions/none.srt", 404, "no session none"),
        ("/v1/sessions/abc.docx", 404, "nothing here"),
        ("/v1/sessions/../x.srt", 404, "nothing here"),
        ("/etc/passwd", 404, "/captions"),
        ("/page/captions.html", 404, "nothing here"),
        ("/page/none.js", 404, "nothing here"),
        ("/page/../page_files.py", 404, "nothing here"),
        ("/captions/a/b", 404, "nothing here"),
        ("//[", 404, "nothing here"),
        ("/v1/session", 426, "amanuensis.v1"),
        ("/" + "x" * 5000, 404, "nothing here"),
    ],
)
def test_other_paths(path: str, status: int, words: str) -> None:
    """Anything else is refused in words, and no file is served by name."""
    page = page_at(path, site())
    assert page.status == status
    assert words in page.body.decode()
    assert len(page.body) < 300


@pytest.mark.parametrize(
    ("path", "role"),
    [
        *(
            (path, None)
            for path in (
                "/",
                "/captions?x",
                "/captions/x",
                "/page/link.js",
                "/healthz",
                "/readyz",
                "/v1/session",
                "/v1/watch/abc",
            )
        ),
        *((path, "watch") for path in ("/v1/sessions/abc.txt", "/v1/sessions/latest.srt?token=x", "/v1/login")),
        *((path, "admin") for path in ("/metrics", "/v1/sessions", "/page/x.js", "/v1/sessions/abc.exe", "/%6d")),
    ],
)
def test_what_a_page_asks_of_who_wants_it(path: str, role: str | None) -> None:
    """The page and health are open, what was said needs a watcher, and everything else an admin."""
    assert needed_role(path) == role


def test_every_format_has_a_content_type() -> None:
    """What can be written to a file can be fetched, too."""
    assert set(CONTENT_TYPES) == set(FORMATS)

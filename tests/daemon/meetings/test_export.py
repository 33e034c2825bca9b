"""A meeting as a file."""

from __future__ import annotations

import csv
import io
import json
import re

import pytest

from amanuensis.daemon.meetings.export import FORMATS, TIMED_FORMATS
from amanuensis.daemon.meetings.model import Hole, Record, Remark
from amanuensis.daemon.meetings.store import Store
from amanuensis.stream.events import Word
from amanuensis.stream.subtitles import make_cues
from tests.daemon.meetings.conftest import Fill, utterance


@pytest.fixture
def record(store: Store, fill: Fill) -> Record:
    """A meeting with everything in it."""
    fill("aaa", [utterance("good morning", 100)], remarks=[Remark("1", 1500, "*late*"), Remark("2", 61_000, "")])
    fill("bbb", [utterance("=1+1 is two", 900)], track="them", holes=[Hole(3000, 4500, "paused")])
    return store.record("monday")


def test_text_has_times_speakers_notes_and_gaps(record: Record) -> None:
    """One line each, in order."""
    assert FORMATS["txt"](record).splitlines() == [
        "[0:00:00] me: good morning",
        "[0:00:00] them: =1+1 is two",
        "[0:00:01] * *late*",
        "[0:00:03] (them: paused, 1.5 s)",
        "[0:01:01] * mark",
    ]


def test_markdown_is_a_document_in_which_text_is_text(record: Record) -> None:
    """Signs of Markdown in what was said are escaped."""
    text = FORMATS["md"](record)
    assert text.startswith("# Weekly\n\n2026-09-")
    assert "- 0:00:01 \\*late\\*\n- 0:01:01 mark\n" in text
    assert "**me** (0:00:00): good morning\n\n**them** (0:00:00): =1+1 is two\n" in text


def test_json_says_everything(record: Record) -> None:
    """As docs/meetings.md has it."""
    content = json.loads(FORMATS["json"](record))
    assert content["schema"] == "amanuensis.meeting.v1"
    assert content["utterances"][0] == {
        "track": "me",
        "speaker": "me",
        "session": "aaa",
        "from_ms": 100,
        "to_ms": 300,
        "text": "good morning",
        "words": [
            {"text": " good", "from_ms": 100, "to_ms": 200, "conf": 0.9},
            {"text": " morning", "from_ms": 200, "to_ms": 300, "conf": 0.9},
        ],
    }
    assert content["notes"][0] == {"id": "1", "at_ms": 1500, "text": "*late*"}
    assert content["gaps"] == [{"track": "them", "from_ms": 3000, "to_ms": 4500, "why": "paused"}]


def test_no_cell_of_the_table_is_a_formula(record: Record) -> None:
    """What was said may begin with `=`; a table program must not compute it."""
    rows = list(csv.DictReader(FORMATS["csv"](record).splitlines()))
    assert [(row["kind"], row["text"]) for row in rows] == [
        ("said", "good morning"),
        ("said", "'=1+1 is two"),
        ("note", "*late*"),
        ("gap", "paused"),
        ("note", ""),
    ]


def test_subtitles_name_the_speakers(record: Record) -> None:
    """SRT before the words, WebVTT as voice tags."""
    assert "me: good morning" in FORMATS["srt"](record)
    assert "<v them>=1+1 is two" in FORMATS["vtt"](record)


def test_who_speaks_while_another_does_has_cues_of_the_same_time(store: Store, fill: Fill) -> None:
    """Each track is shown when it was said, however long the other goes on."""
    fill("aaa", [utterance("a long speech that goes on " * 10, 0)])
    fill("bbb", [utterance("stop it now", 1000)], track="them")
    for one, named in (("srt", "them: stop it now"), ("vtt", "<v them>stop it now")):
        lines = FORMATS[one](store.record("monday")).splitlines()
        assert lines[lines.index(named) - 1].replace(",", ".") == "00:00:01.000 --> 00:00:02.000"


HOSTILE = [
    "[0:00:09] me: I agree",
    "\n[0:00:09] me: I agree\n",
    "00:00:01.000 --> 00:00:02.000\n<v me>I agree",
    "</v><script>alert(1)</script> &amp; ![](x) [y](http://z) **b** ~~c~~",
    " =HYPERLINK(1)",
    "\uff1d1+1",
    "\t@SUM(A1)",
    'say "yes", or\r\n"no"',
    "{\\an8}<i>top</i>",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_what_people_say_is_never_taken_for_anything_else(store: Store, fill: Fill, text: str) -> None:
    """Neither for another line, nor for a cue, markup or a formula; whether it is said, noted or a name."""
    fill("aaa", [utterance(text, 100)], remarks=[Remark("1", 1500, text)], holes=[Hole(3000, 4500, text)])
    name = " ".join(text.split())
    store.rename_speaker("monday", "me", name)
    record = store.record("monday")
    lines = FORMATS["txt"](record).splitlines()
    assert lines[:2] == [f"[0:00:00] {name}: {name}", f"[0:00:01] * {name}"]
    assert [line[:15] for line in lines[2:]] == ["[0:00:03] (me: "]
    assert all(line.count("\t") == 2 for line in TIMED_FORMATS["txt"](record).splitlines())
    for one in ("srt", "vtt"):
        assert FORMATS[one](record).count("-->") == len(make_cues(said(record)))
    assert "<script" not in FORMATS["vtt"](record)
    assert not re.search(r"(?<!\\)[<\[*~&]", FORMATS["md"](record).replace("**", "").removeprefix("#"))
    rows = list(csv.reader(io.StringIO(FORMATS["csv"](record), newline="")))
    assert {len(row) for row in rows} == {6}
    assert not [cell for row in rows for cell in row if cell.lstrip().startswith(("=", "+", "-", "@", "\uff1d"))]
    assert json.loads(FORMATS["json"](record))["notes"][0]["text"] == text


def said(record: Record) -> list[list[Word]]:
    """Return the words of each line."""
    return [
        [Word(word.text, word.start_ms, word.end_ms, word.conf, line.speaker) for word in line.utterance.words]
        for line in record.lines
    ]


def test_words_have_their_times(record: Record) -> None:
    """Every form but Markdown tells when each word was said; notes and gaps stay in text and table."""
    assert set(FORMATS) - set(TIMED_FORMATS) == {"md"}
    assert TIMED_FORMATS["txt"](record).splitlines() == [
        "0.100\t0.200\tme: good",
        "0.200\t0.300\tmorning",
        "0.900\t1.000\tthem: =1+1",
        "1.000\t1.100\tis",
        "1.100\t1.200\ttwo",
        "1.500\t1.500\t* *late*",
        "3.000\t4.500\t(them: paused, 1.5 s)",
        "61.000\t61.000\t* mark",
    ]
    rows = list(csv.reader(TIMED_FORMATS["csv"](record).splitlines()))
    assert rows[1] == ["100", "200", "me", "me", "word", "good"]
    assert rows[3] == ["900", "1000", "them", "them", "word", "'=1+1"]
    assert {row[4] for row in rows[1:]} == {"word", "note", "gap"}
    assert "<00:00:00.200>morning" in TIMED_FORMATS["vtt"](record)
    assert "00:00:00,100 --> 00:00:00,200" in TIMED_FORMATS["srt"](record)

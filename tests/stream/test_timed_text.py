"""Words in files with their times."""

from __future__ import annotations

import re
from itertools import pairwise

from hypothesis import given

from amanuensis.stream.events import Word
from amanuensis.stream.subtitles import make_cues, to_vtt
from amanuensis.stream.timed_text import label, to_labels, to_timed_vtt, to_word_srt
from tests.stream.test_subtitles import UTTERANCES, milliseconds, parse_srt, say

STAMP = re.compile(r"<(\d{2,}:\d\d:\d\d\.\d{3})>")


def test_a_label_has_start_end_and_text() -> None:
    """Seconds, tabs between them, as audio editors read label tracks; white space in a word does not break the line."""
    assert label(1_480, 1_820.4, " hello\tthere\n") == "1.480\t1.820\thello there"


def test_labels_name_the_speaker_of_each_turn() -> None:
    """One line a word; a name stands before the first word of a turn, and nowhere when one only speaks."""
    words = [*say("one two", spk="A"), *say("three", 600, spk="B")]
    assert to_labels([words]).splitlines() == [
        "0.000\t0.300\tA: one",
        "0.300\t0.600\ttwo",
        "0.600\t0.900\tB: three",
    ]
    assert to_labels([say("one")]) == "0.000\t0.300\tone\n"
    assert to_labels([[Word(" ", 0, 1, 0.5)]]) == to_labels([]) == ""


def test_a_cue_for_each_word() -> None:
    """The SubRip file shows each word for as long as it is said, however short it is."""
    assert parse_srt(to_word_srt([say("one two"), say("three", 700, 90)])) == [
        (0, 300, ("one",)),
        (300, 600, ("two",)),
        (700, 790, ("three",)),
    ]


def test_timestamps_stand_before_the_words_of_a_cue() -> None:
    """The first word needs none, since the cue begins with it."""
    assert to_timed_vtt([say("one <two> three")]) == (
        "WEBVTT\n\n00:00:00.000 --> 00:00:01.000\none <00:00:00.300>&lt;two&gt; <00:00:00.600>three\n"
    )


@given(UTTERANCES)
def test_timestamps_change_nothing_but_that(utterances: list[list[Word]]) -> None:
    """Without its timestamps the file is the usual one, and timestamps grow and lie inside their cues."""
    timed = to_timed_vtt(utterances)
    assert STAMP.sub("", timed) == to_vtt(utterances)
    stamps = [milliseconds(match[1]) for match in STAMP.finditer(timed)]
    assert all(a < b for a, b in pairwise(stamps))
    cues = make_cues(utterances)
    assert all(any(cue.start_ms < stamp < cue.end_ms for cue in cues) for stamp in stamps)

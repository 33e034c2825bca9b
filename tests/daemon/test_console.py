"""Captions for people, pipes and programs."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from typing import Any

import pytest

from amanuensis.daemon.console import (
    Captions,
    JsonLines,
    PlainLines,
    TerminalCaptions,
    WordLines,
    make_printer,
    meter,
    status_line,
)

Event = Mapping[str, Any]


def commit(utt: int, *words: str) -> Event:
    """Words that stay."""
    return {"type": "commit", "utt": utt, "words": [{"text": word} for word in words]}


def partial(utt: int, text: str) -> Event:
    """Words that may change."""
    return {"type": "partial", "utt": utt, "rev": 1, "text": text, "from": 0, "to": 1}


def final(utt: int, text: str) -> Event:
    """An utterance that is over."""
    return {"type": "final", "utt": utt, "text": text, "reason": "pause", "from": 0, "to": 1, "engine": {}}


GAP: Event = {"type": "gap", "from": 1000, "to": 3500, "why": "the engine\nstopped"}


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_partials_replace_each_other_and_commits_add_up() -> None:
    """Only the newest partial is seen, and behind the committed words."""
    captions = Captions()
    captions.apply(partial(1, " the cat"))
    assert (captions.committed, captions.partial) == ("", "the cat")
    captions.apply(commit(1, " the"))
    captions.apply(partial(1, " can sat"))
    captions.apply(commit(1, " cat"))
    captions.apply(partial(1, " sat"))
    assert (captions.committed, captions.partial) == ("the cat", " sat")


def test_a_final_gives_its_line_and_clears_it() -> None:
    """An utterance that is over becomes one line; an empty one becomes none."""
    captions = Captions()
    captions.apply(commit(1, " the", " cat"))
    assert captions.apply(final(1, " the  cat")) == "the cat"
    assert (captions.committed, captions.partial) == ("", "")
    assert captions.apply(final(2, " ")) is None


def test_two_utterances_stand_in_order() -> None:
    """The next utterance may begin before the last one is final."""
    captions = Captions()
    captions.apply(commit(2, " two"))
    captions.apply(commit(1, " one"))
    assert captions.committed == "one two"


def test_utterances_that_never_end_are_bounded() -> None:
    """A server that sends no finals cannot fill our memory."""
    captions = Captions()
    for utt in range(1000):
        captions.apply(commit(utt, " word"))
        captions.apply(partial(utt, " more"))
    assert len(captions.committed.split()) < 20


def test_trouble_becomes_a_line() -> None:
    """Gaps, warnings and errors are told in one line, a snapshot is the text so far."""
    captions = Captions()
    assert captions.apply(GAP) == "[2.5 s were not transcribed: the engine stopped]"
    assert captions.apply({**GAP, "to": 1020.3}) == "[21 ms were not transcribed: the engine stopped]"
    assert captions.apply({"type": "warning", "code": "x", "message": "too loud"}) == "[warning: too loud]"
    assert captions.apply({"type": "snapshot", "seq": 9, "text": " so far", "words": [], "places": []}) == "so far"
    assert captions.apply({"type": "stats", "lag_ms": 3}) is None


def test_a_speaker_is_named_before_the_first_words_of_a_turn() -> None:
    """By the words themselves or by the turn that began, and not again in the next utterance of the same speaker."""
    captions = Captions()
    captions.apply({"type": "turn", "utt": 1, "spk": "Ann", "at": 0, "provisional": True})
    captions.apply(commit(1, " hello"))
    captions.apply(
        {"type": "commit", "utt": 1, "words": [{"text": " hi", "spk": "Bob"}, {"text": " Ann", "spk": "Bob"}]}
    )
    assert captions.committed == "Ann: hello Bob: hi Ann"
    assert captions.apply(final(1, " hello hi Ann")) == "Ann: hello\nBob: hi Ann"
    captions.apply({"type": "commit", "utt": 2, "words": [{"text": " well", "spk": "Bob"}]})
    assert captions.committed == "well"
    assert captions.apply(final(2, " well")) == "well"


def test_a_lone_letter_is_not_named() -> None:
    """A speaker without a name is named once there is another; words of an open utterance are put right."""
    captions = Captions()
    captions.apply(
        {"type": "commit", "utt": 1, "words": [{"text": " hello", "spk": "A"}, {"text": " you", "spk": "A"}]}
    )
    assert captions.committed == "hello you"
    assert captions.apply(final(1, " hello you")) == "hello you"
    captions.apply({"type": "commit", "utt": 2, "words": [{"text": " well", "spk": "A"}, {"text": " yes", "spk": "A"}]})
    captions.apply(
        {"type": "speaker_revised", "seq": 9, "words": [{"utt": 2, "i": 1, "spk": "B"}, {"utt": 1, "i": 0, "spk": "B"}]}
    )
    assert captions.committed == "well B: yes"
    assert captions.apply(final(2, " well yes")) == "well\nB: yes"


def test_who_comes_late_sees_names_and_what_is_put_right() -> None:
    """A snapshot is lines with names; of its last utterance only the rest follows, revised by its true index."""
    captions = Captions()
    words = [{"text": " hi", "spk": "A"}, {"text": " yes", "spk": "B"}]
    places = [{"utt": 0, "i": 0, "n": 1}, {"utt": 1, "i": 0, "n": 1}]
    assert captions.apply({"type": "snapshot", "seq": 3, "text": "hi yes", "words": words, "places": places}) == (
        "A: hi\nB: yes"
    )
    captions.apply({"type": "commit", "utt": 1, "words": [{"text": " we", "spk": "B"}, {"text": " can", "spk": "B"}]})
    captions.apply({"type": "speaker_revised", "seq": 5, "words": [{"utt": 1, "i": k, "spk": "A"} for k in (0, 2)]})
    assert captions.committed == "we A: can"
    assert captions.apply(final(1, " yes we can")) == "we\nA: can"


def test_words_have_no_name_once_voices_are_not_told_apart() -> None:
    """The newest turn says nothing of what is said after the speaker model has failed."""
    captions = Captions()
    captions.apply({"type": "turn", "utt": 1, "spk": "Ann", "at": 0, "provisional": True})
    captions.apply({"type": "warning", "code": "speakers_stopped", "message": "no memory"})
    captions.apply(commit(1, " hello"))
    assert captions.apply(final(1, " hello")) == "hello"


def test_a_pipe_gets_clean_lines_and_notices_go_elsewhere() -> None:
    """Standard output holds the text of utterances and nothing else."""
    out, said = io.StringIO(), []
    printer = PlainLines(out, said.append)
    for event in (partial(1, " hm"), commit(1, " hello", " you"), GAP, final(1, " hello you"), final(2, "")):
        printer.show(event)
    printer.status(-20.0, 100.0)
    assert out.getvalue() == "hello you\n"
    assert len(said) == 1


def test_words_come_with_their_times() -> None:
    """Each committed word is a line; a speaker's name stands before the first word of a turn, notices go elsewhere."""
    out, said = io.StringIO(), list[str]()
    printer = make_printer(out, said.append, as_json=False, word_times=True)
    words = [
        {"text": " one", "from": 100, "to": 400.5, "conf": 1, "spk": "Al\x1b"},
        {"text": " two", "from": 400.5, "to": 700, "conf": 1, "spk": "Al\x1b"},
        {"text": " three", "from": 900, "to": 1000, "conf": 1},
    ]
    for event in (partial(1, " one"), {"type": "commit", "utt": 1, "words": words}, GAP, final(1, " one two three")):
        printer.show(event)
    printer.close()
    assert isinstance(printer, WordLines)
    assert out.getvalue() == "0.100\t0.401\tAl: one\n0.401\t0.700\ttwo\n0.900\t1.000\tthree\n"
    assert said == ["[2.5 s were not transcribed: the engine stopped]"]


def test_the_one_voice_of_words_with_times_stays_unnamed() -> None:
    """As in captions: a letter says something only beside another, and from then on each turn has one."""
    out = io.StringIO()
    printer = make_printer(out, lambda _: None, as_json=False, word_times=True)
    for k, spk in enumerate([None, "A", "A", "B", "A"]):
        known = {} if spk is None else {"spk": spk}
        word = {"text": f" w{k}", "from": k, "to": k + 1, "conf": 1, **known}
        printer.show({"type": "commit", "utt": 1, "words": [word]})
    assert [line.split("\t")[2] for line in out.getvalue().splitlines()] == ["w0", "w1", "w2", "B: w3", "A: w4"]


def test_programs_get_every_event_as_a_line() -> None:
    """Each line is the event as JSON, with letters as they are."""
    out = io.StringIO()
    printer = JsonLines(out)
    events = [partial(1, " naïve"), GAP]
    for event in events:
        printer.show(event)
    assert [json.loads(line) for line in out.getvalue().splitlines()] == events
    assert "naïve" in out.getvalue()


def test_a_terminal_shows_committed_words_plain_and_partial_words_grey() -> None:
    """The grey begins where the partial words begin, and finished lines stay."""
    out = Terminal()
    printer = TerminalCaptions(out, hint="stop")
    printer.show(commit(1, " hello"))
    printer.show(partial(1, " you there"))
    printer.device("npu", "cpu")
    printer.status(-30.0, 400.0, "USB\x1bHeadset")
    printer.show(final(1, " hello you"))
    printer.close()
    shown = out.getvalue()
    assert "0.4 s behind  USBHeadset  npu/cpu  stop" in shown
    assert "hello\x1b[90m you there\x1b[0m" in shown
    assert "hello you\n" in shown


def test_a_terminal_cannot_be_steered_by_captions() -> None:
    """Control characters in a text are not printed."""
    out = Terminal()
    printer = TerminalCaptions(out)
    for event in (commit(1, " a\x1b[2J"), partial(1, " b\x1b]0;title\x07"), final(1, " c\x9b31m")):
        printer.show(event)
    printer.close()
    for code in ("\x1b[2J", "\x1b]0", "\x07", "\x9b"):
        assert code not in out.getvalue()


@pytest.mark.parametrize("words", ["one two three four five six seven last", "漢字 " * 30 + "最後"])
def test_a_small_terminal_shows_the_newest_words_and_one_look_fits(monkeypatch: pytest.MonkeyPatch, words: str) -> None:
    """However narrow it is, the last words stand above the level, and nothing is pushed out at the top."""
    monkeypatch.setenv("COLUMNS", "12")
    monkeypatch.setenv("LINES", "6")
    out = Terminal()
    *older, last = words.split()
    printer = TerminalCaptions(out, hint="Ctrl-C to stop", clock=lambda: 0.0)
    printer.status(-30.0, 400.0, "a microphone with a long name")
    printer.show(commit(1, *(f" {word}" for word in older)))
    drawn = len(out.getvalue())
    printer.show(partial(1, f" {last}"))
    lines = out.getvalue()[drawn:].splitlines()
    assert len(lines) <= 6
    assert last in lines[-3]
    assert "▮▮▮▮▮▯▯▯▯▯" in lines[-2]
    printer.close()


def test_drawing_is_bounded_by_time() -> None:
    """A loud source does not redraw the terminal for every piece of sound."""
    now = [0.0]
    out = Terminal()
    printer = TerminalCaptions(out, clock=lambda: now[0])
    printer.status(-20.0, 1.0)
    drawn = len(out.getvalue())
    for _ in range(10):
        now[0] += 0.001
        printer.status(-10.0, 1.0)
    assert len(out.getvalue()) == drawn
    now[0] += 1.0
    printer.status(-10.0, 1.0)
    assert len(out.getvalue()) > drawn
    printer.close()


@pytest.mark.parametrize(
    ("out", "as_json", "kind"),
    [(Terminal(), False, TerminalCaptions), (io.StringIO(), False, PlainLines), (Terminal(), True, JsonLines)],
)
def test_the_printer_follows_the_output(out: io.StringIO, as_json: bool, kind: type) -> None:
    """A terminal gets live captions, a pipe gets lines, --json gets JSON everywhere."""
    printer = make_printer(out, lambda line: None, as_json=as_json)
    printer.close()
    assert isinstance(printer, kind)


@pytest.mark.parametrize(("level", "cells"), [(-96.0, 0), (-60.0, 0), (-30.0, 5), (0.0, 10), (3.0, 10)])
def test_the_meter_is_linear_in_decibels(level: float, cells: int) -> None:
    """The bar is empty at -60 dBFS and full at 0."""
    assert meter(level).count("▮") == cells
    assert len(meter(level)) == 10


def test_the_status_line_leaves_out_what_is_not_known() -> None:
    """Level, lag and hint stand only where they are known."""
    assert status_line(None, None, "") == ""
    assert status_line(None, 1234.0, "stop") == "1.2 s behind  stop"

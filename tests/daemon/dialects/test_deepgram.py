"""Events to Deepgram's messages: the translation, with the corner cases that its clients know."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from amanuensis.daemon.dialects.deepgram import Translator
from amanuensis.daemon.dialects.deepgram_messages import Metadata, RequestFacts, ServerMessage, encode
from amanuensis.daemon.dialects.deepgram_request import ListenRequest
from amanuensis.stream.events import Commit, EngineUse, Event, Final, FinalReason, Marked, Partial, Speech, Word

FACTS = RequestFacts("0b0c", "tones", "82bd", "0.1.0")
USE = EngineUse("cpu", "cpu", "tones")
ALL = ListenRequest(None, interim_results=True, utterance_end_ms=1000, vad_events=True, diarize=True)
GOLDEN = Path(__file__).parents[2] / "data" / "dialects" / "deepgram.jsonl"


def word(text: str, start_ms: float, spk: str | None = None) -> Word:
    """Return a word of 300 ms."""
    return Word(f" {text}", start_ms, start_ms + 300, 0.9, spk)


def final(end_ms: float, reason: FinalReason = "pause") -> Final:
    """Return the end of an utterance."""
    return Final(0, reason, "", 0, end_ms, USE)


def told(*steps: Sequence[Event], request: ListenRequest = ALL) -> list[dict[str, Any]]:
    """Return the messages for events that come in these steps."""
    translator = Translator(request, FACTS)
    return [message.to_map() for step in steps for message in translator.translate(step)]


def results(messages: Sequence[dict[str, Any]]) -> list[tuple[str, bool, bool, bool]]:
    """Return text, is_final, speech_final and from_finalize of each result."""
    return [
        (
            message["channel"]["alternatives"][0]["transcript"],
            message["is_final"],
            message["speech_final"],
            message["from_finalize"],
        )
        for message in messages
        if message["type"] == "Results"
    ]


def test_a_final_marks_the_commit_that_comes_with_it() -> None:
    """Words that are committed at the end of speech are one result with `speech_final`."""
    assert results(told([Commit(0, (word("hi", 0),)), final(400)])) == [("hi", True, True, False)]


def test_words_keep_their_own_spaces() -> None:
    """Languages that are written without spaces get none."""
    words = [Word(text, at, at + 1, 0.9) for at, text in enumerate((" Ja,", "日", "本", "語"))]
    assert results(told([Commit(0, tuple(words))]))[0][0] == "Ja,日本語"


def test_a_final_after_a_commit_that_was_sent_is_an_empty_result() -> None:
    """Each word is told once: a result that was sent is not sent again to say that speech is over."""
    messages = told([Commit(0, (word("hi", 0),))], [final(900)])
    assert results(messages) == [("hi", True, False, False), ("", True, True, False)]


def test_a_partial_is_interim_and_only_where_it_is_asked_for() -> None:
    """What may still change is told with `interim_results` only."""
    partial = Partial(0, 1, " hello there", 100, 900)
    assert results(told([partial])) == [("hello there", False, False, False)]
    assert told([partial], request=ListenRequest(None)) == []


def test_a_retracted_partial_is_not_told() -> None:
    """A partial that takes its words back is no result."""
    assert told([Partial(0, 2, "", 0, 0)]) == []


def test_results_follow_one_another_in_time() -> None:
    """Every final result starts where the one before it ended, whatever the times of its words."""
    messages = told(
        [Commit(0, (word("a", 500),)), Commit(0, (word("b", 700),))], [final(900)], [Commit(1, (word("c", 850),))]
    )
    at = 0.0
    for message in messages:
        assert message["start"] == pytest.approx(at)
        assert message["duration"] >= 0
        at = message["start"] + message["duration"]


def test_a_finalize_is_answered_in_the_result_that_it_made() -> None:
    """What a Finalize makes final says so."""
    events = [Commit(0, (word("hi", 0),)), final(400, "flush"), Marked("finalize", 500)]
    assert results(told(events)) == [("hi", True, True, True)]


def test_a_finalize_of_nothing_is_answered_by_an_empty_result() -> None:
    """Pipecat waits for it."""
    assert results(told([Marked("finalize", 500)])) == [("", True, False, True)]


def test_a_cut_for_length_is_no_endpoint() -> None:
    """An utterance that is only cut goes on."""
    assert results(told([Commit(0, (word("hi", 0),)), final(400, "length")])) == [("hi", True, False, False)]


def test_without_endpointing_no_pause_ends_speech() -> None:
    """`endpointing=false` leaves `speech_final` to Finalize and the end."""
    request = ListenRequest(None, has_endpoints=False)
    pause = told([Commit(0, (word("hi", 0),)), final(400)], request=request)
    end = told([Commit(0, (word("hi", 0),)), final(400, "end")], request=request)
    assert (results(pause)[0][2], results(end)[0][2]) == (False, True)


def test_speakers_are_numbers_in_the_order_in_which_they_come() -> None:
    """A speaker's number never changes; without `diarize` there is none."""
    commit = Commit(0, (word("a", 0, "S2"), word("b", 300, "S1"), word("c", 600, "S2")))
    words = told([commit])[0]["channel"]["alternatives"][0]["words"]
    assert [each["speaker"] for each in words] == [0, 1, 0]
    bare = told([commit], request=ListenRequest(None))[0]["channel"]["alternatives"][0]["words"]
    assert all("speaker" not in each for each in bare)


def test_an_utterance_ends_once_after_the_gap() -> None:
    """`UtteranceEnd` needs its gap of silence, and is told once."""
    translator = Translator(ALL, FACTS)
    translator.translate([Commit(0, (word("hi", 0),)), final(400)])
    assert translator.heard(1299) == []
    assert [message.to_map()["last_word_end"] for message in translator.heard(1300)] == [0.3]
    assert translator.heard(9000) == []


def test_a_gap_inside_speech_ends_no_utterance() -> None:
    """Words of one utterance may be far apart, also over several results."""
    translator = Translator(ALL, FACTS)
    steps = [Speech(on=True, at_ms=0), Commit(0, (word("oh", 0), word("hi", 2000))), Commit(0, (word("there", 5000),))]
    messages = [message.to_map() for message in translator.translate(steps)]
    assert [message["type"] for message in messages] == ["SpeechStarted", "Results", "Results"]
    assert translator.heard(9000) == []
    translator.translate([Speech(on=False, at_ms=5400), final(5300)])
    assert translator.heard(6200) == []
    assert len(translator.heard(6300)) == 1


def test_the_end_of_an_utterance_is_told_before_the_next_one_at_the_latest() -> None:
    """Sound that comes faster than real time may leave no moment between two utterances."""
    translator = Translator(ALL, FACTS)
    translator.translate([Commit(0, (word("hi", 0),)), Speech(on=True, at_ms=3900), final(400)])
    assert translator.heard(4500) == []  # somebody speaks again
    messages = translator.translate([Commit(1, (word("there", 4000),)), Commit(1, (word("now", 4300),)), final(5000)])
    told = [message.to_map() for message in messages]
    assert [message["type"] for message in told] == ["UtteranceEnd", "Results", "Results"]
    assert told[0]["last_word_end"] == 0.3


def test_pauses_that_are_told_together_keep_their_own_endpoints() -> None:
    """Two utterances that become final in one step are two endpoints, in order."""
    together = [Commit(0, (word("a", 0),)), final(400), Commit(1, (word("b", 900),)), final(1300)]
    assert results(told(together)) == [("a", True, True, False), ("b", True, True, False)]


def test_speech_without_words_is_ended_too() -> None:
    """Who was told that speech began is told once that it is over, though nothing was said."""
    translator = Translator(ALL, FACTS)
    translator.translate([Speech(on=True, at_ms=100), Speech(on=False, at_ms=400)])
    assert results([message.to_map() for message in translator.heard(900)]) == [("", True, True, False)]
    assert translator.heard(2000) == []


def test_silence_alone_ends_no_utterance() -> None:
    """Nobody has spoken, so nothing is over."""
    assert Translator(ALL, FACTS).heard(60_000) == []


def test_messages_are_those_of_the_fixture() -> None:
    """The bytes on the wire are as they were when they were checked against the SDK."""
    messages: list[ServerMessage] = Translator(ALL, FACTS, (1, 2)).translate(
        [
            Speech(on=True, at_ms=140),
            Partial(0, 1, " Hello, wor", 100, 900),
            Commit(0, (word("Hello,", 100, "S1"), word("world.", 420, "S1"))),
            final(900),
            Marked("finalize", 1000),
        ]
    )
    translator = Translator(ALL, FACTS)
    translator.translate([Commit(0, (word("hi", 0),)), final(400)])
    messages += translator.heard(1300)
    messages.append(Metadata("0b0c", "e3b0", "2026-01-01T00:00:00Z", 1.3, 2, ("redact has no effect here",)))
    assert [json.loads(encode(message)) for message in messages] == [
        json.loads(line) for line in GOLDEN.read_text(encoding="utf-8").splitlines()
    ]


def test_a_text_that_is_final_before_speech_is_declared_over_is_ended_once() -> None:
    """The endpoint that follows says nothing new; words that follow first are ended by their own final."""
    begin = [Speech(on=True, at_ms=0), Commit(0, (word("hi", 0),)), final(400)]
    translator = Translator(ALL, FACTS)
    translator.translate(begin)
    translator.translate([Speech(on=False, at_ms=600)])
    assert [message.to_map()["type"] for message in translator.heard(1000)] == []
    translator = Translator(ALL, FACTS)
    translator.translate(begin)
    more = translator.translate([Commit(1, (word("there", 700),)), final(1000), Speech(on=False, at_ms=1300)])
    assert results([message.to_map() for message in more]) == [("there", True, True, False)]
    assert [message.to_map()["type"] for message in translator.heard(1500)] == []

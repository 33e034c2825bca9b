"""Tests of stream/subtitles.py."""

import html
import json
import re
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amanuensis.stream.events import Word
from amanuensis.stream.subtitles import WORD_JOINER, Cue, CueRules, make_cues, to_json, to_srt, to_text, to_vtt

TIMES = r"(\d{2,}):([0-5]\d):([0-5]\d)[,.](\d{3})"
TEXTS = st.text(st.sampled_from("aé語 .?&<>-:{}\\\n\r\u2028\u00a07"), max_size=12) | st.sampled_from(
    ["-->", "<b>", "</b>", "&lt;", "{\\an8}", "WEBVTT", "NOTE", "1", "00:00:01,000 --> 00:00:02,000", "x" * 100]
)
WORDS = st.builds(
    lambda text, start, length, spk, space: Word(space + text, start, start + length, 0.5, spk),
    TEXTS,
    st.floats(-100, 4e7),
    st.floats(-100, 9000),
    st.sampled_from([None, "S1", "Ann & <Bob>"]),
    st.sampled_from(["", " "]),
)
UTTERANCES = st.lists(st.lists(WORDS, max_size=12), max_size=4)


def say(text: str, start_ms: float = 0, word_ms: float = 300, spk: str | None = None) -> list[Word]:
    """Return the words of a text, one after the other."""
    parts = text.split()
    return [
        Word(" " + part, start_ms + i * word_ms, start_ms + (i + 1) * word_ms, 0.9, spk) for i, part in enumerate(parts)
    ]


def milliseconds(clock: str) -> int:
    """Read a time."""
    match = re.fullmatch(TIMES, clock)
    assert match
    hours, minutes, seconds, ms = map(int, match.groups())
    return ((hours * 60 + minutes) * 60 + seconds) * 1000 + ms


def parse(blocks: list[str]) -> list[tuple[int, int, tuple[str, ...]]]:
    """Read cue blocks whose first line is the times."""
    cues = []
    for block in blocks:
        times, *lines = block.split("\n")
        start, arrow, end = times.split(" ")
        assert arrow == "-->"
        cues.append((milliseconds(start), milliseconds(end), tuple(lines)))
    return cues


def parse_srt(document: str) -> list[tuple[int, int, tuple[str, ...]]]:
    """Read a SubRip file strictly: numbered blocks with an empty line between them."""
    blocks = document.removesuffix("\n").split("\n\n") if document else []
    for number, block in enumerate(blocks, 1):
        assert block.startswith(f"{number}\n")
    return parse([block.split("\n", 1)[1] for block in blocks])


def parse_vtt(document: str) -> list[tuple[int, int, str | None, tuple[str, ...]]]:
    """Read a WebVTT file strictly: a header, then blocks with an empty line between them."""
    head, *blocks = document.removesuffix("\n").split("\n\n")
    assert head == "WEBVTT"
    cues = []
    for start, end, lines in parse(blocks):
        assert not any("-->" in line for line in lines)
        match = re.match(r"<v ([^<>]*)>", lines[0])
        first = lines[0][match.end() :] if match else lines[0]
        assert not re.search(r"[<>]|&(?!amp;|lt;|gt;)", "".join([first, *lines[1:]]))
        texts = tuple(html.unescape(line) for line in (first, *lines[1:]))
        cues.append((start, end, html.unescape(match[1]) if match else None, texts))
    return cues


def squeeze(text: str) -> str:
    """Return the text without white space."""
    return "".join(text.split())


@settings(deadline=None)
@given(UTTERANCES)
def test_cues_are_well_formed(utterances: list[list[Word]]) -> None:
    """Whatever the words and their times, cues are in order, never overlap, fit the screen, and lose no character."""
    cues = make_cues(utterances)
    rules = CueRules()
    for cue in cues:
        assert 0 <= cue.start_ms < cue.end_ms <= cue.start_ms + rules.max_ms
        assert 1 <= len(cue.lines) <= rules.max_lines
        assert all(line == line.strip() and 0 < len(line) <= rules.line_chars for line in cue.lines)
    assert all(a.end_ms <= b.start_ms for a, b in pairwise(cues))
    said = "".join(word.text for words in utterances for word in words)
    assert squeeze("".join(line for cue in cues for line in cue.lines)) == squeeze(said)


@settings(deadline=None)
@given(UTTERANCES)
def test_vtt_round_trip(utterances: list[list[Word]]) -> None:
    """A strict reader gets from WebVTT the very cues, with their speakers, whatever is in the text."""
    expected = [
        (cue.start_ms, cue.end_ms, cue.spk, tuple(" ".join(line.split()) for line in cue.lines))
        for cue in make_cues(utterances)
    ]
    assert parse_vtt(to_vtt(utterances)) == expected


@settings(deadline=None)
@given(UTTERANCES)
def test_srt_round_trip(utterances: list[list[Word]]) -> None:
    """A strict reader gets from SubRip the very cues, and no text looks like markup or times."""
    cues, spk, expected = make_cues(utterances), None, []
    for cue in cues:
        prefix = f"{cue.spk}: " if cue.spk is not None and cue.spk != spk else ""
        spk = cue.spk
        expected.append((cue.start_ms, cue.end_ms, (prefix + cue.lines[0], *cue.lines[1:])))
    read = parse_srt(to_srt(utterances))
    plain = [(start, end, tuple(line.replace(WORD_JOINER, "") for line in lines)) for start, end, lines in read]
    assert plain == expected
    assert not any(re.search(r"-->|<[A-Za-z/!]|\{\\", line) for _, _, lines in read for line in lines)


@settings(deadline=None)
@given(UTTERANCES)
def test_json_round_trip(utterances: list[list[Word]]) -> None:
    """JSON holds every word with its times and speaker as they were."""
    document = json.loads(to_json(utterances))
    read = [
        [Word(word["text"], word["from_ms"], word["to_ms"], word["conf"], word.get("spk")) for word in item["words"]]
        for item in document["utterances"]
    ]
    assert read == [words for words in utterances if words]


@settings(deadline=None)
@given(UTTERANCES)
def test_text_holds_every_character(utterances: list[list[Word]]) -> None:
    """Plain text holds all that was said, one line for each utterance and speaker, none of them empty."""
    text = to_text([[Word(w.text, w.start_ms, w.end_ms, w.conf) for w in words] for words in utterances])
    assert squeeze(text) == squeeze("".join(word.text for words in utterances for word in words))
    assert all(line.strip() for line in text.splitlines())


def test_srt_golden() -> None:
    """A SubRip file has numbers, comma times, and names where the speaker changes."""
    words = [say("Hello there, friend.", 500, spk="Ann"), say("Hi.", 4000, spk="Ben"), say("Well?", 5000, spk="Ben")]
    assert to_srt(words) == (
        "1\n00:00:00,500 --> 00:00:01,500\nAnn: Hello there, friend.\n\n"
        "2\n00:00:04,000 --> 00:00:05,000\nBen: Hi.\n\n"
        "3\n00:00:05,000 --> 00:00:06,000\nWell?\n"
    )


def test_vtt_golden() -> None:
    """A WebVTT file has point times, voice tags and escaped text."""
    words = [say("AT&T <3", 3_599_999, spk="Ann"), say("1 --> 2", 3_700_000)]
    assert to_vtt(words) == (
        "WEBVTT\n\n00:59:59.999 --> 01:00:00.999\n<v Ann>AT&amp;T &lt;3\n\n01:01:40.000 --> 01:01:41.000\n1 --&gt; 2\n"
    )


def test_text_golden() -> None:
    """Plain text has a line for each utterance and a name where the speaker changes, within an utterance too."""
    words = [say("good morning", spk="Ann") + say("hello", 900, spk="Ben"), say("how are you", 2000, spk="Ben")]
    assert to_text(words) == "Ann: good morning\nBen: hello\nhow are you\n"


def test_json_golden() -> None:
    """JSON has the text, the utterances and their words, and a speaker only where one is known."""
    word = {"text": " yes", "from_ms": 10, "to_ms": 310, "conf": 0.9}
    utterance = {"text": "yes", "from_ms": 10, "to_ms": 310, "words": [word]}
    assert json.loads(to_json([say("yes", 10), []])) == {"text": "yes", "utterances": [utterance]}


def test_nothing_said() -> None:
    """Without words the files are empty but valid."""
    assert (to_srt([]), to_vtt([[]]), to_text([[]])) == ("", "WEBVTT\n", "")
    assert json.loads(to_json([])) == {"text": "", "utterances": []}


def test_long_speech_is_cut_at_seven_seconds() -> None:
    """Slow speech is cut so that no cue stays longer than 7 s."""
    cues = make_cues([say("one two three four five six seven eight", word_ms=1200)])
    assert [cue.lines for cue in cues] == [("one two three four five",), ("six seven eight",)]


def test_full_cues_are_cut_at_84_characters_in_even_lines() -> None:
    """Fast speech fills two lines of about the same length."""
    cues = make_cues([say("the quick brown fox jumps over the lazy dog and runs", word_ms=100)])
    assert [cue.lines for cue in cues] == [("the quick brown fox jumps", "over the lazy dog and runs")]


def test_a_pause_begins_a_new_cue() -> None:
    """Words on both sides of a long pause are not shown together."""
    assert len(make_cues([say("before the pause") + say("after it", 4000)])) == 2


def test_a_sentence_that_fills_a_line_ends_its_cue() -> None:
    """A new sentence starts a new cue once there is a line of text; a short one shares it."""
    cues = make_cues([say("This sentence has more than forty-two characters. Short one. And so on.", word_ms=200)])
    assert [" ".join(cue.lines) for cue in cues] == [
        "This sentence has more than forty-two characters.",
        "Short one. And so on.",
    ]


def test_short_cues_stay_for_a_second_where_there_is_room() -> None:
    """A short word is shown for a second, or until the next cue."""
    cues = make_cues([say("no", 0, 100), say("yes", 600, 100), say("maybe", 9000, 100)])
    assert [(cue.start_ms, cue.end_ms) for cue in cues] == [(0, 600), (600, 1600), (9000, 10_000)]


def test_words_without_spaces_are_joined() -> None:
    """Languages that write without spaces get none."""
    words = [Word(text, i * 100, i * 100 + 100, 1.0) for i, text in enumerate("今日は晴れです。")]
    assert make_cues([words]) == [Cue(0, 1000, ("今日は晴れです。",))]


@pytest.mark.parametrize(
    "values", [{"line_chars": 0}, {"max_lines": 0}, {"min_ms": 8000}, {"min_ms": 0}, {"pause_ms": -1}]
)
def test_rules_are_checked(values: dict[str, int]) -> None:
    """Rules that allow no cue are refused."""
    with pytest.raises(ValueError, match="is not allowed"):
        CueRules(**values)


def test_the_one_voice_of_a_text_is_named_only_by_a_name() -> None:
    """A letter says something only beside another; JSON has it all the same."""
    alone, named = [say("good morning", spk="A")], [say("good morning", spk="Ann")]
    assert to_text(alone) == "good morning\n"
    assert "A:" not in to_srt(alone)
    assert "<v" not in to_vtt(alone)
    assert '"spk": "A"' in to_json(alone)
    assert to_text(named) == "Ann: good morning\n"
    assert to_text([*alone, say("hello", 2000, spk="B")]) == "A: good morning\nB: hello\n"

"""Where people on different tracks speak at once."""

from __future__ import annotations

from amanuensis.daemon.meetings.model import HeardWord, Line, Utterance
from amanuensis.daemon.meetings.overlaps import Overlap, overlaps


def line(track: str, text: str, start_ms: float, word_ms: float = 200) -> Line:
    """Return an utterance of words one after the other."""
    words = tuple(
        HeardWord(f" {word}", start_ms + k * word_ms, start_ms + (k + 1) * word_ms, 0.9)
        for k, word in enumerate(text.split())
    )
    return Line(track, track, track, Utterance(0, None, words))


def test_words_at_once_on_two_tracks_are_an_overlap() -> None:
    """From where the second begins to where the first ends; words one after the other are none."""
    lines = [line("me", "one two three four", 0), line("them", "five six seven", 400), line("me", "eight", 2000)]
    assert overlaps(lines) == [Overlap(400, 800, ("me", "them"))]


def test_a_moment_is_none() -> None:
    """Word times are not so good that less than 0.3 s could be told."""
    assert overlaps([line("me", "one two", 0), line("them", "three", 200, 150)]) == []


def test_one_track_never_overlaps_itself() -> None:
    """Of one microphone nothing is guessed."""
    assert overlaps([line("me", "one two three", 0), line("me", "four five six", 100)]) == []


def test_an_echo_is_no_overlap() -> None:
    """A microphone that hears the loudspeaker has the same words a little later."""
    assert overlaps([line("them", "one two three four", 0), line("me", "One, two three four.", 60)]) == []


def test_three_tracks_are_taken_by_twos() -> None:
    """In order of time."""
    lines = [line("a", "one two three", 0), line("b", "four five six", 0), line("c", "seven eight nine", 300)]
    assert [(one.start_ms, one.tracks) for one in overlaps(lines)] == [
        (0, ("a", "b")),
        (300, ("a", "c")),
        (300, ("b", "c")),
    ]

"""The measures of streaming, on takes that are worked out by hand."""

from __future__ import annotations

import json
import math

import pytest

from amanuensis.benchmarks.measures import (
    Kind,
    Latencies,
    Percentiles,
    Sent,
    Shown,
    Spoken,
    Take,
    commit_latencies_s,
    committed,
    final_latencies_s,
    normalised_erasure,
    partial_latencies_s,
    plain_words,
    slope_per_hour,
    streaming_errors,
    transcript,
)

REFERENCE = (
    Spoken("good", 0.5, 0.8),
    Spoken("morning", 0.8, 1.3),
    Spoken("twenty-two", 2.5, 3.0),
    Spoken("miles", 3.0, 3.4),
)


def take(*shown: tuple[float, Kind, str], delay_s: float = 0.0) -> Take:
    """A take of 5 s of sound in pieces of 100 ms, each due when its last sample is spoken, all later by a delay."""
    sent = tuple(Sent((k + 1) / 10 + delay_s, (k + 1) / 10) for k in range(50))
    return Take(tuple(Shown(*one) for one in shown), sent)


GOLDEN = take(
    (0.9, "partial", " good"),
    (1.4, "partial", " good mourning"),
    (1.6, "partial", " good morning"),
    (1.7, "commit", " good"),
    (1.8, "partial", " morning"),
    (1.9, "final", " Good morning."),
    (3.2, "partial", " twenty two"),
    (3.9, "final", " Twenty-two miles."),
)


def test_words_are_matched_without_case_and_punctuation() -> None:
    """Hyphens part words; what is only punctuation is no word."""
    assert plain_words(" Twenty-two - MILES.") == ["twenty", "two", "miles"]


def test_a_final_commits_what_no_commit_has() -> None:
    """Each word is committed once, with the time of its utterance's final."""
    assert [(word.text, word.at_s, word.final_s) for word in committed(GOLDEN)] == [
        ("good", 1.7, 1.9),
        ("morning", 1.9, 1.9),
        ("twenty", 3.9, 3.9),
        ("two", 3.9, 3.9),
        ("miles", 3.9, 3.9),
    ]


def test_commit_latency_runs_from_the_end_of_the_word() -> None:
    """Parts of a joined word share its end."""
    assert commit_latencies_s(GOLDEN, REFERENCE) == pytest.approx([0.9, 0.6, 0.9, 0.9, 0.5])


def test_partial_latency_runs_to_the_first_showing() -> None:
    """A word counts as shown from the first event that has it in its place, partial or not."""
    assert partial_latencies_s(GOLDEN, REFERENCE) == pytest.approx([0.1, 0.3, 0.2, 0.2, 0.5])


def test_a_word_of_an_earlier_place_is_not_shown_yet() -> None:
    """The same word said before does not count for the second time that it is said."""
    reference = (Spoken("two", 0.0, 0.4), Spoken("two", 3.0, 3.4))
    heard = take((0.6, "commit", " two"), (3.6, "partial", " two"), (4.0, "final", " two two"))
    assert partial_latencies_s(heard, reference) == pytest.approx([0.2, 0.2])


def test_final_latency_runs_from_each_stop_of_the_speaker() -> None:
    """A pause of half a second and the end are stops; the utterance's final ends the time."""
    assert final_latencies_s(GOLDEN, REFERENCE) == pytest.approx([0.6, 0.5])


def test_a_final_before_the_stop_does_not_count() -> None:
    """An utterance that was cut before the speaker stopped leaves the stop to the next final."""
    cut = take((1.0, "final", " good"), (2.0, "final", " warning"), (3.9, "final", " twenty two miles"))
    assert final_latencies_s(cut, REFERENCE) == pytest.approx([0.7, 0.5])


def test_without_finals_the_last_commit_counts() -> None:
    """A system that never ends an utterance is final with its commits."""
    heard = take((1.8, "commit", " good morning"), (3.9, "commit", " twenty two"), (4.4, "commit", " miles"))
    assert final_latencies_s(heard, REFERENCE) == pytest.approx([0.5, 1.0])


def test_a_stop_whose_words_were_not_recognised_has_no_latency() -> None:
    """Nothing is made up where there is nothing to compare."""
    assert final_latencies_s(take((4.0, "final", " twenty two miles")), REFERENCE) == pytest.approx([0.6])


def test_a_late_schedule_takes_the_word_with_it() -> None:
    """Latency counts from when the sound was due, wherever the clock of the take began."""
    late = take((2.3, "commit", " good"), delay_s=1.0)
    assert commit_latencies_s(late, REFERENCE) == pytest.approx([0.5])


def test_erasure_counts_words_taken_back() -> None:
    """Of five words one, `mourning`, was shown and taken back; commits take nothing back."""
    assert normalised_erasure(GOLDEN) == pytest.approx(1 / 5)


def test_erasure_of_a_prefix_takes_all_behind_it() -> None:
    """A change in the first word takes back what was shown behind it too."""
    heard = take((1.0, "partial", "a b c"), (2.0, "partial", "x b c"), (3.0, "final", "x b c"))
    assert normalised_erasure(heard) == pytest.approx(3 / 3)


def test_transcript_has_every_word_once() -> None:
    """Finals stand for their commits; commits after the last final follow."""
    heard = take(
        (1.0, "commit", " Good"), (1.5, "final", " Good morning."), (3.0, "commit", " Two"), (3.5, "commit", " miles")
    )
    assert transcript(heard) == "Good morning. Two miles"


def test_errors_are_those_of_normalised_english() -> None:
    """Case and punctuation are no errors."""
    assert streaming_errors("good morning", "Good mourning!").total == 1


def test_slope_is_that_of_the_best_line() -> None:
    """A megabyte a minute is 60 an hour; one point has no slope."""
    assert slope_per_hour([(0.0, 100.0), (60.0, 101.0), (120.0, 102.0)]) == pytest.approx(60.0)
    assert slope_per_hour([(0.0, 100.0)]) == 0.0


def test_percentiles_interpolate() -> None:
    """The usual linear percentiles; nan where there is nothing."""
    assert Percentiles.of([1.0, 2.0, 3.0]) == Percentiles(3, 2.0, pytest.approx(2.9), pytest.approx(2.98))
    assert math.isnan(Percentiles.of([]).p50)


def test_a_take_survives_json() -> None:
    """What a driver in another environment writes is read back as it was."""
    assert Take.of_json(json.loads(json.dumps(GOLDEN.as_json()))) == GOLDEN


def test_figures_of_several_takes_are_of_all_their_words() -> None:
    """Latencies of takes are put together before percentiles are taken."""
    latencies = Latencies.none()
    latencies.add(GOLDEN, REFERENCE)
    latencies.add(GOLDEN, REFERENCE)
    figures = latencies.figures()
    assert figures["commit_s"]["n"] == 10
    assert figures["final_s"]["p50"] == pytest.approx(0.55)
    assert figures["wer"] == 0.0

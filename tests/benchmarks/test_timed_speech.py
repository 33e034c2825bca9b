"""Speech with known word times."""

from __future__ import annotations

import numpy as np

from amanuensis.benchmarks.sound import SAMPLE_RATE, conversation
from amanuensis.benchmarks.timed_speech import timed_speech


def test_whole_utterances_that_fit_are_spoken() -> None:
    """No utterance is cut; at least one comes whatever the length."""
    assert timed_speech(7).text == "good morning what time is it it is nine forty two in the morning"
    assert timed_speech(0).text == "good morning what time is it"


def test_words_lie_where_the_sound_has_them() -> None:
    """From another utterance on, sound and times move together."""
    speech = timed_speech(6, shift=1)
    first = speech.words[0]
    assert (first.text, first.start_s is not None) == ("it", True)
    moved_s = 3.754 - (first.start_s or 0.0)
    begun = round(moved_s * SAMPLE_RATE)
    np.testing.assert_array_equal(speech.samples, conversation()[begun : begun + len(speech.samples)])


def test_the_conversation_begins_anew_where_it_ends() -> None:
    """Longer than the conversation, times go on rising."""
    speech = timed_speech(120, shift=14)
    ends = [word.end_s or 0.0 for word in speech.words]
    assert speech.text.startswith("thank you goodbye good morning")
    assert ends == sorted(ends)
    assert 110 < speech.seconds <= 120

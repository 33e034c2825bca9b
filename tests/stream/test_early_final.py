"""Texts that are final before their utterance ends."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amanuensis.stream.config import StreamConfig
from amanuensis.stream.early_final import SURE, goes_on, is_sure, seems_finished
from amanuensis.stream.events import Event, Final, Speech
from amanuensis.stream.formats import AudioFormat
from amanuensis.stream.segmenter import SegmenterConfig
from amanuensis.stream.session import StreamSession
from tests.helpers.drive import Driver, check_captions, committed
from tests.helpers.scripted_engine import INFO, Said, ScriptedEngine, ScriptedTokenizer
from tests.helpers.talk import pcm, script, speak
from tests.helpers.words import words

HESITANT = (0.0, 0.0, 0.15, 0.25, 0.45, 0.55, 1.2)  # seconds between words
STEP = 640  # bytes: 20 ms
PLAIN = SegmenterConfig(early_ms=60_000, early_max_ms=60_000, early_unsure_ms=60_000)


def hear(
    said: tuple[Said, ...],
    endpoint: SegmenterConfig | None = None,
    sizes: tuple[int, ...] = (STEP,),
    seed: int = 0,
    p_wait: float = 0.0,
    beam_size: int = 1,
) -> tuple[StreamSession, list[Event]]:
    """Return the session that heard a script, at its end, and all events."""
    config = StreamConfig(endpoint=endpoint or SegmenterConfig(), beam_size=beam_size)
    session = StreamSession(config, AudioFormat(), ScriptedTokenizer(said), INFO)
    driver = Driver(session, ScriptedEngine(said, seed, 0.5, 0.3), seed, p_wait=p_wait)
    return session, driver.run(pcm(speak(said)), list(sizes))


def finals(events: list[Event]) -> list[str]:
    """Return the texts of the utterances."""
    return [event.text for event in events if isinstance(event, Final)]


@pytest.mark.parametrize(
    ("text", "seems"), [("", None), ("turn it off", None), ("Turn it off.", True), ("It is. Now", False)]
)
def test_punctuation_says_whether_a_text_is_finished(text: str, seems: bool | None) -> None:
    """A model that writes none says nothing."""
    assert seems_finished(words(text)) is seems


@pytest.mark.parametrize(
    ("text", "on"), [("", False), ("it is nine", False), ("set the", True), ("It is. Now", True), ("and because", True)]
)
def test_some_last_words_are_followed_by_others(text: str, on: bool) -> None:
    """An article ends no sentence, nor does what comes behind a full stop without one of its own."""
    assert goes_on(words(text)) is on


def test_one_unlikely_word_makes_a_text_unsure() -> None:
    """More sound may correct it."""
    sure = words("it is nine")
    assert is_sure(sure)
    assert not is_sure([*sure, replace(sure[0], conf=SURE - 0.01)])


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 10),
    sizes=st.lists(st.sampled_from([2, STEP, 3_202, 40_000]), max_size=3).map(lambda sizes: [*sizes, STEP]),
    p_wait=st.sampled_from([0.0, 0.8]),
)
def test_a_hesitant_talk_loses_nothing(seed: int, sizes: list[int], p_wait: float) -> None:
    """However the sound is cut and the engine waits: each word is committed once, each sample has one fate."""
    said = tuple(script(14, seed, HESITANT))
    session, events = hear(said, sizes=tuple(sizes), seed=seed, p_wait=p_wait)
    data_samples = len(pcm(speak(said))) // 2
    assert [word.text for word in committed(events)] == [word.text for word in said]
    check_captions(events, data_samples / 16)
    totals = session.ledger.totals()
    assert (totals.received, totals.unsettled, totals.gap) == (data_samples, 0, 0)
    assert session.counters.early_finals > 0 or p_wait or max(sizes) > STEP


def test_the_final_comes_before_the_endpoint() -> None:
    """The text is final while speech is not declared over; without the rule it is the other way round."""
    said = tuple(script(3, 1))
    for endpoint, order in ((None, [Final, Speech]), (PLAIN, [Speech, Final])):
        _, events = hear(said, endpoint)
        kinds = [type(event) for event in events if isinstance(event, Final | Speech)]
        assert kinds == [Speech, *order]


def test_several_beams_wait_for_the_endpoint() -> None:
    """What they find may differ from the ticks, which are greedy: nothing is told before they have looked."""
    session, events = hear(tuple(script(3, 1)), beam_size=5)
    assert [type(event) for event in events if isinstance(event, Final | Speech)] == [Speech, Speech, Final]
    assert (session.counters.early_finals, session.counters.finals) == (0, 1)


def test_a_pause_begins_another_utterance_whose_words_follow() -> None:
    """Two halves around a pause of 0.4 s are two utterances inside one stretch of speech."""
    said = tuple(script(6, 2))
    said = (*said[:3], *(Said(word.text, word.start_ms + 400, word.end_ms + 400) for word in said[3:]))
    session, events = hear(said)
    assert finals(events) == ["".join(word.text for word in half) for half in (said[:3], said[3:])]
    assert len(finals(hear(said, PLAIN)[1])) == 1
    assert session.counters.early_finals == 2
    assert [event.on for event in events if isinstance(event, Speech)] == [True, False]
    starts = [event.start_ms for event in events if isinstance(event, Final)]
    assert all(a < b for a, b in pairwise(starts))


def test_nothing_is_decoded_in_a_silence_when_all_is_told() -> None:
    """One decode when speech stops, none at the endpoint."""
    said = tuple(script(3, 1))
    session, _ = hear(said)
    assert (session.counters.finals, session.counters.instant_finals) == (0, 1)


def test_who_pauses_in_every_sentence_is_cut_at_the_first_ones_only() -> None:
    """The pauses of this speaker are learnt: later ones make no utterance."""
    said = tuple(script(48, 4))
    moved: list[Said] = []
    for k, word in enumerate(said):
        later_ms = 350 * (k // 3) + 900 * (k // 6)  # a pause in the middle of every six words, a long one behind them
        moved.append(Said(word.text, word.start_ms + later_ms, word.end_ms + later_ms))
    texts = finals(hear(tuple(moved))[1])
    assert [len(text.split()) for text in texts[-4:]] == [6, 6, 6, 6]
    assert len(texts) > 8

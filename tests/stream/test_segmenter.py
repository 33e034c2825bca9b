"""Tests of stream/segmenter.py."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amanuensis.stream.segmenter import (
    Segmenter,
    SegmenterConfig,
    SegmentEvent,
    SpeechEnd,
    SpeechStart,
)
from amanuensis.stream.vad import FRAME_SAMPLES

RUNS = st.lists(st.integers(1, 120), max_size=14)  # frames of silence, speech, silence, ...
CONFIGS = st.builds(
    SegmenterConfig,
    pre_roll_ms=st.sampled_from([500, 730]),
    hangover_ms=st.sampled_from([0, 100, 200, 400]),
    min_speech_ms=st.sampled_from([20, 60, 200]),
    silence_ms=st.sampled_from([300, 600, 1200]),
    finished_silence_ms=st.sampled_from([250, 400]),
    max_utterance_ms=st.sampled_from([None, 1500, 5000]),
)


def frames(*runs: int) -> list[bool]:
    """Return decisions: so many frames of silence, then of speech, then of silence ..."""
    return [bool(i % 2) for i, n in enumerate(runs) for _ in range(n)]


def samples(ms: float) -> int:
    """Return 16 kHz samples."""
    return round(16 * ms)


def utterances(events: list[SegmentEvent]) -> list[tuple[int, int]]:
    """Return the spans of finished utterances, checking that starts and ends take turns."""
    starts, ends = events[::2], events[1::2]
    assert all(isinstance(event, SpeechStart) for event in starts)
    assert all(isinstance(event, SpeechEnd) for event in ends)
    return [(start.at_sample, end.at_sample) for start, end in zip(starts, ends, strict=True)]


@settings(deadline=None)
@given(runs=RUNS, config=CONFIGS, tail=st.integers(1, FRAME_SAMPLES))
def test_utterances_hold_all_speech(runs: list[int], config: SegmenterConfig, tail: int) -> None:
    """Utterances are ordered, disjoint and inside the audio, and hold all speech that is long enough to open one."""
    decisions = frames(*runs)
    end = max(0, (len(decisions) - 1) * FRAME_SAMPLES + tail)  # the last frame was completed with zeros
    segmenter = Segmenter(config)
    spans = utterances(segmenter.push(decisions[:-1]) + segmenter.push(decisions[-1:], end) + segmenter.flush(end))
    bounds = [position for span in spans for position in span]
    assert bounds == sorted(bounds)
    assert all(0 <= start < stop <= end for start, stop in spans)
    at = 0
    for i, n in enumerate(runs):
        start, stop = at, min(at + n * FRAME_SAMPLES, end)
        at += n * FRAME_SAMPLES
        if i % 2 and stop - start >= samples(config.min_speech_ms):
            inside = sum(max(0, min(stop, b) - max(start, a)) for a, b in spans)
            assert inside == stop - start
    assert segmenter.flush() == []


@settings(deadline=None)
@given(runs=RUNS, config=CONFIGS, sizes=st.lists(st.integers(1, 40), min_size=1, max_size=5))
def test_cuts_make_no_difference(runs: list[int], config: SegmenterConfig, sizes: list[int]) -> None:
    """Decisions pushed in pieces of any size give the same events."""
    decisions = frames(*runs)
    whole, pieces = Segmenter(config), Segmenter(config)
    events: list[SegmentEvent] = []
    at = i = 0
    while at < len(decisions):
        events += pieces.push(decisions[at : at + sizes[i % len(sizes)]])
        at += sizes[i % len(sizes)]
        i += 1
    assert events == whole.push(decisions)
    assert pieces.flush() == whole.flush()


@settings(deadline=None)
@given(runs=RUNS, config=CONFIGS)
def test_quiet_until_is_final(runs: list[int], config: SegmenterConfig) -> None:
    """What was told to be in no utterance is in none later, and the mark never goes back or ahead of the audio."""
    segmenter, quiet, floor = Segmenter(config), 0, 0
    for decision in frames(*runs):
        for event in segmenter.push([decision]):
            if isinstance(event, SpeechStart):
                assert event.at_sample >= max(quiet, floor)
            else:
                floor = event.at_sample
        assert quiet <= segmenter.quiet_until <= segmenter.position
        quiet = segmenter.quiet_until


@settings(deadline=None)
@given(runs=RUNS, config=CONFIGS)
def test_lengths_and_pauses_are_bounded(runs: list[int], config: SegmenterConfig) -> None:
    """An utterance is no longer than its limit, and ends at a pause after no less silence than asked for."""
    segmenter = Segmenter(config)
    events = segmenter.push(frames(*runs)) + segmenter.flush()
    for start, stop in utterances(events):
        if config.max_utterance_ms is not None:
            assert stop - start < samples(config.max_utterance_ms) + FRAME_SAMPLES
    for event in events:
        if isinstance(event, SpeechEnd) and event.reason == "pause":
            assert samples(config.silence_ms) <= event.silence_samples < samples(config.silence_ms) + FRAME_SAMPLES


def test_pre_roll() -> None:
    """An utterance starts 500 ms before its first speech."""
    assert Segmenter().push(frames(50, 10)) == [SpeechStart(50 * FRAME_SAMPLES - samples(500))]


def test_pre_roll_stops_at_the_start_of_the_audio() -> None:
    """Where there is less audio than the pre-roll, the utterance starts with the audio."""
    assert Segmenter().push(frames(5, 10)) == [SpeechStart(0)]


def test_pre_roll_stops_at_the_utterance_before() -> None:
    """The pre-roll never reaches into the utterance before."""
    segmenter = Segmenter()
    events = segmenter.push(frames(50, 10, 30, 10))
    first_end = 60 * FRAME_SAMPLES + samples(200)
    assert events[1:] == [SpeechEnd(first_end, samples(600)), SpeechStart(first_end + samples(0))]


def test_a_click_opens_nothing() -> None:
    """Speech shorter than the minimum is forgotten after a short silence."""
    segmenter = Segmenter()
    assert segmenter.push(frames(50, 2, 50, 2, 50)) == []
    assert not segmenter.undecided
    assert segmenter.flush() == []


def test_broken_speech_adds_up() -> None:
    """Pieces of speech with short silences between them open an utterance together, from the first piece on."""
    segmenter = Segmenter()
    assert segmenter.push(frames(50, 2, 3)) == []
    assert segmenter.undecided
    assert segmenter.push(frames(0, 2)) == [SpeechStart(50 * FRAME_SAMPLES - samples(500))]
    assert not segmenter.undecided


@pytest.mark.parametrize(("hint", "silence_ms"), [(None, 600), (True, 250), (False, 1200)])
def test_the_text_decides_how_long_to_wait(hint: bool | None, silence_ms: int) -> None:
    """The silence that ends an utterance is shorter when the text seems finished and longer when it does not."""
    segmenter = Segmenter()
    segmenter.push(frames(50, 20))
    segmenter.hint(hint)
    assert segmenter.endpoint_silence_ms == silence_ms
    n = -(-silence_ms // 20)
    assert segmenter.push(frames(n - 1)) == []
    assert segmenter.push(frames(1)) == [SpeechEnd(70 * FRAME_SAMPLES + samples(200), n * FRAME_SAMPLES)]


def test_a_hint_in_the_pause_counts_at_once() -> None:
    """A hint that comes when the shorter silence has passed already ends the utterance at the next decision."""
    segmenter = Segmenter()
    segmenter.push(frames(50, 20, 20))
    segmenter.hint(True)
    assert len(segmenter.push([False])) == 1


def test_new_speech_withdraws_the_hint() -> None:
    """When the voice goes on after a pause, the hint no longer counts."""
    segmenter = Segmenter()
    segmenter.push(frames(50, 20))
    segmenter.hint(True)
    segmenter.push(frames(5, 5))
    assert segmenter.endpoint_silence_ms == 600


def test_speech_without_a_pause_keeps_the_hint() -> None:
    """A hint given while the voice is still on holds until the pause."""
    segmenter = Segmenter()
    segmenter.push(frames(50, 20))
    segmenter.hint(True)
    segmenter.push([True, True])
    assert segmenter.endpoint_silence_ms == 250


def test_the_next_utterance_starts_without_a_hint() -> None:
    """A hint does not outlive its utterance."""
    segmenter = Segmenter()
    segmenter.push(frames(50, 20))
    segmenter.hint(True)
    segmenter.push(frames(13, 20))
    assert segmenter.endpoint_silence_ms == 600


def test_sherpa_rules() -> None:
    """With sherpa-onnx's rules (csrc/endpoint.h) 2.4 s end an utterance without text, 1.2 s one with text, 20 s any."""
    segmenter = Segmenter(
        SegmenterConfig(silence_ms=2400, finished_silence_ms=1200, unfinished_silence_ms=1200, max_utterance_ms=20_000)
    )
    assert len(segmenter.push(frames(50, 20, 119))) == 1
    assert len(segmenter.push([False])) == 1
    segmenter.push(frames(0, 20))
    segmenter.hint(False)
    assert segmenter.push(frames(59)) == []
    assert len(segmenter.push([False])) == 1
    ends = [event for event in segmenter.push(frames(0, 1100)) if isinstance(event, SpeechEnd)]
    assert [end.reason for end in ends] == ["length"]


def test_a_length_cut_goes_on_without_a_hole() -> None:
    """Speech that is cut at the maximum length goes on in the next utterance at the same sample."""
    segmenter = Segmenter(SegmenterConfig(max_utterance_ms=2000))
    events = segmenter.push(frames(0, 150))
    assert events == [SpeechStart(0), SpeechEnd(32_000, 0, "length"), SpeechStart(32_000)]


def test_a_length_cut_at_the_end_leaves_nothing_empty() -> None:
    """When the audio ends where an utterance was cut, no empty one follows."""
    segmenter = Segmenter(SegmenterConfig(max_utterance_ms=2000))
    assert len(segmenter.push(frames(0, 100))) == 2
    assert segmenter.flush() == []


def test_a_shorter_last_frame_ends_with_the_audio() -> None:
    """No utterance reaches beyond the audio into the zeros that completed the last frame."""
    segmenter = Segmenter(SegmenterConfig(max_utterance_ms=2000))
    segmenter.push(frames(0, 99))
    assert segmenter.push([True], 99 * FRAME_SAMPLES + 7) == []
    assert segmenter.flush() == [SpeechEnd(99 * FRAME_SAMPLES + 7, 0, "end")]


def test_a_length_cut_in_a_pause_waits_for_speech() -> None:
    """When the maximum length is reached in silence, no new utterance is opened."""
    segmenter = Segmenter(SegmenterConfig(max_utterance_ms=2000))
    assert len(segmenter.push(frames(0, 90, 10))) == 2
    assert segmenter.flush() == []


def test_flush_ends_speech_in_mid_word() -> None:
    """At the end the open utterance ends with the audio."""
    segmenter = Segmenter()
    segmenter.push(frames(50, 20))
    assert segmenter.flush(70 * FRAME_SAMPLES - 100) == [SpeechEnd(70 * FRAME_SAMPLES - 100, 0, "end")]
    assert segmenter.flush() == []


def test_flush_keeps_a_last_short_word() -> None:
    """Speech that had no time to open an utterance becomes one at the end."""
    segmenter = Segmenter()
    segmenter.push(frames(50, 2))
    assert utterances(segmenter.flush()) == [(50 * FRAME_SAMPLES - samples(500), 52 * FRAME_SAMPLES)]


def test_a_session_goes_on_after_a_flush() -> None:
    """After a flush on demand the same voice opens the next utterance where the last one ended."""
    segmenter = Segmenter()
    segmenter.push(frames(50, 20))
    assert segmenter.flush(reason="flush") == [SpeechEnd(70 * FRAME_SAMPLES, 0, "flush")]
    assert segmenter.push(frames(0, 10)) == [SpeechStart(70 * FRAME_SAMPLES)]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("pre_roll_ms", 499),
        ("hangover_ms", -1),
        ("min_speech_ms", 0),
        ("silence_ms", 19),
        ("finished_silence_ms", float("nan")),
        ("unfinished_silence_ms", float("inf")),
        ("join_ms", 60_001),
        ("max_utterance_ms", 579),
    ],
)
def test_rules_are_checked(name: str, value: float) -> None:
    """A duration outside its bounds is refused by name."""
    with pytest.raises(ValueError, match=f"segmenter {name} {value} is not allowed"):
        SegmenterConfig(**{name: value})


@settings(deadline=None)
@given(runs=RUNS, config=CONFIGS, cut=st.integers(0, 400), finished=st.sampled_from([None, True, False]))
def test_a_segmenter_goes_on_from_its_state(
    runs: list[int], config: SegmenterConfig, cut: int, finished: bool | None
) -> None:
    """Put down anywhere, another segmenter finds the same utterances."""
    decisions = frames(*runs)
    whole, before = Segmenter(config), Segmenter(config)
    expected = whole.push(decisions[:cut])
    assert before.push(decisions[:cut]) == expected
    whole.hint(finished)
    before.hint(finished)
    after = Segmenter(config, before.state())
    assert (after.quiet_until, after.undecided) == (whole.quiet_until, whole.undecided)
    assert after.push(decisions[cut:]) + after.flush() == whole.push(decisions[cut:]) + whole.flush()


@pytest.mark.parametrize(("sure", "n_frames"), [(True, 6), (False, 13)])
def test_a_text_may_be_final_before_the_endpoint(sure: bool, n_frames: int) -> None:
    """An unlikely word waits longer; without speech there is nothing to be final."""
    segmenter = Segmenter(SegmenterConfig(early_ms=120, early_unsure_ms=260))
    assert not segmenter.may_be_final(sure=sure)
    segmenter.push(frames(10, 20, n_frames - 1))
    assert not segmenter.may_be_final(sure=sure)
    segmenter.push([False])
    assert segmenter.may_be_final(sure=sure)
    segmenter.push([False] * 40)
    assert not segmenter.may_be_final(sure=sure)  # it is over


def test_pauses_of_a_speaker_lengthen_the_silence() -> None:
    """Who goes on after 0.3 s again and again is given more, also after a restart, but no more than is set."""
    config = SegmenterConfig(early_ms=120, early_max_ms=340)
    segmenter = Segmenter(config)
    segmenter.push(frames(10, *[20, 15] * 4, 20))
    segmenter = Segmenter(config, segmenter.state())
    segmenter.push([False] * 16)
    assert not segmenter.may_be_final(sure=True)
    segmenter.push([False])
    assert segmenter.may_be_final(sure=True)

"""From bytes to samples, decisions and segments."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from amanuensis.stream.config import StreamConfig
from amanuensis.stream.formats import AudioFormat
from amanuensis.stream.intake import Intake
from amanuensis.stream.ledger import Span
from amanuensis.stream.segmenter import SpeechEnd, SpeechStart
from amanuensis.stream.vad import FRAME_SAMPLES
from tests.helpers.talk import cut_in_pieces, pcm, script, speak


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100])
def test_sound_arrives_whole(rate: int) -> None:
    """All samples reach the ring at 16 kHz, the resampler's tail included, and speech is found in them."""
    said = script(4, 1)
    data = pcm(speak(said, rate=rate))
    intake = Intake(StreamConfig(), AudioFormat("s16le", rate))
    events = [event for piece in cut_in_pieces(data, [999]) for event in intake.push(piece)] + intake.finish()
    assert intake.newest == round(len(data) / 2 * 16_000 / rate)
    assert intake.received_ms == pytest.approx(len(data) / 2 / rate * 1000)
    start, end = events
    assert isinstance(start, SpeechStart)
    assert isinstance(end, SpeechEnd)
    assert start.at_sample <= said[0].start_ms * 16
    assert end.at_sample >= said[-1].end_ms * 16
    assert intake.voices.last_voiced >= said[-1].end_ms * 16 - 320


def test_skipped_samples_are_gaps() -> None:
    """Samples that the source lost take their time and have their fate at once."""
    intake = Intake(StreamConfig(), AudioFormat("mulaw", 8_000))
    intake.push(b"\xff" * 800)
    assert intake.skip(1_600) == ([], [Span(800, 2_400)])
    assert intake.received_ms == 300
    assert intake.ledger.totals().gap == 1_600


def skip_all(intake: Intake, n_samples: int, *, leaps: bool) -> list[Span]:
    """Skip so many samples by leaps where they are possible, or block by block; return those that are gaps."""
    lost: list[Span] = []
    while n_samples:
        n_taken, spans = intake.leap(n_samples) if leaps else (0, [])
        if not n_taken:
            n_taken = min(intake.block_samples, n_samples)
            spans = intake.skip(n_taken)[1]
        intake.drop_before(intake.quiet_until)
        lost += spans
        n_samples -= n_taken
    return lost


@pytest.mark.parametrize("rate", [8_000, 11_025, 16_000, 44_100])
@pytest.mark.parametrize("seed", [3, 4])
def test_a_leap_over_silence_is_as_good_as_all_of_it(rate: int, seed: int) -> None:
    """What is heard after a while that was lost is the same as if each second of it was taken, but for rounding."""
    before, after = (pcm(speak(script(6, seed + k), rate=rate)) for k in (0, 7))
    intakes = [Intake(StreamConfig(), AudioFormat("s16le", rate)) for _ in range(2)]
    told = []
    for intake, leaps in zip(intakes, (True, False), strict=True):
        events = [event for piece in cut_in_pieces(before, [9_999]) for event in intake.push(piece)]
        lost = skip_all(intake, 90 * rate + 777, leaps=leaps)
        assert sum(span.stop - span.start for span in lost) == 90 * rate + 777
        events += [event for piece in cut_in_pieces(after, [9_999]) for event in intake.push(piece)] + intake.finish()
        told.append((events, intake.newest, intake.received, intake.ledger.totals(), intake.voices.last_voiced))
    assert told[0] == told[1]
    start, stop = max(intake.ring.start for intake in intakes), intakes[0].newest
    assert stop - start > 16_000
    assert intakes[0].voices.spans(start, stop) == intakes[1].voices.spans(start, stop)
    np.testing.assert_allclose(*(intake.ring.view(start, stop) for intake in intakes), atol=1e-6)


def test_no_leap_while_something_may_come_of_silence() -> None:
    """Not before silence has lasted, not in an utterance, and not where sound is on its way to being heard again."""
    said = script(6, 1)
    intake = Intake(StreamConfig(), AudioFormat())
    assert intake.leap(10**6) == (0, [])
    for piece in cut_in_pieces(pcm(speak(said, tail_s=0)), [9_999]):
        intake.push(piece)
    for _ in range(40):
        intake.skip(intake.block_samples)
        intake.drop_before(intake.quiet_until)
    assert intake.leap(319) == (0, [])
    assert intake.leap(48 * 3600 * 16_000 + 1)[0] == 48 * 3600 * 16_000
    intake.push(bytes(2))
    assert intake.leap(10**6) == (0, [])


def test_beginning_speech_is_undecided() -> None:
    """Speech that is too short to open an utterance yet is told, so that a mark can wait for it."""
    said = script(4, 1)
    data = pcm(speak(said))
    intake = Intake(StreamConfig(), AudioFormat())
    undecided = []
    for piece in cut_in_pieces(data, [640]):
        undecided.append(intake.undecided)
        if intake.push(piece):
            break
    assert any(undecided)
    assert not undecided[0]
    assert not intake.undecided


def test_forgotten_sound_is_gone() -> None:
    """What is dropped is dropped from the ring and from the decisions."""
    intake = Intake(StreamConfig(), AudioFormat())
    intake.push(pcm(np.zeros(16_000, np.float32)))
    intake.drop_before(8_000)
    assert intake.ring.start == 8_000
    assert intake.quiet_until == 8_000


@pytest.mark.parametrize("rate", [8_000, 11_025, 16_000, 22_050, 44_100, 48_000, 8_001])
def test_a_restored_intake_hears_the_same(rate: int) -> None:
    """From the source sample that a state asks for, sound and decisions come as they would have come uncut."""
    said = script(16, 3, (0.0, 0.4))
    data = pcm(speak(said, rate=rate))
    config, fmt = StreamConfig(), AudioFormat("s16le", rate)
    whole, before = Intake(config, fmt), Intake(config, fmt)
    cut = 2 * round(5.4321 * rate)
    expected = [event for piece in cut_in_pieces(data, [999]) for event in whole.push(piece)] + whole.finish()
    events = [event for piece in cut_in_pieces(data[:cut], [999]) for event in before.push(piece)]
    needed, settled = 4 * 16_000 + 7, 4 * rate
    before.ledger.settle("silence", 0, settled)
    before.drop_before(needed)
    state = before.state(needed, settled, ended=False)
    assert 0 <= needed * rate / 16_000 - state.needs_from <= 4 * rate
    assert state.needs_from * 16_000 % rate == 0
    after = Intake(config, fmt, state)
    assert after.replay_left == cut // 2 - state.needs_from
    at = 2 * state.needs_from
    while at < len(data):
        n = min(after.max_bytes, len(data) - at, 1_001)
        events += after.push(data[at : at + n])
        at += n
    events += after.finish()
    assert events == expected
    assert after.newest == whole.newest
    assert np.abs(after.ring.view(needed, after.newest) - whole.ring.view(needed, whole.newest)).max() < 1e-4
    assert after.voices.spans(needed, after.newest) == whole.voices.spans(needed, whole.newest)
    assert after.ledger.totals().received == len(data) // 2


class Noted:
    """A listener that notes what it hears."""

    def __init__(self, hears_from: int = 0) -> None:
        self.hears_from = self.needs_from = hears_from
        self.heard: dict[int, tuple[bytes, bool]] = {}

    def hear(self, position: int, samples: NDArray[np.float32], decisions: Sequence[bool]) -> None:
        for k, decision in enumerate(decisions):
            at = position + k * FRAME_SAMPLES
            assert at not in self.heard
            self.heard[at] = samples[k * FRAME_SAMPLES : (k + 1) * FRAME_SAMPLES].tobytes(), decision


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100])
def test_a_listener_hears_again_what_it_needs(rate: int) -> None:
    """What it has not done with comes again, with the decisions that were made, also where nobody else needs it."""
    data = pcm(speak(script(16, 3, (0.0, 0.4)), rate=rate))
    config, fmt = StreamConfig(), AudioFormat("s16le", rate)
    first, needs_from = Noted(), 3 * 16_000
    before = Intake(config, fmt, listener=first)
    cut = 2 * round(6.4321 * rate)
    for piece in cut_in_pieces(data[:cut], [999]):
        before.push(piece)
    first.needs_from = needs_from
    before.ledger.settle("silence", 0, 6 * rate)
    before.drop_before(6 * 16_000)
    state = before.state(6 * 16_000, 6 * rate, ended=False)
    assert state.needs_from / rate <= needs_from / 16_000
    again = Noted(needs_from)
    after = Intake(config, fmt, state, again)
    at = 2 * state.needs_from
    while at < cut:
        n = min(after.max_bytes, cut - at, 1_001)
        after.push(data[at : at + n])
        after.drop_before(6 * 16_000)
        at += n
    known = {at: heard for at, heard in first.heard.items() if at >= needs_from}
    assert len(known) > 100
    assert {at: decision for at, (_, decision) in known.items()} == {
        at: decision for at, (_, decision) in again.heard.items()
    }
    assert all(
        np.allclose(np.frombuffer(sound, np.float32), np.frombuffer(again.heard[at][0], np.float32), atol=1e-5)
        for at, (sound, _) in known.items()
    )

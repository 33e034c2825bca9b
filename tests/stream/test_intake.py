"""From bytes to samples, decisions and segments."""

from __future__ import annotations

import numpy as np
import pytest

from amanuensis.stream.config import StreamConfig
from amanuensis.stream.formats import AudioFormat
from amanuensis.stream.intake import Intake
from amanuensis.stream.ledger import Span
from amanuensis.stream.segmenter import SpeechEnd, SpeechStart
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

"""The unmodified Deepgram service of Pipecat, with its base URL pointed at us."""

from __future__ import annotations

from pipecat.frames.frames import (
    Frame,
    InputAudioRawFrame,
    InterimTranscriptionFrame,
    TranscriptionFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.services.deepgram.stt import DeepgramSTTService
from pipecat.tests.utils import SleepFrame, run_test

from tests.helpers.daemon_client import cut, pcm, running
from tests.helpers.tone_engine import say

RATE = 16_000


def sound(words: list[int]) -> list[Frame]:
    """Return the sound of words as a pipeline gets it."""
    return [InputAudioRawFrame(piece, RATE, 1) for piece in cut(pcm(say(words)), [RATE // 25]) if len(piece) % 2 == 0]


async def test_words_reach_a_pipeline() -> None:
    """Each turn is finalized when the pipeline's own detector says so, and the session goes on after it."""
    async with running() as (daemon, address):
        service = DeepgramSTTService(api_key="x", base_url=f"ws://{address}", sample_rate=RATE)
        frames: list[Frame] = []
        for words in ([0, 1], [2, 3]):
            frames += [VADUserStartedSpeakingFrame(), *sound(words), VADUserStoppedSpeakingFrame(), SleepFrame(1.0)]
        down, _ = await run_test(service, frames_to_send=[SleepFrame(1.0), *frames])
        assert daemon.metrics.sessions._value.get() == 1
    assert " ".join(frame.text for frame in down if isinstance(frame, TranscriptionFrame)) == "alfa bravo charlie delta"
    assert any(isinstance(frame, InterimTranscriptionFrame) for frame in down)

"""The unmodified Deepgram plugin of LiveKit Agents, with its base URL pointed at us."""

from __future__ import annotations

import aiohttp
from livekit import rtc
from livekit.agents import stt
from livekit.plugins import deepgram

from tests.helpers.daemon_client import cut, pcm, running
from tests.helpers.tone_engine import say

RATE = 16_000
PIECE = RATE // 50  # 20 ms


def frames(words: list[int]) -> list[rtc.AudioFrame]:
    """Return the sound of words as an agent gets it."""
    whole = pcm(say([*words], pauses_s=[0, 1.2]))
    return [rtc.AudioFrame(piece, RATE, 1, len(piece) // 2) for piece in cut(whole, [2 * PIECE]) if len(piece) % 2 == 0]


async def hear(stream: stt.SpeechStream) -> list[stt.SpeechEvent]:
    """Return all events until the stream is over."""
    return [event async for event in stream]


def said(events: list[stt.SpeechEvent]) -> str:
    """Return the final words."""
    finals = [event for event in events if event.type == stt.SpeechEventType.FINAL_TRANSCRIPT]
    return " ".join(event.alternatives[0].text for event in finals)


async def test_words_and_turns_reach_an_agent() -> None:
    """Flush (which is a Finalize) in the middle leaves the session open; the end loses nothing."""
    async with running() as (daemon, address), aiohttp.ClientSession() as http:
        service = deepgram.STT(
            api_key="x", base_url=f"http://{address}/v1/listen", http_session=http, sample_rate=RATE, language="en-US"
        )
        stream = service.stream()
        for frame in frames([0, 1]):
            stream.push_frame(frame)
        stream.flush()
        for frame in frames([2, 3]):
            stream.push_frame(frame)
        stream.end_input()
        events = await hear(stream)
        await stream.aclose()
        assert daemon.metrics.sessions._value.get() == 1  # it did not have to connect again
    kinds = [event.type for event in events]
    assert said(events) == "alfa bravo charlie delta"
    assert stt.SpeechEventType.INTERIM_TRANSCRIPT in kinds
    assert kinds.count(stt.SpeechEventType.START_OF_SPEECH) == kinds.count(stt.SpeechEventType.END_OF_SPEECH) > 0

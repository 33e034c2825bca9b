"""The settings of a session: those of the daemon, with what its speaker asked for."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from amanuensis.daemon.connection import BAD_HELLO
from amanuensis.daemon.meetings.label import MeetingLabel
from amanuensis.daemon.protocol import Options, ProtocolError
from amanuensis.npu.engine.api import EngineInfo
from amanuensis.stream.config import StreamConfig, StreamConfigError
from amanuensis.stream.segmenter import SILENCES, SegmenterConfig

OWN_TRACK: Final = "me"  # a microphone of one person: the track says who speaks there


def session_config(
    usual: StreamConfig, asked: Options, info: EngineInfo, meeting: MeetingLabel | None = None
) -> StreamConfig:
    """Return the settings of a session.

    Args:
        usual: those of the daemon.
        asked: what the hello says.
        info: what the engine runs.
        meeting: of which it is a track.

    Raises:
        ProtocolError: `bad_hello` (close 4400): the model cannot do it.

    """
    speakers, most = _how_many(usual, asked)
    try:
        config = replace(
            usual,
            language=asked.lang or usual.language,
            task=asked.task or usual.task,
            prompt=asked.prompt or usual.prompt,
            hotwords=asked.hotwords or usual.hotwords,
            endpoint=_endpoint(usual.endpoint, asked.silence_ms),
            speakers=speakers,
            max_speakers=most,
        )
        config.check_model(info)
    except StreamConfigError as error:
        raise ProtocolError("bad_hello", f"hello: {error}", BAD_HELLO) from None
    if meeting is not None and meeting.track == OWN_TRACK and not config.asks_for_speakers:
        return replace(config, speakers=0)
    return config


def _how_many(usual: StreamConfig, asked: Options) -> tuple[int | None, int | None]:
    """Return how many voices there are, and at most: what the hello says, and of the daemon's what agrees with it."""
    if asked.speakers is not None:
        return asked.speakers, asked.max_speakers
    most = asked.max_speakers or usual.max_speakers
    is_too_many = most is not None and usual.speakers is not None and usual.speakers > most
    return None if is_too_many else usual.speakers, most


def _endpoint(usual: SegmenterConfig, silence_ms: int | None) -> SegmenterConfig:
    """Return the endpoint rules of a session that may have asked for a silence of its own."""
    if silence_ms is None:
        return usual
    return replace(usual, **dict.fromkeys(SILENCES, silence_ms))

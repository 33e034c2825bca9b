"""The streaming systems that ours is measured beside."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import soundfile

from amanuensis.benchmarks.peers.library import REALTIME_STT, WHISPER_CPP, WHISPER_CPP_SLOW
from amanuensis.benchmarks.peers.peer import Peer, Setup
from amanuensis.benchmarks.peers.weights import make_weights
from amanuensis.benchmarks.peers.whisper_live import WhisperLive
from amanuensis.benchmarks.peers.whisper_streaming import WhisperStreaming
from amanuensis.benchmarks.peers.whisperlivekit import WhisperLiveKit
from amanuensis.benchmarks.sound import SAMPLE_RATE
from amanuensis.benchmarks.timed_speech import timed_speech

PEERS: Final[Mapping[str, Peer]] = {
    "whisper_streaming": WhisperStreaming(),
    "whisperlive": WhisperLive(),
    "whisperlivekit-la": WhisperLiveKit("localagreement"),
    "whisperlivekit-simul": WhisperLiveKit("simulstreaming"),
    "realtimestt": REALTIME_STT,
    "whisper.cpp": WHISPER_CPP,
    "whisper.cpp-3s": WHISPER_CPP_SLOW,
}
# Found by trying them on the same weights.
NOT_COMPARABLE: Final[Mapping[str, str]] = {
    "sherpa-onnx": "2.0.1 streams transducer, CTC and paraformer models only; it reads Whisper for whole recordings",
    "Vosk": "0.3.45 reads Kaldi models only and ends on a Whisper folder with 'Failed to create a model'",
}


def peer_setup(size: str, threads: int, tick_s: float) -> Setup:
    """Return what every peer is started with: the widened built-in model of a size in all forms, a second of speech."""
    weights = make_weights(size)
    assert weights.hugging_face is not None
    warm_up = weights.hugging_face.with_name("warm-up.wav")
    soundfile.write(warm_up, timed_speech(1.0).samples[:SAMPLE_RATE], SAMPLE_RATE, "PCM_16")
    return Setup(weights, threads, tick_s, Path(warm_up))

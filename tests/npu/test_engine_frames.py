"""Messages survive the way to the engine and back however the bytes are cut; nonsense is refused."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import msgpack
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from amanuensis.npu.engine import frames
from amanuensis.npu.engine.api import EngineConfig, EngineError
from amanuensis.npu.engine.frames import FrameDecoder, FrameError, encode_frame
from amanuensis.npu.engine.slots import MAX_MELS, FeatureSlots
from amanuensis.npu.log_mel import MAX_WINDOW_FRAMES
from amanuensis.npu.speaker_sound import DEVICE_FRAMES, N_MELS
from amanuensis.npu.voice_vector import VoiceVector
from amanuensis.npu.window import DecodeOptions, DeviceWork, WindowJob, WindowResult

tokens = st.lists(st.integers(0, 52_000), max_size=40).map(tuple)
floats = st.floats(-100, 100)


@given(st.lists(st.integers(0, 1000).map(lambda n: {"type": "beat", "n": n, "pad": "x" * n}), max_size=8), st.data())
def test_frames_cut_anywhere(messages: list[frames.Message], data: st.DataObject) -> None:
    """A stream of messages arrives whole and in order however it is cut."""
    stream = b"".join(map(encode_frame, messages))
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=10))
    decoder, received = FrameDecoder(), []
    for start, stop in pairwise([0, *sorted(cuts), len(stream)]):
        received += decoder.feed(stream[start:stop])
    assert received == messages


@given(prompt=tokens, forced=tokens, draft=tokens, seed=st.integers(0, 2**31), hotwords=st.lists(st.text(), max_size=3))
def test_job_round_trip(
    prompt: tuple[int, ...], forced: tuple[int, ...], draft: tuple[int, ...], seed: int, hotwords: list[str]
) -> None:
    """A job comes back equal, its features by reference."""
    options = DecodeOptions("translate", "de", 5, (0.0, 0.2), timestamps=True, hotwords=tuple(hotwords))
    job = WindowJob(np.ones((80, 7), np.float32), prompt, forced, draft, 4, options, seed)
    (message,) = FrameDecoder().feed(encode_frame(frames.job_message(5, 1, job)))
    assert (message["id"], message["slot"], message["shape"]) == (5, 1, (80, 7))
    again = frames.job_of(message, job.features)
    assert again.features is job.features
    fields = ("prompt", "forced", "draft", "edge_frames", "options", "seed")
    assert [getattr(again, name) for name in fields] == [getattr(job, name) for name in fields]


@given(ids=tokens, value=floats)
def test_result_round_trip(ids: tuple[int, ...], value: float) -> None:
    """A hypothesis comes back equal, tuples as tuples."""
    logprobs = (value,) * len(ids)
    result = WindowResult(ids, logprobs, ids, ids, ids, 3, True, 0.5, value, 1.5, 0.0, "en", 1.0, 2.0, "cpu", "npu")
    work = DeviceWork(len(ids), 2**40, 64, value, "modelled")
    result = replace(result, decode_work=work, fallback="hung", fallback_kind="timeout")
    (message,) = FrameDecoder().feed(encode_frame(frames.result_message(9, result)))
    assert message["id"] == 9
    assert frames.result_of(message) == result


def test_start_round_trip() -> None:
    """The configuration arrives as it was given."""
    config = EngineConfig(Path("/models/x"), "cpu", threads=3, precision="int8")
    (message,) = FrameDecoder().feed(encode_frame(frames.start_message(config, nice=5)))
    assert frames.config_of(message) == config
    assert message["nice"] == 5
    with_voices = replace(config, voices=Path("/models/voices.onnx"))
    (message,) = FrameDecoder().feed(encode_frame(frames.start_message(with_voices, nice=5)))
    assert frames.config_of(message) == with_voices


def test_voice_round_trip() -> None:
    """Features of a voice and its vector arrive bit for bit; the longest that a device takes fits into a message."""
    features = np.random.default_rng(0).standard_normal((DEVICE_FRAMES, N_MELS)).astype(np.float32)
    (message,) = FrameDecoder().feed(encode_frame(frames.embed_message(7, features)))
    assert message["id"] == 7
    np.testing.assert_array_equal(frames.voice_features_of(message), features)
    found = VoiceVector(features[0], "sim", DeviceWork(1, 100, 10, 20.0, "modelled"), 1.5)
    (message,) = FrameDecoder().feed(encode_frame(frames.embedded_message(7, found)))
    again = frames.voice_vector_of(message)
    np.testing.assert_array_equal(again.vector, found.vector)
    assert (again.device, again.work, again.ms) == (found.device, found.work, found.ms)


@pytest.mark.parametrize(
    "wrong", [{"vector": b""}, {"vector": b"123"}, {"device": 3}, {"work": {"dispatches": "1"}}, {"ms": "1"}]
)
def test_a_vector_that_makes_no_sense_is_refused(wrong: dict[str, object]) -> None:
    """Whatever of it is missing or of another kind."""
    found = VoiceVector(np.ones(4, np.float32), "sim", DeviceWork(), 1.5)
    message = frames.embedded_message(7, found) | wrong
    with pytest.raises((KeyError, TypeError, ValueError)):
        frames.voice_vector_of(message)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\xff\xff\xff\xff", "frame of 4294967295 bytes"),
        (b"\x01\x00\x00\x00\xc1", "broken frame"),
        (b"\x02\x00\x00\x00\x91\x01", "without a type"),
        (b"\x01\x00\x00\x00\x80", "without a type"),
    ],
)
def test_nonsense(data: bytes, message: str) -> None:
    """Too long, broken and typeless frames are refused."""
    with pytest.raises(FrameError, match=message):
        list(FrameDecoder().feed(data))


@given(st.binary(max_size=200))
def test_any_bytes_give_messages_or_a_clear_error(data: bytes) -> None:
    """No bytes raise anything but FrameError."""
    try:
        for message in FrameDecoder().feed(data):
            assert isinstance(message["type"], str)
    except FrameError:
        pass


def test_too_long_a_message_is_not_sent() -> None:
    """What the other side would refuse is refused here."""
    with pytest.raises(EngineError, match="at most 1048576"):
        encode_frame({"type": "job", "x": "y" * frames.MAX_FRAME_BYTES})
    assert len(msgpack.packb({"x": 1})) < frames.MAX_FRAME_BYTES


def test_slots_share_memory() -> None:
    """What one side writes the other reads in place, in slots that do not overlap, up to the largest window."""
    parent = FeatureSlots(2)
    child = FeatureSlots(2, parent.descriptor)
    largest = np.arange(MAX_MELS * MAX_WINDOW_FRAMES, dtype=np.float32).reshape(MAX_MELS, -1)
    parent.write(0, largest)
    parent.write(1, -largest)
    np.testing.assert_array_equal(child.view(0, largest.shape), largest)
    view = child.view(1, (80, 50))
    parent.write(1, largest[:80, :50])
    np.testing.assert_array_equal(view, largest[:80, :50])
    parent.close()
    parent.close()


@pytest.mark.parametrize(("slot", "shape"), [(2, (80, 10)), (-1, (80, 10)), (0, (128, 3001)), (0, (129, 3000))])
def test_slots_are_bounded(slot: int, shape: tuple[int, int]) -> None:
    """A slot or shape beyond the memory is refused."""
    slots = FeatureSlots(2)
    with pytest.raises(ValueError, match=f"slot {slot}, shape"):
        slots.view(slot, shape)
    slots.close()

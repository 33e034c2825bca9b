"""Tests of stream/formats.py."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amanuensis.stream.formats import AudioFormat, FormatError, PcmDecoder


def decode(data: bytes, encoding: str = "s16le", channels: int = 1) -> np.ndarray:
    """Decode everything at once."""
    return PcmDecoder(AudioFormat(encoding, 16_000, channels)).decode(data)


def mulaw_reference(code: int) -> int:
    """Decode one byte as ITU-T G.711 defines it: segment, interval and sign, on the scale of 14 bits times 4."""
    inverted = code ^ 0xFF
    segment, interval = inverted >> 4 & 7, inverted & 15
    magnitude = 4 * ((33 + 2 * interval << segment) - 33)
    return -magnitude if inverted & 0x80 else magnitude


def cut(data: bytes, sizes: list[int]) -> list[bytes]:
    """Cut bytes into pieces of the given sizes, over and over, the last piece shorter."""
    pieces, at = [], 0
    while at < len(data):
        size = sizes[len(pieces) % len(sizes)]
        pieces.append(data[at : at + size])
        at += size
    return pieces


def test_s16_full_scale() -> None:
    """The 16-bit extremes become -1 and just below 1."""
    samples = decode(np.array([-32768, 0, 32767, 1], "<i2").tobytes())
    assert samples.dtype == np.float32
    assert samples.tolist() == [-1.0, 0.0, 32767 / 32768, 1 / 32768]


def test_mulaw_equals_the_recommendation() -> None:
    """Every byte of mu-law decodes to the value of G.711."""
    expected = [mulaw_reference(code) / 32768 for code in range(256)]
    assert decode(bytes(range(256)), "mulaw").tolist() == expected
    assert decode(b"\x00\x80\xff\x7f", "mulaw").tolist() == [-32124 / 32768, 32124 / 32768, 0.0, 0.0]


def test_non_finite_samples_become_silence_and_are_counted() -> None:
    """NaN and infinities of either sign become 0, and the decoder counts them."""
    decoder = PcmDecoder(AudioFormat("f32le"))
    data = np.array([0.5, np.nan, np.inf, -np.inf, -0.25], "<f4").tobytes()
    assert decoder.decode(data).tolist() == [0.5, 0.0, 0.0, 0.0, -0.25]
    assert decoder.non_finite == 3
    assert decoder.clipped == 0


def test_beyond_full_scale_is_clipped_and_counted() -> None:
    """Float samples outside [-1, 1] are clipped; samples at full scale of any encoding are counted."""
    decoder = PcmDecoder(AudioFormat("f32le"))
    assert decoder.decode(np.array([3.0, -1e38, 0.5, 1.0], "<f4").tobytes()).tolist() == [1.0, -1.0, 0.5, 1.0]
    assert decoder.clipped == 3
    decoder = PcmDecoder(AudioFormat("s16le"))
    decoder.decode(np.array([32767, -32768, 32000], "<i2").tobytes())
    assert decoder.clipped == 2


def test_a_broken_channel_does_not_spoil_the_others() -> None:
    """A NaN or a huge value in one channel leaves the mix finite and in range."""
    frames = np.array([[np.nan, 0.5], [3e38, 3e38], [-np.inf, np.inf], [3e38, -3e38]], "<f4")
    assert decode(frames.tobytes(), "f32le", 2).tolist() == [0.25, 1.0, 0.0, 0.0]


@pytest.mark.parametrize("channels", range(1, 9))
def test_channels_are_mixed_with_equal_weights(channels: int) -> None:
    """The mono sample is the mean over the channels."""
    frames = np.random.default_rng(channels).integers(-32768, 32768, (50, channels)).astype("<i2")
    np.testing.assert_allclose(decode(frames.tobytes(), channels=channels), frames.mean(1) / 32768, atol=1e-6)


@settings(deadline=None)
@given(
    encoding=st.sampled_from(["s16le", "f32le", "mulaw"]),
    channels=st.integers(1, 8),
    data=st.binary(max_size=600),
    sizes=st.lists(st.integers(1, 50), min_size=1, max_size=8),
)
def test_cuts_make_no_difference(encoding: str, channels: int, data: bytes, sizes: list[int]) -> None:
    """Any bytes, cut anywhere, decode to the same finite samples in range, and a partial frame waits."""
    whole = PcmDecoder(AudioFormat(encoding, 16_000, channels))
    pieces = PcmDecoder(AudioFormat(encoding, 16_000, channels))
    expected = whole.decode(data)
    parts = [pieces.decode(piece) for piece in cut(data, sizes)]
    np.testing.assert_array_equal(np.concatenate([np.zeros(0, np.float32), *parts]), expected)
    assert expected.size == len(data) // whole.format.frame_bytes
    assert np.all(np.abs(expected) <= 1)
    assert (pieces.non_finite, pieces.clipped) == (whole.non_finite, whole.clipped)
    rest = -len(data) % whole.format.frame_bytes
    assert pieces.decode(bytes(rest)).size == (rest > 0)


@pytest.mark.parametrize("buffer", [bytes, bytearray, memoryview])
def test_every_kind_of_buffer_is_taken(buffer: type) -> None:
    """Bytes, bytearrays and memoryviews decode alike, also after a partial frame."""
    decoder = PcmDecoder(AudioFormat())
    assert decoder.decode(buffer(b"\x00")).size == 0
    assert decoder.decode(buffer(b"\x40\x00\x20\x00")).tolist() == [0.5, 0.25]
    assert decoder.decode(buffer(b"\xe0")).tolist() == [-0.25]


def test_the_buffer_may_be_reused() -> None:
    """Decoded samples do not change when the caller overwrites its buffer."""
    data = bytearray(np.array([0.5, 0.25], "<f4").tobytes())
    samples = PcmDecoder(AudioFormat("f32le")).decode(data)
    data[:] = bytes(8)
    assert samples.tolist() == [0.5, 0.25]


@pytest.mark.parametrize(
    ("encoding", "rate", "channels", "message"),
    [
        ("opus", 16_000, 1, "encoding 'opus' is not supported: send s16le, f32le or mulaw"),
        ("s16le", 7999, 1, "rate 7999 is not supported: it must be 8000 to 192000"),
        ("s16le", 192_001, 1, "rate 192001"),
        ("s16le", 16_000.0, 1, "rate 16000.0"),
        ("s16le", 16_000, 0, "channels 0 is not supported: it must be 1 to 8"),
        ("s16le", 16_000, 9, "channels 9"),
        ("s16le", 16_000, True, "channels True"),
        (["s16le"], 16_000, 1, "encoding"),
    ],
)
def test_other_formats_are_refused(encoding: object, rate: object, channels: object, message: str) -> None:
    """A format outside the limits is refused with the value and what is allowed."""
    with pytest.raises(FormatError, match=message):
        AudioFormat(encoding, rate, channels)  # type: ignore[arg-type]


def test_sizes() -> None:
    """A format knows the bytes of a sample frame and of a second."""
    fmt = AudioFormat("f32le", 48_000, 2)
    assert (fmt.frame_bytes, fmt.bytes_per_s) == (8, 384_000)

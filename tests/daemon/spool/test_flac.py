"""Raw segments as FLAC."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import soundfile

from amanuensis.daemon.spool.audio_log import AudioLog, Place
from amanuensis.daemon.spool.clock import machine_clock
from amanuensis.daemon.spool.flac import convert, samples_of, settle, sound_files
from amanuensis.stream.formats import AudioFormat, Encoding, PcmDecoder

RNG = np.random.default_rng(7)


def recorded(folder: Path, fmt: AudioFormat, *chunks: tuple[int, bytes]) -> list[Path]:
    """Write chunks, each after so many bytes that were lost, and convert every segment; return the FLAC files."""
    log = AudioLog(folder, fmt, Place(), charge=lambda _: None, clock=machine_clock)
    for n, (lost, data) in enumerate(chunks):
        log.append_audio(n, lost, data)
    log.close_segment()
    log.close()
    written = sum(convert(segment.path, fmt) for segment in log.closed)
    assert written == sum(path.stat().st_size for _, path in sound_files(folder))
    return [path for _, path in sound_files(folder)]


@pytest.mark.parametrize("encoding", ["s16le", "mulaw", "f32le"])
@pytest.mark.parametrize(("rate", "channels"), [(8000, 1), (44_100, 2), (192_000, 8)])
def test_sound_comes_back(tmp_path: Path, encoding: Encoding, rate: int, channels: int) -> None:
    """What is read from FLAC is what was received: to the bit, or to the 24th bit of f32le."""
    fmt = AudioFormat(encoding, rate, channels)
    n = rate // 10 * channels
    raw = RNG.uniform(-1, 1, n).astype("<f4").tobytes() if encoding == "f32le" else RNG.bytes(n * fmt.dtype.itemsize)
    (path,) = recorded(tmp_path, fmt, (0, raw))
    sound, got_rate = soundfile.read(path, dtype="float64", always_2d=True)
    assert (got_rate, sound.shape) == (rate, (n // channels, channels))
    mono = PcmDecoder(fmt).decode(raw)
    tolerance = 2**-22 if encoding == "f32le" else 1e-6
    np.testing.assert_allclose(sound.mean(axis=1), mono, atol=tolerance)
    assert (path.stat().st_mode & 0o777) == 0o600


def test_files_are_named_by_their_first_sample(tmp_path: Path) -> None:
    """Sound longer than 10 s is cut, holes lie between files, cut frames join."""
    fmt = AudioFormat("s16le", 8000, 2)
    sound = RNG.integers(-9000, 9000, (8000 * 23, 2)).astype("<i2")
    raw = sound.tobytes()
    cut = 4 * 8000 * 12 + 3  # in the middle of a frame
    paths = recorded(tmp_path, fmt, (0, raw[:cut]), (0, raw[cut:]), (4 * 800, raw[:4000]))
    starts = [start for start, _ in sound_files(tmp_path)]
    assert starts == [0, 80_000, 96_000, 176_000, 184_800]
    whole = np.concatenate([soundfile.read(path, dtype="int16", always_2d=True)[0] for path in paths])
    assert np.array_equal(whole[: len(sound)], sound)
    assert np.array_equal(whole[len(sound) :], sound[:1000])


def test_f32_is_clipped_and_made_finite() -> None:
    """Samples beyond full scale, NaN and infinity become what the pipeline hears, in 24 bits."""
    fmt = AudioFormat("f32le", 8000, 1)
    raw = np.array([2.0, -2.0, math.nan, math.inf, 0.5], "<f4").tobytes()
    full = (2**23 - 1) << 8
    assert samples_of(raw, fmt)[:, 0].tolist() == [full, -(2**31), 0, 0, 2**30]


@pytest.mark.parametrize("encoding", ["s16le", "f32le"])
def test_what_flac_cannot_hold_is_a_wav_file(tmp_path: Path, encoding: Encoding) -> None:
    """At a rate that FLAC has no form for, with the same bits."""
    fmt = AudioFormat(encoding, 191_999, 2)
    data = samples_as_bytes(fmt, 3000)
    log = AudioLog(tmp_path, fmt, Place(), charge=lambda _: None, clock=machine_clock)
    log.append_audio(0, 0, data)
    log.close_segment()
    log.close()
    log.remove_empty()
    grown = settle(tmp_path, fmt)
    ((first, path),) = sound_files(tmp_path)
    sound, rate = soundfile.read(path, dtype="int32", always_2d=True)
    expected = samples_of(data, fmt).astype(np.int32)
    assert (first, path.suffix, rate) == (0, ".wav", 191_999)
    assert np.array_equal(sound, expected if encoding == "f32le" else np.left_shift(expected, 16))
    assert [one.name for one in tmp_path.iterdir()] == [path.name]
    assert grown == path.stat().st_size - log.closed[0].size


def samples_as_bytes(fmt: AudioFormat, n: int) -> bytes:
    """Return so many samples of each channel, all different."""
    row = np.linspace(-0.9, 0.9, n * fmt.channels)
    return (row if fmt.encoding == "f32le" else row * 32767).astype(fmt.dtype).tobytes()

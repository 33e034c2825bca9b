"""Warnings about the sound."""

from __future__ import annotations

import numpy as np

from amanuensis.stream.formats import AudioFormat, PcmDecoder
from amanuensis.stream.sound_check import SoundCheck


def test_each_fault_is_told_once() -> None:
    """NaN and clipping are told when they come, and not again."""
    decoder = PcmDecoder(AudioFormat("f32le"))
    check = SoundCheck(decoder)
    decoder.decode(np.zeros(100, np.float32).tobytes())
    assert check.warnings(100) == []
    decoder.decode(np.full(100, np.nan, np.float32).tobytes())
    assert [warning.code for warning in check.warnings(200)] == ["non_finite"]
    decoder.decode(np.ones(2_000, np.float32).tobytes())
    assert [warning.code for warning in check.warnings(2_200)] == ["clipped"]
    assert check.warnings(2_200) == []


def test_rare_peaks_are_no_clipping() -> None:
    """A few samples at full scale are normal."""
    decoder = PcmDecoder(AudioFormat("f32le"))
    decoder.decode(np.ones(500, np.float32).tobytes())
    assert SoundCheck(decoder).warnings(500) == []

"""The same window on every device."""

from __future__ import annotations

import sys

import pytest

from amanuensis.benchmarks.devices import measure
from amanuensis.npu.store import builtin_folder


def test_devices_say_the_same_and_are_named_for_what_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """The simulation is called one and counts its work; an NPU that is not there is listed with the reason."""
    monkeypatch.setitem(sys.modules, "pyxrt", None)
    found, absent = measure(builtin_folder(), window_s=5.0, threads=1, rounds=1)
    assert list(found) == ["cpu int8", "cpu float32", "sim int8 (simulated)"]
    assert list(absent) == ["npu int8"]
    assert "pyxrt" in absent["npu int8"]
    simulated = found["sim int8 (simulated)"].work
    assert simulated["timing"] == "modelled"
    assert simulated["dispatches"] > 0
    assert found["cpu int8"].work["dispatches"] == 0
    assert all(figures.text.startswith(" Good morning") for figures in found.values())

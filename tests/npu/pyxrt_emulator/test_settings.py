"""Settings that no device can have are refused by name."""

from __future__ import annotations

from typing import Any

import pytest

from amanuensis.npu import pyxrt_emulator as pyxrt


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("architecture", "npu3"),
        ("time", "slow"),
        ("device_memory_bytes", 0),
        ("sync_bytes_per_s", float("nan")),
        ("dispatch_us", (160.0, 60.0)),
        ("dispatch_us", (-1.0, 60.0)),
    ],
)
def test_impossible_settings_are_refused(field: str, value: Any) -> None:
    """One line names the setting and its value."""
    with pytest.raises(ValueError, match=field):
        pyxrt.Settings(**{field: value})

"""Settings of the other protocols."""

from __future__ import annotations

import pytest

from amanuensis.daemon.config import ConfigError, load_config


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("WYOMING_LISTEN", "nowhere", "give HOST:PORT"),
        ("WYOMING_LISTEN", "unix:", "name a path: unix:/PATH"),
        ("WYOMING_LISTEN", "127.0.0.1:1,127.0.0.1:1", "an address is there twice"),
        ("WYOMING_TRUSTED", "home", "give 192.168.1.7 or 192.168.1.0/24"),
        ("REST_JOBS", "0", "jobs 0 is not allowed: it must be 1 to 64"),
        ("REST_UPLOAD_MB", "lots", "it must be a whole number"),
    ],
)
def test_settings_that_cannot_be_are_refused(name: str, value: str, says: str) -> None:
    """In one line that names the setting and what is allowed."""
    with pytest.raises(ConfigError, match=says):
        load_config({}, {f"AMANUENSIS_{name}": value}, [])

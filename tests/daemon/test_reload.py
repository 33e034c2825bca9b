"""What changes while the daemon runs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from amanuensis.daemon.config import Config, EngineSettings, LimitSettings, LogSettings, ServerSettings
from amanuensis.daemon.reload import reload, values_of
from amanuensis.stream.config import StreamConfig

TOKEN = "a-token-of-twenty-characters"


def test_what_can_change_is_taken_over() -> None:
    """Limits, tokens, origins, the log and the defaults of new sessions hold at once."""
    read = Config(
        server=ServerSettings(token=TOKEN, origins=("https://a.example",)),
        stream=StreamConfig(language="en"),
        limits=LimitSettings(idle_s=7, sessions=3),
        log=LogSettings("debug"),
    )
    done = reload(Config(), read, 32)
    assert done.config == read
    assert set(done.taken) == {
        "server.token",
        "server.origins",
        "stream.language",
        "limits.idle_s",
        "limits.sessions",
        "log.level",
    }
    assert done.waiting == ()


def test_what_cannot_change_is_named_and_stays() -> None:
    """The engine, the address and more streams than the engine has wait for a restart; the rest does not."""
    now = Config()
    read = Config(
        server=ServerSettings(listen="127.0.0.1:9"),
        engine=EngineSettings(threads=3),
        limits=LimitSettings(sessions=33, idle_s=7),
    )
    done = reload(now, read, 32)
    assert done.waiting == ("server.listen", "engine.threads", "limits.sessions")
    assert done.config == replace(now, limits=replace(now.limits, idle_s=7))
    assert str(done) == "changed: limits.idle_s; needs a restart: server.listen, engine.threads, limits.sessions"


def test_the_same_settings_change_nothing() -> None:
    """Reading what is in use already says so."""
    done = reload(Config(), Config(), 32)
    assert (done.config, str(done)) == (Config(), "no setting changed")


def test_no_secret_is_told() -> None:
    """The message of a reload holds names, never values."""
    assert TOKEN not in str(reload(Config(), Config(server=ServerSettings(token=TOKEN)), 32))


@pytest.mark.parametrize("key", ["stream.endpoint.silence_ms", "limits.shutdown_s", "log.format"])
def test_every_setting_is_compared(key: str) -> None:
    """Settings of every depth are among those that are looked at."""
    assert key in values_of(Config())

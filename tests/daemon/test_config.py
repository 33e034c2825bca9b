"""The daemon's configuration."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from amanuensis.daemon.addresses import Address, UnixAddress
from amanuensis.daemon.config import Config, ConfigError, config_files, load_config

TOKEN = "0123456789abcdef"


def load(tmp_path: Path, text: str = "", env: dict[str, str] | None = None, **flags: object) -> Config:
    """Return the configuration from a file, an environment and flags."""
    path = tmp_path / "config.toml"
    path.write_text(text, encoding="utf-8")
    return load_config({name.replace("__", "."): value for name, value in flags.items()}, env or {}, [path])[0]


def test_defaults_need_nothing(tmp_path: Path) -> None:
    """Without any layer the daemon listens on loopback without token."""
    config = load(tmp_path)
    assert config == Config()
    assert [str(address) for address in config.server.addresses] == ["127.0.0.1:8770", "unix:"]
    assert config.server.token is None


def test_later_layers_win(tmp_path: Path) -> None:
    """A flag overrides the environment, which overrides the files in their order."""
    first, second = tmp_path / "etc.toml", tmp_path / "home.toml"
    first.write_text('[engine]\ndevice = "npu"\nthreads = 1\nprecision = "int8"\n[stream]\ntick_ms = 300\n')
    second.write_text("[engine]\nthreads = 2\n[stream.endpoint]\nsilence_ms = 700\n")
    env = {"AMANUENSIS_ENGINE_DEVICE": "sim", "AMANUENSIS_STREAM_TICK_MS": "400"}
    config, sources = load_config({"stream.tick_ms": 500, "engine.model": None}, env, [first, second])
    assert (config.engine.device, config.engine.threads, config.engine.precision) == ("sim", 2, "int8")
    assert (config.stream.tick_ms, config.stream.endpoint.silence_ms) == (500.0, 700.0)
    assert sources["stream.tick_ms"] == "command line"
    assert sources["engine.device"] == "environment"
    assert sources["engine.threads"] == str(second)


def test_files_of_the_system_and_the_user() -> None:
    """The system's file is read first, then the user's."""
    files = config_files({"XDG_CONFIG_HOME": "/c", "HOME": "/h"})
    assert files == (Path("/etc/amanuensis/config.toml"), Path("/c/amanuensis/config.toml"))
    assert config_files({"HOME": "/h"})[1] == Path("/h/.config/amanuensis/config.toml")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[sever]\nlisten = 'x'", "unknown setting 'sever.listen' (did you mean 'server.listen'?)"),
        ("[server]\nlisten = 8770", "server.listen is 8770; it must be text in quotes, or a list of such"),
        ("[server]\nlisten = []", "listen [] is not allowed: give at least one"),
        ("[server]\nlisten = ['127.0.0.1:1', '127.0.0.1:1']", "an address is there twice"),
        ("[server]\nlisten = 'unix:here.sock'", "a unix socket is named by a path from /: unix:/PATH"),
        ("[server]\ntls_cert = '/c.pem'", "tls_cert and tls_key belong together"),
        ("[server]\norigins = ['not an origin']", "origins 'not an origin' is not allowed: give SCHEME://HOST"),
        ("[server]\norigins = ['http://[']", "origins 'http://[' is not allowed"),
        ("[server]\norigins = ['https://a.example/']", "origins 'https://a.example/' is not allowed"),
        ("[server]\nfoo = 1", "unknown setting 'server.foo' (did you mean 'server.token'?)"),
        ("[limits]\nmessage_bytes = 0", "message_bytes 0 is not allowed: it must be 4096 to 67108864"),
        ("[server]\nlisten = '8770'", "listen '8770' is not allowed: give HOST:PORT"),
        ("[server]\nlisten = '127.0.0.1:99999'", "give HOST:PORT"),
        ("[server]\ntoken = 'short'", "token has 5 characters; it must have 16 to 512"),
        ('[server]\ntoken = "sixteen characters\\n"', "token must be of printable ASCII characters"),
        ("[engine]\ndevice = 'gpu'", "one of 'auto', 'cpu', 'npu', 'sim'"),
        ("[engine]\nthreads = -1", "threads -1 is not allowed: it must be 0 to 256"),
        ("[engine]\nnice = -5", "nice -5 is not allowed: it must be 0 to 19"),
        ("[limits]\nsessions = 0", "sessions 0 is not allowed: it must be 1 to 1024"),
        ("[stream]\nmax_pending_s = 20", "stream.max_pending_s 20 is not allowed: it must be at least 42"),
        ("[limits]\nbacklog_s = 60", "stream.max_pending_s 60 is not allowed: it must be at least 92"),
        ("[stream]\ntick_ms = 5", "tick_ms 5.0 is not allowed: it must be 100 to 5000"),
        ("[stream]\npolicy = 'beam'", "one of 'agreement', 'alignatt'"),
        ("[stream.endpoint]\nsilence_ms = 'long'", "silence_ms is 'long'; it must be a number"),
    ],
)
def test_errors_are_one_clear_line(tmp_path: Path, text: str, words: str) -> None:
    """Every wrong setting is told in one line that names it and its file."""
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "config.toml" in str(caught.value)


def test_no_error_and_no_description_shows_the_token(tmp_path: Path) -> None:
    """The token is never printed."""
    config, sources = load_config({"server.token": TOKEN}, {}, [])
    assert TOKEN not in config.describe(sources)
    assert TOKEN not in repr(config)
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, f"[server]\ntoken = [{TOKEN!r}]")
    assert TOKEN not in str(caught.value)
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, server__token=TOKEN + "ü")
    assert TOKEN not in str(caught.value)


@pytest.mark.parametrize("listen", ['["127.0.0.1:1", "unix:/run/a.sock"]', '"127.0.0.1:1, unix:/run/a.sock"'])
def test_several_addresses(tmp_path: Path, listen: str) -> None:
    """Addresses may be a list, or text with commas as in a variable."""
    config = load(tmp_path, f"[server]\nlisten = {listen}")
    assert config.server.addresses == (Address("127.0.0.1", 1), UnixAddress(Path("/run/a.sock")))
    assert load(tmp_path, config.describe()) == config


def test_unknown_variables_of_our_sections_are_refused() -> None:
    """A typing error in the environment is named; variables of others are left alone."""
    with pytest.raises(ConfigError, match=r"unknown setting AMANUENSIS_SERVER_LISTN.*AMANUENSIS_SERVER_LISTEN"):
        load_config({}, {"AMANUENSIS_SERVER_LISTN": "x"}, [])
    load_config({}, {"AMANUENSIS_MODELS": "/m", "AMANUENSIS_SPEECH_DIR": "/s", "LANG": "C"}, [])


def test_description_can_be_read_back(tmp_path: Path) -> None:
    """`describe` prints TOML that gives the same configuration, with the source of each value."""
    text = "[stream]\nprompt = 'a \"b\" \\ Ü'\nhotwords = ['x', 'y']\n[engine]\nmodel = '/m'\n"
    config = load(tmp_path, text)
    described = config.describe({"engine.model": "the file"})
    assert 'model = "/m"  # the file' in described
    assert "threads = 0  # default" in described
    tomllib.loads(described)
    assert load(tmp_path, described) == config


def test_text_that_utf8_cannot_carry_is_refused(tmp_path: Path) -> None:
    """Bytes of an argument or a variable that are no text are named, and not handed to a model or a log."""
    with pytest.raises(ConfigError, match=r"stream\.prompt is '\\udcff'; it must be text in UTF-8"):
        load(tmp_path, env={"AMANUENSIS_STREAM_PROMPT": "\udcff"})

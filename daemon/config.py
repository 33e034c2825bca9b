"""What the daemon is told: one tree of dataclasses from four layers.

`/etc/amanuensis/config.toml`, then `$XDG_CONFIG_HOME/amanuensis/config.toml`, then `AMANUENSIS_<SECTION>_<KEY>`, then
flags; a later layer wins. Unknown keys are refused.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from amanuensis.daemon.access import is_origin
from amanuensis.daemon.addresses import Address, ListenAddress, parse_listen
from amanuensis.daemon.dialects.settings import RestSettings, WyomingSettings
from amanuensis.daemon.fields import nearest, show
from amanuensis.daemon.fronts.settings import FrontSettings
from amanuensis.daemon.layers import Layer, Places, read_file
from amanuensis.daemon.logs import LogFormat, LogLevel
from amanuensis.daemon.meetings.settings import MeetingSettings
from amanuensis.daemon.settings import ConfigError, build, check_keys, convert, leaf_types
from amanuensis.daemon.spool.places import RecordingSettings, SpoolSettings
from amanuensis.npu.engine.api import Device, Precision
from amanuensis.stream.config import LONGEST_WINDOW_S, StreamConfig

__all__ = [
    "Address",
    "ClusterSettings",
    "Config",
    "ConfigError",
    "EngineSettings",
    "InputSettings",
    "LimitSettings",
    "LogSettings",
    "ServerSettings",
    "config_files",
    "load_config",
]

MIN_TOKEN_CHARS: Final = 16  # 64 bits even of hexadecimal
MAX_TOKEN_CHARS: Final = 512
Backend = Literal["local", "ray"]
ENV_PREFIX: Final = "AMANUENSIS_"
ENV_OTHERS: Final = ("AMANUENSIS_MODELS", "AMANUENSIS_SPEECH_DIR")  # read elsewhere
PENDING_MARGIN_S: Final = 2.0  # beside window and backlog: pre-roll, resampler, the piece that is being taken
SECRETS: Final = frozenset({"server.token"})


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """Where and to whom the daemon speaks.

    Attributes:
        listen: HOST:PORT, `unix:/PATH`, or a list of these; `unix:` alone is `$RUNTIME_DIRECTORY/amanuensis.sock`, else
            `$XDG_RUNTIME_DIR/amanuensis/amanuensis.sock`. An address that other machines can reach needs a token.
        token: one token that may do all: `Authorization: Bearer TOKEN`, or `auth` in the hello.
        tokens_file: tokens with roles, as `amanuensis tokens` keeps them; not set: `tokens.json` beside the user's
            configuration, if it is there.
        tls_cert: certificate chain (PEM); with it and tls_key every TCP address speaks TLS.
        tls_key: private key of the certificate (PEM), readable by its owner only.
        origins: web pages of other origins that may connect, such as `https://captions.example`.

    """

    listen: str | tuple[str, ...] = ("127.0.0.1:8770", "unix:")
    token: str | None = field(default=None, repr=False)
    tokens_file: str | None = None
    tls_cert: str | None = None
    tls_key: str | None = None
    origins: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.addresses:
            raise ValueError("listen [] is not allowed: give at least one HOST:PORT or unix:/PATH")
        if len(set(self.addresses)) < len(self.addresses):
            raise ValueError(f"listen {self.listen!r} is not allowed: an address is there twice")
        if self.token is not None and not MIN_TOKEN_CHARS <= len(self.token) <= MAX_TOKEN_CHARS:
            raise ValueError(
                f"token has {len(self.token)} characters; it must have {MIN_TOKEN_CHARS} to {MAX_TOKEN_CHARS}"
            )
        if self.token is not None and not (self.token.isascii() and self.token.isprintable()):
            raise ValueError("token must be of printable ASCII characters")
        for origin in self.origins:
            if not is_origin(origin):
                raise ValueError(f"origins {show(origin)} is not allowed: give SCHEME://HOST or SCHEME://HOST:PORT")
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("tls_cert and tls_key belong together: set both, or neither")

    @property
    def addresses(self) -> tuple[ListenAddress, ...]:
        """`listen`, parsed."""
        return tuple(parse_listen(text) for text in ((self.listen,) if isinstance(self.listen, str) else self.listen))


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """What runs and where.

    Attributes:
        backend: local: on this machine; ray: on the nodes of a Ray cluster (docs/cluster.md).
        model: name or folder; None: the best that is installed, else the built-in one.
        device: where to compute; auto: the NPU where there is one that works, else the CPU; sim: the simulated NPU.
        threads: of the CPU back end, at most 256; 0: physical cores less one, at most 4, as far as they are measured to
            gain at the first start, and a second window beside the first where cores are left.
        precision: of the computation; auto: int8 on an NPU and where the CPU has int8 dot products, but for
            operators measured slower so at the first start, else float32;
            bf16 is for the NPU, float32 for the CPU.
        nice: added to the niceness of the engine process, 0 to 19, so that other programs go first.
        encoder: where to encode, when that is to be another device than the decoder's; not set: as device.
        decoder: where to decode; auto: with the encoder, or on the CPU where that is quicker; not set: as device.

    """

    backend: Backend = "local"
    model: str | None = None
    device: Device = "auto"
    threads: int = 0
    precision: Precision = "auto"
    nice: int = 0
    encoder: Device | None = None
    decoder: Device | None = None

    def __post_init__(self) -> None:
        _in_range("threads", self.threads, 0, 256)
        _in_range("nice", self.nice, 0, 19)


@dataclass(frozen=True, slots=True)
class ClusterSettings:
    """The Ray cluster, where engine.backend is ray or fronts.enabled is true.

    Attributes:
        address: auto: RAY_ADDRESS, else the cluster that this machine is a node of; or HOST:PORT of its head.
        capacity: streams that each host is taken to carry; 0: what it measures at its start.

    """

    address: str = "auto"
    capacity: float = 0.0

    def __post_init__(self) -> None:
        _in_range("capacity", self.capacity, 0, 10_000)
        host, _, port = self.address.rpartition(":")
        if self.address != "auto" and not (host and port.isdecimal() and 0 < int(port) < 65536):
            raise ValueError(f"address {show(self.address)} is not allowed: give auto or HOST:PORT")


@dataclass(frozen=True, slots=True)
class LimitSettings:
    """How much is taken; every one is a bound with a stated answer when it is reached.

    Attributes:
        sessions: open at once; more get HTTP 503.
        sessions_each: the same of one other machine (of IPv6: one /64), or of one user on a unix socket.
        max_load: a speaker with whom the engine would be busier than this is refused, as measured; 0: never. With
            engine.backend ray it is not used: there the measured capacity of the hosts counts.
        connections: open at once, of every kind; more are closed unread.
        connections_each: the same from one other machine (of IPv6: one /64).
        strangers: the same, where a token is needed, that have not shown one yet.
        message_bytes: largest message.
        client_bytes_s: of one client, averaged over backlog_s; who sends faster is read more slowly.
        client_messages_s: the same for messages.
        hello_s: a connection without hello is closed after it.
        idle_s: a speaker that sends nothing is closed after it.
        resume_s: a session waits so long for a speaker whose connection was lost, then it ends; 0: not at all.
        ping_s: keep-alive: one ping each, and as long for its answer.
        backlog_s: audio of a session that waits undecoded before its socket is read no more, for a while.
        queue_events: durable events waiting for a client that does not read; then it is closed. From half of it on
            the client gets no partials, until a quarter is left.
        queue_bytes: the same, of their encoding.
        ring_events: durable events kept for watchers that come back.
        transcript_words: kept of a session for exports.
        linger_s: how long an ended session can be exported.
        ended_sessions: kept for export at most.
        shutdown_s: for sessions to become final when the daemon stops.

    """

    sessions: int = 32
    sessions_each: int = 16
    max_load: float = 0.9
    connections: int = 256
    connections_each: int = 64
    strangers: int = 64
    message_bytes: int = 2**20
    client_bytes_s: int = 2**23
    client_messages_s: int = 2000
    hello_s: float = 5.0
    idle_s: float = 300.0
    resume_s: float = 30.0
    ping_s: float = 20.0
    backlog_s: float = 10.0
    queue_events: int = 1024
    queue_bytes: int = 2**22
    ring_events: int = 4096
    transcript_words: int = 100_000  # ten hours of speech, some 30 MB
    linger_s: float = 600.0
    ended_sessions: int = 16
    shutdown_s: float = 10.0

    def __post_init__(self) -> None:
        _in_range("sessions", self.sessions, 1, 1024)
        _in_range("sessions_each", self.sessions_each, 1, 1024)
        _in_range("max_load", self.max_load, 0, 64)
        _in_range("connections", self.connections, 1, 65536)
        _in_range("connections_each", self.connections_each, 1, 65536)
        _in_range("strangers", self.strangers, 1, 65536)
        _in_range("message_bytes", self.message_bytes, 4096, 2**26)
        _in_range("client_bytes_s", self.client_bytes_s, 4096, 2**32)
        _in_range("client_messages_s", self.client_messages_s, 1, 10**6)
        _in_range("hello_s", self.hello_s, 0.1, 60)
        _in_range("idle_s", self.idle_s, 0.1, 86400)
        _in_range("resume_s", self.resume_s, 0, 86400)
        _in_range("ping_s", self.ping_s, 0.1, 600)
        _in_range("backlog_s", self.backlog_s, 1, 60)
        _in_range("queue_events", self.queue_events, 16, 2**20)
        _in_range("queue_bytes", self.queue_bytes, 2**16, 2**30)
        _in_range("ring_events", self.ring_events, 16, 2**20)
        _in_range("transcript_words", self.transcript_words, 100, 10**7)
        _in_range("linger_s", self.linger_s, 0, 86400)
        _in_range("ended_sessions", self.ended_sessions, 0, 1024)
        _in_range("shutdown_s", self.shutdown_s, 0, 600)


@dataclass(frozen=True, slots=True)
class InputSettings:
    """What the daemon captures itself, into a session that everybody may watch (`latest`).

    Attributes:
        name: `default`, or NAME or INDEX of a microphone, `system`, `app:NAME`, `file:PATH`, `tcp:HOST:PORT` or
            `unix:PATH` (16-bit PCM, 16 kHz, mono); not set: nothing.

    """

    name: str | None = None

    def __post_init__(self) -> None:
        if self.name == "-":
            raise ValueError("name '-' is not allowed: a daemon has no standard input; give a microphone or unix:PATH")


@dataclass(frozen=True, slots=True)
class LogSettings:
    """What the daemon tells of itself.

    Attributes:
        level: least weight of what is logged; not set: info in the journal and as JSON, warning on stderr.
        format: auto: the systemd journal with fields where stderr goes there, else text; json: one object a line.

    """

    level: LogLevel | None = None
    format: LogFormat = "auto"


@dataclass(frozen=True, slots=True)
class Config:
    """Everything that `amanuensis serve` is told, and where each value came from."""

    server: ServerSettings = field(default_factory=ServerSettings)
    engine: EngineSettings = field(default_factory=EngineSettings)
    cluster: ClusterSettings = field(default_factory=ClusterSettings)
    stream: StreamConfig = field(default_factory=StreamConfig)
    limits: LimitSettings = field(default_factory=LimitSettings)
    input: InputSettings = field(default_factory=InputSettings)
    log: LogSettings = field(default_factory=LogSettings)
    spool: SpoolSettings = field(default_factory=SpoolSettings)
    recording: RecordingSettings = field(default_factory=RecordingSettings)
    meetings: MeetingSettings = field(default_factory=MeetingSettings)
    wyoming: WyomingSettings = field(default_factory=WyomingSettings)
    rest: RestSettings = field(default_factory=RestSettings)
    fronts: FrontSettings = field(default_factory=FrontSettings)

    def __post_init__(self) -> None:
        window_s = self.stream.max_window_s or LONGEST_WINDOW_S
        least = window_s + self.limits.backlog_s + PENDING_MARGIN_S
        if self.stream.max_pending_s < least:
            raise ValueError(
                f"stream.max_pending_s {self.stream.max_pending_s:g} is not allowed: it must be at least {least:g}: "
                f"a window of {window_s:g} s (stream.max_window_s) and limits.backlog_s; raise it or lower these"
            )

    def describe(self, sources: Mapping[str, str] | None = None) -> str:
        """Return the settings as a TOML file that would give them again, secrets left out."""
        lines: list[str] = []
        section = ""
        for key in leaf_types(Config):
            table, name = key.rsplit(".", 1)
            if table != section:
                lines += ["", f"[{table}]"] if lines else [f"[{table}]"]
                section = table
            lines.append(f"{_toml_line(name, _value_at(self, key), key)}  # {(sources or {}).get(key, 'default')}")
        return "\n".join(lines)


def config_files(env: Mapping[str, str]) -> tuple[Path, ...]:
    """Return the configuration files in the order in which they are read."""
    home = env.get("XDG_CONFIG_HOME") or str(Path(env.get("HOME", "/")) / ".config")
    return (Path("/etc/amanuensis/config.toml"), Path(home) / "amanuensis" / "config.toml")


def load_config(
    flags: Mapping[str, object] | None = None,
    env: Mapping[str, str] | None = None,
    files: Sequence[Path] | None = None,
) -> tuple[Config, dict[str, str]]:
    """Read all layers.

    Args:
        flags: values of the command line by dotted key; None means not given.
        env: the environment; None: that of the process.
        files: configuration files in order; None: `config_files`.

    Returns:
        The configuration, and for each setting that is not a default the name of the layer that gave it.

    Raises:
        ConfigError: one line that says what is wrong, where, and what is allowed.

    """
    env = os.environ if env is None else env
    known = leaf_types(Config)
    layers = [read_file(path) for path in (config_files(env) if files is None else files)]
    layers.append(Layer("environment", _from_env(env, known)))
    layers.append(Layer("command line", {key: value for key, value in (flags or {}).items() if value is not None}))
    values: dict[str, Any] = {}
    origins: dict[str, Layer] = {}
    for layer in layers:
        check_keys(layer.values, known, layer.place)
        for key in (key for key in layer.values if key in known):  # an empty table is none
            values[key] = _converted(layer, key, known[key])
            origins[key] = layer
    return build(Config, values, Places(origins)), {key: layer.name for key, layer in origins.items()}


def _converted(layer: Layer, key: str, hint: Any) -> Any:
    value = layer.values[key]
    shown = "(hidden)" if key in SECRETS and not isinstance(value, str) else value
    try:
        return convert(shown, hint, key)
    except ConfigError as error:
        raise ConfigError(f"{layer.place(key)}: {error}") from None


def _from_env(env: Mapping[str, str], known: Mapping[str, Any]) -> dict[str, str]:
    """Return the settings of the environment by dotted key.

    Raises:
        ConfigError: a variable looks like one of ours but is none.

    """
    names = {ENV_PREFIX + key.replace(".", "_").upper(): key for key in known}
    sections = tuple(f"{ENV_PREFIX}{section.upper()}_" for section in {key.split(".")[0] for key in known})
    found: dict[str, str] = {}
    for name, value in env.items():
        if name in names:
            found[names[name]] = value
        elif name.startswith(sections) and name not in ENV_OTHERS:
            raise ConfigError(f"environment: unknown setting {name}{nearest(name, names)}")
    return found


def _in_range(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise ValueError(f"{name} {value!r} is not allowed: it must be {low:.10g} to {high:.10g}")


def _value_at(config: Config, key: str) -> Any:
    value: Any = config
    for name in key.split("."):
        value = getattr(value, name)
    return value


def _toml_line(name: str, value: Any, key: str) -> str:
    if value is None:
        return f"# {name} is not set"
    if key in SECRETS:
        return f"# {name} is set"
    return f"{name} = {_toml(value)}"


def _toml(value: Any) -> str:
    """Return a value as TOML has it: like JSON, but for one character that TOML wants escaped."""
    return json.dumps(value, ensure_ascii=False, default=str).replace("\x7f", "\\u007f")

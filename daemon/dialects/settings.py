"""What is set of the protocols of other programs that have listeners of their own."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from amanuensis.daemon.addresses import ListenAddress, parse_listen


def addresses(listen: str | tuple[str, ...]) -> tuple[ListenAddress, ...]:
    """Return the addresses of a setting, parsed.

    Raises:
        ValueError: says what is allowed.

    """
    parsed = tuple(parse_listen(text) for text in ((listen,) if isinstance(listen, str) else listen))
    for address in parsed:
        if str(address) == "unix:":
            raise ValueError("listen 'unix:' is not allowed here: name a path: unix:/PATH")
    if len(set(parsed)) < len(parsed):
        raise ValueError(f"listen {listen!r} is not allowed: an address is there twice")
    return parsed


@dataclass(frozen=True, slots=True)
class WyomingSettings:
    """The Wyoming protocol, as Home Assistant speaks it.

    Attributes:
        listen: HOST:PORT (10300 is usual), `unix:/PATH`, or a list of these; empty: nowhere.
        trusted: addresses and networks, such as `192.168.1.7` or `192.168.1.0/24`, that may speak without a token:
            Wyoming knows none. Needed for an address that other machines can reach, and once there are tokens.
        announce: tell the local network by zeroconf; needs the extra `[zeroconf]`.

    """

    listen: str | tuple[str, ...] = ()
    trusted: tuple[str, ...] = ()
    announce: bool = False

    def __post_init__(self) -> None:
        _ = self.addresses, self.networks

    @property
    def addresses(self) -> tuple[ListenAddress, ...]:
        """`listen`, parsed."""
        return addresses(self.listen)

    @property
    def networks(self) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
        """`trusted`, parsed."""
        try:
            return tuple(ipaddress.ip_network(text) for text in self.trusted)
        except ValueError as error:
            message = f"trusted {list(self.trusted)!r} is not allowed: {error}; give 192.168.1.7 or 192.168.1.0/24"
            raise ValueError(message) from None


@dataclass(frozen=True, slots=True)
class RestSettings:
    """OpenAI's REST API for files of sound; needs the extra `[rest]`.

    Attributes:
        listen: HOST:PORT, `unix:/PATH`, or a list of these, other than those of [server]; empty: nowhere.
        jobs: requests that are served at a time; more get 429.
        upload_mb: largest upload, in megabytes.
        audio_s: longest sound of one file.
        stall_s: a client that neither sends nor reads for so long is closed.

    """

    listen: str | tuple[str, ...] = ()
    jobs: int = 2
    upload_mb: int = 512
    audio_s: float = 21_600.0  # six hours
    stall_s: float = 30.0

    def __post_init__(self) -> None:
        _ = self.addresses
        for name, value, low, high in (
            ("jobs", self.jobs, 1, 64),
            ("upload_mb", self.upload_mb, 1, 65_536),
            ("audio_s", self.audio_s, 1, 604_800),
            ("stall_s", self.stall_s, 0.1, 600),
        ):
            if not low <= value <= high:
                raise ValueError(f"{name} {value!r} is not allowed: it must be {low:g} to {high:g}")

    @property
    def addresses(self) -> tuple[ListenAddress, ...]:
        """`listen`, parsed."""
        return addresses(self.listen)

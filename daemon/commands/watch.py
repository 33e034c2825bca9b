"""`amanuensis watch`: the captions of a session that somebody else speaks in."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from amanuensis.daemon.commands.common import (
    TOKEN_VARIABLE,
    SubParsers,
    UsageError,
    add_ca_flag,
    add_word_times_flag,
    complain,
)

if TYPE_CHECKING:
    from amanuensis.daemon.client import Client

EXAMPLES: Final = """\
examples:
  amanuensis watch                                     the newest session of the daemon on this machine
  amanuensis watch unix:/run/amanuensis/amanuensis.sock
  amanuensis watch wss://captions.example:8770 --ca ca.pem
  amanuensis watch ws://127.0.0.1:8770/v1/watch/3fd2a1
  amanuensis watch ws://127.0.0.1:8770 --json          every event as a JSON line"""
NEWEST: Final = "/v1/watch/latest"


def add_parser(subparsers: SubParsers) -> None:
    """Add `watch`."""
    parser = subparsers.add_parser(
        "watch",
        help="show the captions of a running session",
        description="Show the captions of a session of a running daemon, here or on another machine. "
        f"Where it asks for a token, that is read from {TOKEN_VARIABLE}.",
        epilog=EXAMPLES,
    )
    parser.add_argument(
        "url", nargs="?", help="ws://HOST:PORT[/v1/watch/SESSION], wss://..., or unix:/SOCKET[:/v1/watch/SESSION]"
    )
    add_ca_flag(parser)
    parser.add_argument("--json", action="store_true", help="print every event as a JSON line")
    add_word_times_flag(parser)


def run(args: argparse.Namespace) -> int:
    """Watch until the session ends."""
    from amanuensis.daemon.dial import usual_address

    asyncio.run(watch(watch_url(args.url or usual_address(os.environ)), args))
    return 0


async def watch(url: str, args: argparse.Namespace) -> None:
    """Print the events of a session until it ends."""
    from amanuensis.daemon.client import connect
    from amanuensis.daemon.console import make_printer
    from amanuensis.daemon.signals import stop_on_signals

    with stop_on_signals() as stop:
        async with connect(url, token=os.environ.get(TOKEN_VARIABLE), ca=args.ca) as client:
            complain(f"watching session {client.session}")
            printer = make_printer(
                sys.stdout, complain, as_json=args.json, word_times=args.word_times, hint="Ctrl-C to leave"
            )
            engine = client.ready["engine"]
            printer.device(engine["encoder"], engine["decoder"])
            leaving = asyncio.create_task(leave(client, stop))
            try:
                async for event in client:
                    printer.show(event)
            finally:
                leaving.cancel()
                printer.close()


async def leave(client: Client, stop: asyncio.Event) -> None:
    """Close the connection when somebody asks for it."""
    await stop.wait()
    await client.aclose()


def watch_url(url: str) -> str:
    """Return the address of the session that a person means; without a path, the newest one.

    Raises:
        UsageError: it is not a WebSocket address.

    """
    if url.startswith("unix:/"):
        return url if ":/" in url.removeprefix("unix:") else f"{url}:{NEWEST}"
    parts = urlsplit(url)
    if parts.scheme not in ("ws", "wss") or not parts.hostname:
        raise UsageError(
            f"{url!r} is not an address: write ws://HOST:PORT, ws://HOST:PORT/v1/watch/SESSION or unix:/SOCKET"
        )
    return url if parts.path.strip("/") else f"{url.rstrip('/')}{NEWEST}"

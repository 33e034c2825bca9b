"""`amanuensis top`: how the sessions of a running daemon do."""

from __future__ import annotations

import argparse
import json
import os
import time
from typing import Any, Final

from amanuensis.daemon.commands.common import TOKEN_VARIABLE, SubParsers, add_ca_flag, bounded_float

EXAMPLES: Final = """\
examples:
  amanuensis top                                   the daemon of this machine; Ctrl-C to leave
  amanuensis top --json                            one look, as JSON
  amanuensis top wss://captions.example:8770 --interval 5"""
PATH: Final = "/v1/sessions"
PIPED_COLUMNS: Final = 160  # of a file or a pipe: nothing is cut


def add_parser(subparsers: SubParsers) -> None:
    """Add `top`."""
    parser = subparsers.add_parser(
        "top",
        help="show how the sessions of a running daemon do",
        description="Show age, lag, tick, load, clients, ledger and device of every session of a running daemon; never "
        f"what is said. Where the daemon asks for a token it needs an admin's, in {TOKEN_VARIABLE}.",
        epilog=EXAMPLES,
    )
    parser.add_argument("url", nargs="?", help="ws://HOST:PORT, wss://HOST:PORT or unix:/SOCKET")
    parser.add_argument("--json", action="store_true", help="print one JSON object and leave")
    parser.add_argument(
        "--interval",
        type=bounded_float("interval", 0.1, 3600),
        default=1.0,
        metavar="SECONDS",
        help="between two looks (default: %(default)s)",
    )
    add_ca_flag(parser)


def run(args: argparse.Namespace) -> int:
    """Look once, or until Ctrl-C."""
    from amanuensis.daemon.dial import usual_address

    address = args.url or usual_address(os.environ)
    if args.json:
        print(json.dumps(look(address, args.ca)))
        return 0
    from rich.console import Console

    console = Console()
    if not console.is_terminal:
        from amanuensis.daemon.top import table

        Console(width=PIPED_COLUMNS).print(table(look(address, args.ca)))
        return 0
    watch(address, args.ca, args.interval)
    return 0


def watch(address: str, ca: str | None, interval_s: float) -> None:
    """Show the table, renewed all the time, until Ctrl-C."""
    from rich.live import Live

    from amanuensis.daemon.top import table

    with Live(table(look(address, ca)), screen=True, auto_refresh=False) as live:
        try:
            while True:
                time.sleep(interval_s)
                live.update(table(look(address, ca)), refresh=True)
        except KeyboardInterrupt:
            return


def look(address: str, ca: str | None) -> dict[str, Any]:
    """Return what the daemon tells of its sessions.

    Raises:
        amanuensis.daemon.dial.ClientError: it cannot be reached, or does not tell us.

    """
    from amanuensis.daemon.dial import ClientError, fetch

    status, body = fetch(address, PATH, os.environ.get(TOKEN_VARIABLE), ca)
    if status in (401, 403):
        raise ClientError(f"{address} tells this to an admin only: set {TOKEN_VARIABLE}, or use its unix socket")
    if status != 200:
        raise ClientError(f"{address} answered HTTP {status} to {PATH}; is it an Amanuensis daemon of this version?")
    facts: dict[str, Any] = json.loads(body)
    return facts

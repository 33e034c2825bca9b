"""`amanuensis cluster`: look at the machines that daemons share, and take one out of use."""

from __future__ import annotations

import argparse
import asyncio
import json
from typing import Any, Final

from amanuensis.daemon.commands.common import SubParsers, complain

EXAMPLES: Final = """\
examples:
  amanuensis cluster status                 nodes, devices, capacity, streams, and the daemons that use them
  amanuensis cluster drain machine-2        nothing new goes there, and its streams move: before it is switched off
  amanuensis cluster undrain machine-2

Machines join with Ray's own command: `ray start --head`, and `ray start --address=HOST:6379` on the others; run this
on one of them. docs/cluster.md says more."""
PIPED_COLUMNS: Final = 160  # of a file or a pipe: nothing is cut


def add_parser(subparsers: SubParsers) -> None:
    """Add `cluster` and what it can do."""
    parser = subparsers.add_parser(
        "cluster",
        help="look at the machines of a Ray cluster, and take one out of use",
        description="Look at the machines whose engines daemons share (engine.backend ray), and take one out of use.",
        epilog=EXAMPLES,
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    status = actions.add_parser(
        "status",
        help="show nodes, devices, capacity, streams and daemons",
        description="Show nodes, devices, capacity, streams, restarts and versions, and how the daemons do.",
        epilog="example:\n  amanuensis cluster status --json",
    )
    drain = actions.add_parser(
        "drain",
        help="send a node nothing new and move its streams",
        description="Send a node nothing new; its streams move with their next window, and no word is lost.",
        epilog="example:\n  amanuensis cluster drain machine-2",
    )
    undrain = actions.add_parser(
        "undrain",
        help="use a drained node again",
        description="Use a drained node again.",
        epilog="example:\n  amanuensis cluster undrain machine-2",
    )
    for action in (drain, undrain):
        action.add_argument(
            "node", help="its name, or the beginning of its id, as `amanuensis cluster status` shows it"
        )
    for action in (status, drain, undrain):
        action.add_argument("--address", metavar="HOST:PORT", help="head of the cluster (default: cluster.address)")
        action.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Connect, do what was asked for, leave."""
    from amanuensis.daemon.cluster.runtime import connect, disconnect
    from amanuensis.daemon.config import load_config

    config, _ = load_config({"cluster.address": args.address})
    connect(config.cluster.address)
    try:
        if args.action == "status":
            show(asyncio.run(_look()), as_json=args.json)
        else:
            say_drained(args.node, drained=args.action == "drain", as_json=args.json)
    finally:
        disconnect()
    return 0


async def _look() -> dict[str, Any]:
    from amanuensis.daemon.cluster.status import look

    return await look()


def show(status: dict[str, Any], *, as_json: bool) -> None:
    """Print what the cluster tells."""
    if as_json:
        print(json.dumps(status))
        return
    from rich.console import Console

    from amanuensis.daemon.cluster.status import tables

    console = Console()
    if not console.is_terminal:
        console = Console(width=PIPED_COLUMNS)
    for table in tables(status):
        console.print(table)


def say_drained(name: str, *, drained: bool, as_json: bool) -> None:
    """Drain a node, or use it again."""
    from amanuensis.daemon.cluster.status import drain

    node = asyncio.run(drain(name, drained=drained))
    if as_json:
        print(json.dumps({"name": node.name, "id": node.id, "drained": drained}))
    else:
        complain(f"node {node.name} {'gets nothing new' if drained else 'is used again'}")

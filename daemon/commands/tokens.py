"""`amanuensis tokens`: make, list and revoke the tokens that let clients in."""

from __future__ import annotations

import argparse
import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from amanuensis.daemon.commands.common import SubParsers, UsageError, complain

if TYPE_CHECKING:
    from amanuensis.daemon.tokens import Token

ROLES: Final = ("watch", "speak", "admin")
EXAMPLES: Final = """\
examples:
  amanuensis tokens add laptop --role speak --role watch
  amanuensis tokens add obs --role watch --expires 30d     may stand in the address of a browser source
  amanuensis tokens list
  amanuensis tokens revoke laptop

watch: read captions and transcripts; speak: open sessions; admin: everything, /metrics included. As soon as there is a
token every TCP connection must show one; the unix socket knows its peers. A daemon that runs reads the file again when
it is told to: systemctl reload amanuensis, or kill -HUP."""
ADD_EXAMPLES: Final = """\
examples:
  amanuensis tokens add laptop --role speak --role watch
  amanuensis tokens add obs --role watch --expires 30d"""


def add_parser(subparsers: SubParsers) -> None:
    """Add `tokens` and what it can do."""
    parser = subparsers.add_parser(
        "tokens",
        help="make, list and revoke the tokens that let clients in",
        description="Make, list and revoke the tokens that let clients in. Only hashes of them are kept.",
        epilog=EXAMPLES,
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    add = actions.add_parser(
        "add", help="make a token and print it, once", description="Make a token; print it, once.", epilog=ADD_EXAMPLES
    )
    add.add_argument("name", help="what it is known by: letters, digits, '.', '_', '-'")
    add.add_argument("--role", action="append", choices=ROLES, required=True, help="what it may do; may be repeated")
    add.add_argument("--expires", metavar="WHEN", help="90m, 12h, 30d, 8w or a date (default: never)")
    listing = actions.add_parser(
        "list",
        help="list the tokens",
        description="List the tokens.",
        epilog="example:\n  amanuensis tokens list --json",
    )
    revoke = actions.add_parser(
        "revoke",
        help="make a token worth nothing",
        description="Make a token worth nothing; a daemon that runs has to be told to reload.",
        epilog="example:\n  amanuensis tokens revoke laptop",
    )
    revoke.add_argument("name", help="as `amanuensis tokens list` shows it")
    for action in (add, listing, revoke):
        action.add_argument("--file", metavar="PATH", help="the file of tokens (default: server.tokens_file)")
        action.add_argument("--system", action="store_true", help="the file of the system's service")
        action.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Do what was asked for."""
    file = chosen_file(args)
    actions = {"add": add_token, "list": list_tokens, "revoke": revoke_token}
    actions[args.action](file, args)
    return 0


def chosen_file(args: argparse.Namespace) -> Path:
    """Return the file of tokens that is meant."""
    from amanuensis.daemon.config import load_config
    from amanuensis.daemon.security import token_file
    from amanuensis.daemon.token_file import SYSTEM_FILE

    if args.file and args.system:
        raise UsageError("--file and --system name two files: give one of them")
    if args.file:
        return Path(args.file)
    return SYSTEM_FILE if args.system else token_file(load_config()[0].server, os.environ)


def add_token(file: Path, args: argparse.Namespace) -> None:
    """Make a token; its secret goes to stdout, everything else to stderr."""
    from amanuensis.daemon.private_file import locked
    from amanuensis.daemon.token_file import read_tokens, write_tokens
    from amanuensis.daemon.tokens import new_token, parse_expiry

    now = datetime.now(UTC)
    expires = None if args.expires is None else parse_expiry(args.expires, now)
    token, secret = new_token(args.name, args.role, now, expires)
    with locked(file):
        write_tokens(file, read_tokens(file, may_miss=True).added(token))
    print(json.dumps(describe(token) | {"token": secret}) if args.json else secret)
    complain(f"token {token.name} is in {file} and shown this once; a daemon that runs has to reload (kill -HUP)")
    if token.may_be_in_address:
        complain("it may stand in an address: http://HOST:PORT/captions?token=TOKEN")


def list_tokens(file: Path, args: argparse.Namespace) -> None:
    """Print what is known of each token."""
    from amanuensis.daemon.token_file import read_tokens

    tokens = read_tokens(file, may_miss=True).tokens
    if args.json:
        print(json.dumps([describe(token) for token in tokens]))
        return
    if not tokens:
        complain(f"no tokens in {file}; make one: amanuensis tokens add NAME --role watch")
    for token in tokens:
        facts = describe(token)
        ends = ("expired " if facts["expired"] else "until ") + facts["expires"] if facts["expires"] else "for ever"
        print(f"{token.name:24} {','.join(facts['roles']):18} {ends}")


def revoke_token(file: Path, args: argparse.Namespace) -> None:
    """Forget a token."""
    from amanuensis.daemon.private_file import locked
    from amanuensis.daemon.token_file import read_tokens, write_tokens

    with locked(file):
        write_tokens(file, read_tokens(file).revoked(args.name))
    if args.json:
        print(json.dumps({"revoked": args.name}))
    complain(f"token {args.name} is revoked; a daemon that runs has to reload (kill -HUP)")


def describe(token: Token) -> dict[str, Any]:
    """Return what is known of a token, for programs."""
    return {
        "name": token.name,
        "roles": [role for role in ROLES if role in token.roles],
        "created": token.created.isoformat(),
        "expires": None if token.expires is None else token.expires.isoformat(),
        "expired": not token.is_valid(datetime.now(UTC)),
    }

"""`amanuensis serve`: the daemon."""

from __future__ import annotations

import argparse
import asyncio
from functools import partial
from typing import TYPE_CHECKING, Final

from amanuensis.daemon.commands.common import (
    SubParsers,
    add_backend_flag,
    add_engine_flags,
    add_speaker_flags,
    add_stream_flags,
    add_text_flags,
    complain,
    config_flags,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from amanuensis.daemon.config import Config
    from amanuensis.daemon.logs import LogLevel
    from amanuensis.daemon.service.manager import Manager

EXAMPLES: Final = """\
examples:
  amanuensis serve                           on 127.0.0.1:8770; the captions page is http://127.0.0.1:8770/captions
  amanuensis serve --listen 127.0.0.1:0      on a free port, which the first line of the output names
  amanuensis serve --listen 127.0.0.1:8770 --listen unix:/tmp/captions.sock
  amanuensis serve --input default           captions of the microphone, at /captions and for everybody who watches
  amanuensis serve --check                   print the settings, and where each comes from, and leave

Settings: /etc/amanuensis/config.toml, then $XDG_CONFIG_HOME/amanuensis/config.toml, then AMANUENSIS_SECTION_KEY,
then flags. To listen on more than this machine make a token first: `amanuensis tokens add NAME --role speak`."""


def add_parser(subparsers: SubParsers) -> None:
    """Add `serve`."""
    parser = subparsers.add_parser(
        "serve",
        help="run the daemon: captions for WebSocket clients and the captions page",
        description="Run the daemon until it is stopped (Ctrl-C or SIGTERM): what was heard by then becomes final; a "
        "second signal stops at once. SIGHUP reads the settings again. As a service: `amanuensis service install`.",
        epilog=EXAMPLES,
    )
    parser.add_argument(
        "--listen",
        metavar="ADDRESS",
        action="append",
        help="HOST:PORT or unix:PATH; may be repeated (default: 127.0.0.1:8770, and unix: in the runtime folder)",
    )
    parser.add_argument(
        "--input",
        dest="own_input",
        metavar="INPUT",
        help="what the daemon itself captures, for everybody who watches: default, NAME or INDEX of a microphone, "
        "system, app:NAME, tcp:HOST:PORT, unix:PATH or file:PATH (default: nothing)",
    )
    parser.add_argument("--check", action="store_true", help="check the settings, print them and leave")
    told = parser.add_mutually_exclusive_group()
    told.add_argument("--quiet", action="store_true", help="tell on stderr of errors only")
    told.add_argument("--verbose", action="store_true", help="tell on stderr who comes and goes")
    parser.add_argument(
        "--log-format",
        choices=("auto", "text", "json", "journal"),
        help="of what is told: the journal of systemd where stderr goes there, else text (default: auto)",
    )
    add_engine_flags(parser)
    add_backend_flag(parser)
    add_text_flags(parser)
    add_stream_flags(parser)
    add_speaker_flags(parser)


def run(args: argparse.Namespace) -> int:
    """Serve until stopped; a service manager is told what kept it from that."""
    import os

    from amanuensis.daemon.config import load_config
    from amanuensis.daemon.service.manager import Manager

    flags = config_flags(args) | {"log.level": level_of(args)}
    if args.check:
        from amanuensis.daemon.dialects.doors import check_doors
        from amanuensis.daemon.security import Security

        config, origins = load_config(flags)
        print(config.describe(origins))
        security = Security.load(config.server, os.environ)
        security.check(config.server.addresses)
        check_doors(config, security)
        return 0
    manager = Manager.from_environment(os.environ, os.getpid())
    try:
        asyncio.run(start(lambda: load_config(flags)[0], manager, with_page=not args.quiet))
    except Exception as error:
        manager.notifier.status(str(error))
        raise
    return 0


async def start(load: Callable[[], Config], manager: Manager, *, with_page: bool) -> None:
    """Read the settings and serve."""
    import os

    from amanuensis.daemon.lifecycle import serve
    from amanuensis.daemon.logs import set_up_daemon

    config = load()
    set_up_daemon(config.log.format, config.log.level, os.environ)
    await serve(config, partial(announce, with_page=with_page), load, manager)


def level_of(args: argparse.Namespace) -> LogLevel | None:
    """Return the level that flags ask for."""
    if args.debug:
        return "debug"
    return "info" if args.verbose else "error" if args.quiet else None


def announce(urls: Sequence[str], *, with_page: bool) -> None:
    """Say where programs and people find the daemon."""
    for url in urls:
        print(f"listening {url}", flush=True)
        if with_page and url.startswith("ws"):
            complain(f"captions page: http{url.removeprefix('ws').removesuffix('/v1/session')}/captions")

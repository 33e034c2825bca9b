"""`amanuensis service`: the daemon as a service of systemd."""

from __future__ import annotations

import argparse
import json
import os
from typing import TYPE_CHECKING, Final

from amanuensis.daemon.commands.common import SubParsers, add_debug_flag, complain

if TYPE_CHECKING:
    from amanuensis.daemon.service.install import ServiceState
    from amanuensis.daemon.service.units import Scope, UnitFile

EXAMPLES: Final = """\
examples:
  amanuensis service install --user          the microphone of this desktop, started with your session
  sudo amanuensis service install --system   the whole machine: ALSA and network sources, hardened
  amanuensis service install --print         what would be written where
  amanuensis service status                  what systemd and the daemon say
  systemctl --user reload amanuensis         read the settings again

Exit status of `status`: 0 when sessions can be opened, else 1."""


def add_parser(subparsers: SubParsers) -> None:
    """Add `service`."""
    parser = subparsers.add_parser(
        "service",
        help="install, remove and look at the service of systemd",
        description="Run the daemon as a service of systemd, for one person or for the whole machine.",
        epilog=EXAMPLES,
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    install = actions.add_parser(
        "install",
        help="write the units, enable them and start the service",
        epilog="example:\n  sudo amanuensis service install --system",
    )
    install.add_argument("--print", action="store_true", dest="dry", help="print what would be written, and leave")
    install.add_argument("--no-start", action="store_true", help="enable the service, but do not start it now")
    uninstall = actions.add_parser(
        "uninstall",
        help="stop and disable the service and remove its units",
        epilog="example:\n  amanuensis service uninstall --user",
    )
    status = actions.add_parser(
        "status",
        help="what systemd says of the service, and the daemon of itself",
        epilog="example:\n  amanuensis service status --json",
    )
    status.add_argument("--json", action="store_true", help="print one JSON object")
    for action in (install, uninstall, status):
        scope = action.add_mutually_exclusive_group()
        scope.add_argument("--user", dest="scope", action="store_const", const="user", help="for you (default)")
        scope.add_argument(
            "--system", dest="scope", action="store_const", const="system", help="for the machine (default for root)"
        )
        add_debug_flag(action)


def run(args: argparse.Namespace) -> int:
    """Do what is asked for."""
    from amanuensis.daemon.service.installation import default_scope

    scope: Scope = args.scope or default_scope()
    if args.action == "install":
        return install(scope, dry=args.dry, start=not args.no_start)
    return uninstall(scope) if args.action == "uninstall" else status(scope, as_json=args.json)


def install(scope: Scope, *, dry: bool, start: bool) -> int:
    """Write, enable and start, or show what would be written."""
    from amanuensis.daemon.service import install as installing
    from amanuensis.daemon.service.installation import own_command, own_roots, places
    from amanuensis.daemon.service.units import unit_files

    files = unit_files(scope, places(scope, os.environ), own_command(), own_roots() if scope == "system" else ())
    if dry:
        print("\n".join(shown(file) for file in files), end="")
        return 0
    installing.install(scope, files, start=start)
    complain(f"installed {', '.join(str(file.path) for file in files)}")
    complain(f"see `amanuensis service status --{scope}`; log: journalctl --{scope} -u amanuensis")
    return 0


def shown(file: UnitFile) -> str:
    """Return a file with its name above it."""
    return f"# {file.path}\n{file.text}"


def uninstall(scope: Scope) -> int:
    """Stop, disable, remove."""
    from amanuensis.daemon.service import install as installing
    from amanuensis.daemon.service.installation import places

    removed = installing.uninstall(scope, places(scope, os.environ))
    complain(f"removed {', '.join(map(str, removed))}" if removed else f"the {scope} service is not installed")
    return 0


def status(scope: Scope, *, as_json: bool) -> int:
    """Tell what systemd and the daemon say."""
    from dataclasses import asdict

    from amanuensis.daemon.service import install as installing

    found = installing.state(scope, addresses(scope))
    if as_json:
        print(json.dumps(asdict(found), indent=1))
    else:
        print("\n".join(lines(found)))
    return 0 if found.is_well else 1


def addresses(scope: Scope) -> list[str]:
    """Return where a daemon of this scope listens: the sockets of its unit, then those of the settings."""
    from amanuensis.daemon.config import load_config
    from amanuensis.daemon.service.installation import socket_path

    config, _ = load_config()
    listen = config.server.listen
    return [f"unix:{socket_path(scope, os.environ)}", *([listen] if isinstance(listen, str) else listen)]


def lines(found: ServiceState) -> list[str]:
    """Return the state for a person."""
    service, listener = found.service, found.socket
    if service.get("LoadState") == "not-found":
        return [f"not installed; `amanuensis service install --{found.scope}` installs it"]
    told = [
        f"service  {service.get('ActiveState')} ({service.get('SubState')}), {service.get('UnitFileState')}, "
        f"process {service.get('MainPID')}, restarted {service.get('NRestarts')} times, result {service.get('Result')}",
        f"sockets  {listener.get('ActiveState')} ({listener.get('SubState')}), {listener.get('UnitFileState')}",
    ]
    if service.get("StatusText"):
        told.append(f"says     {service['StatusText']}")
    if found.ready is None:
        return [*told, f"answers  nobody; see journalctl --{found.scope} -u amanuensis"]
    why = found.ready.get("why")
    return [
        *told,
        f"answers  {'ready' if found.is_well else 'not ready'} at {found.asked}" + (f": {why}" if why else ""),
    ]

"""`amanuensis dictate`: what is said is typed into the focused window."""

from __future__ import annotations

import argparse
import asyncio
import os
from typing import Final

from amanuensis.daemon.commands.common import (
    SubParsers,
    add_engine_flags,
    add_stream_flags,
    add_text_flags,
    complain,
)
from amanuensis.daemon.commands.listen import add_output_flags, add_sound_flags, listen

EXAMPLES: Final = """\
examples:
  amanuensis dictate                       type what the default microphone hears
  amanuensis dictate --input headset --with wtype
  amanuensis dictate -o notes.txt          and keep it in a file

Only committed words are typed, so nothing is ever taken back. Ctrl-C types the last words and leaves."""
TOOLS: Final = ("wtype", "ydotool", "xdotool")


def add_parser(subparsers: SubParsers) -> None:
    """Add `dictate`."""
    parser = subparsers.add_parser(
        "dictate",
        help="type what is said into the focused window",
        description="Type what is said into whatever window has the focus, as a keyboard would; the clipboard is left "
        "alone. It needs wtype (Wayland), xdotool (X11) or ydotool.",
        epilog=EXAMPLES,
    )
    add_sound_flags(parser)
    typing = parser.add_argument_group("typing")
    typing.add_argument(
        "--with", dest="tool", choices=TOOLS, help="what types (default: the first that works in this session)"
    )
    add_output_flags(parser)
    add_engine_flags(parser)
    add_text_flags(parser)
    add_stream_flags(parser)


def run(args: argparse.Namespace) -> int:
    """Dictate until the source ends or is stopped."""
    if args.list_inputs:
        from amanuensis.daemon.commands.devices import print_inputs

        return print_inputs(as_json=args.json)
    return asyncio.run(dictate(args))


async def dictate(args: argparse.Namespace) -> int:
    """Find what types, then listen."""
    from amanuensis.daemon.typist import open_typist

    typist, tool = await open_typist(args.tool, os.environ, complain)
    complain(f"typing with {tool.name} into the window that has the focus")
    args.speakers = 0  # one person dictates
    return await listen(args, typist.take)

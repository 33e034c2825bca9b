"""What bash completes after `amanuensis`: commands, flags and the values that a flag allows, made of the parsers.

`python packaging/debian/completion.py FILE` writes the script for /usr/share/bash-completion/completions. Where it
knows nothing, bash completes names of files.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

from manual import subcommands

from amanuensis.daemon.main import COMMANDS, build_parser, load

SCRIPT = r"""# Made of the parsers of the command line.
declare -gA _amanuensis_commands=({commands})
declare -gA _amanuensis_flags=({flags})
declare -gA _amanuensis_values=({values})
_amanuensis() {{
    local at=amanuensis word words current=${{COMP_WORDS[COMP_CWORD]}} previous=${{COMP_WORDS[COMP_CWORD-1]}}
    [[ ${{COMP_WORDS[0]}} != *amanuensis-listen ]] || at="amanuensis listen"
    for word in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
        [[ " ${{_amanuensis_commands[$at]-}} " != *" $word "* ]] || at+=" $word"
    done
    words=${{_amanuensis_commands[$at]-}}
    [[ $current != -* ]] || words=${{_amanuensis_flags[$at]-}}
    words=${{_amanuensis_values["$at $previous"]-$words}}
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}}
complete -o default -F _amanuensis amanuensis amanuensis-listen
"""


def script() -> str:
    """Return the script."""
    tables: dict[str, dict[str, str]] = {"commands": {}, "flags": {}, "values": {}}
    for parser in parsers():
        options = [action for action in parser._actions if action.help != argparse.SUPPRESS]
        tables["commands"][parser.prog] = " ".join(subcommands(parser))
        tables["flags"][parser.prog] = " ".join(name for action in options for name in action.option_strings)
        for action in options:
            if action.choices is not None and action.option_strings:
                values = " ".join(map(str, action.choices))
                tables["values"] |= {f"{parser.prog} {name}": values for name in action.option_strings}
    return SCRIPT.format(**{name: table(rows) for name, rows in tables.items()})


def parsers() -> Iterator[argparse.ArgumentParser]:
    """Yield the parser of the command line and those of all commands and subcommands."""
    yield build_parser(None, None)
    for name in COMMANDS:
        waiting = [subcommands(build_parser(name, load(name)))[name]]
        while waiting:
            parser = waiting.pop(0)
            yield parser
            waiting += subcommands(parser).values()


def table(rows: dict[str, str]) -> str:
    """Return the contents of an associative array."""
    return "".join(f"\n    [{shlex.quote(key)}]={shlex.quote(value)}" for key, value in rows.items()) + "\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(script(), encoding="utf-8")

"""The manual pages, made of the parsers of the command line and the docstrings of the settings.

`python packaging/debian/manual.py FOLDER` writes amanuensis(1), a page for each command, amanuensis-listen(1) among
them, and amanuensis(5) there, with the date of SOURCE_DATE_EPOCH.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import time
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from pathlib import Path

from roff import bold, entry, exact, italic, line, prose, quoted, wrapped

from amanuensis.daemon.config import Config
from amanuensis.daemon.main import COMMANDS, build_parser, load
from amanuensis.daemon.settings_reference import sections

FILES = [
    ("/etc/amanuensis/config.toml", "Settings of the machine, see `amanuensis`(5)."),
    ("$XDG_CONFIG_HOME/amanuensis/config.toml", "Settings of a person; they win over the machine's."),
    ("$XDG_DATA_HOME/amanuensis/models", "Models; /var/lib/amanuensis/models for the machine's service."),
    ("$XDG_STATE_HOME/amanuensis", "Recordings; /var/lib/amanuensis for the machine's service."),
]
HELP = "say what a command does, with examples; every command and subcommand has it."
STATUS = "0: done; 1: failed, one line on standard error says why; 2: the command line is wrong."
LAYERS = """\
Nothing has to be configured. Settings come from four layers, a later one wins: `/etc/amanuensis/config.toml`, then \
`$XDG_CONFIG_HOME/amanuensis/config.toml`, then variables of the environment, then flags. The files are TOML. \
The variable of a key is `AMANUENSIS_` with section and key in capitals, joined by underscores: \
`AMANUENSIS_STREAM_ENDPOINT_SILENCE_MS` is silence_ms in [stream.endpoint]. Lists in variables are separated by commas.

`amanuensis serve --check` prints every value with the layer that gave it. An unknown key, or a value that is not \
allowed, is refused in one line that says what is."""
DASH = r"\-"  # between name and purpose, as apropos(1) reads them
Pages = dict[str, str]


def pages(date: str) -> Pages:
    """Return every page by the name of its file.

    Args:
        date: of all pages, as 2026-11-29.

    """
    names = [f"amanuensis-{name}" for name in COMMANDS]
    found = {"amanuensis.1": overview(date, names), "amanuensis.5": configuration(date)}
    for name, about in COMMANDS.items():
        parser = subcommands(build_parser(name, load(name)))[name]
        found[f"amanuensis-{name}.1"] = command(date, name, about, parser)
    return found


def page(date: str, name: str, section: int, about: str, parts: Iterable[tuple[str, str]]) -> str:
    """Return a page: its head, then the sections that have a text."""
    release = quoted(f"Amanuensis {version('amanuensis')}")
    head = f'.TH {quoted(exact(name.upper()))} {section} {date} {release} "Amanuensis"'
    start = f"{head}\n.SH NAME\n{wrapped(f'{exact(name)} {DASH} {exact(about)}')}\n"
    return start + "".join(f".SH {quoted(title)}\n{text}\n" for title, text in parts if text)


def overview(date: str, names: list[str]) -> str:
    """Return amanuensis(1)."""
    parser = build_parser(None, None)
    examples, notes = split(parser.epilog)
    listed = [entry(f"{bold(f'amanuensis-{name}')}(1)", sentence(about)) for name, about in COMMANDS.items()]
    return page(
        date,
        "amanuensis",
        1,
        "live captions on this machine",
        [
            ("SYNOPSIS", f"{bold('amanuensis')} [{bold('--version')}] {italic('COMMAND')} ..."),
            ("DESCRIPTION", paragraphs([parser.description or "", *notes])),
            ("COMMANDS", "\n".join(listed)),
            ("OPTIONS", "\n".join([entry(bold("--help"), HELP), *options(parser._actions, parser)])),
            ("EXIT STATUS", prose(STATUS)),
            ("FILES", "\n".join(entry(bold(path), text) for path, text in FILES)),
            ("EXAMPLES", examples),
            ("SEE ALSO", references([(name, 1) for name in names] + [("amanuensis", 5)])),
        ],
    )


def command(date: str, name: str, about: str, parser: argparse.ArgumentParser) -> str:
    """Return the page of a command and its subcommands."""
    examples, notes = split(parser.epilog)
    short = [f"\n.PP\n{bold('amanuensis-listen')} [{italic('options')}]"] if name == "listen" else []
    return page(
        date,
        f"amanuensis-{name}",
        1,
        about,
        [
            ("SYNOPSIS", synopsis(parser) + "".join(short)),
            ("DESCRIPTION", paragraphs([parser.description or sentence(about), *notes])),
            ("SUBCOMMANDS", "\n".join(subcommand(sub, text) for sub, text in described(parser))),
            ("OPTIONS", "\n".join(groups(parser))),
            ("EXIT STATUS", prose(STATUS)),
            ("EXAMPLES", examples),
            ("SEE ALSO", references([("amanuensis", 1), ("amanuensis", 5)])),
        ],
    )


def subcommand(parser: argparse.ArgumentParser, about: str) -> str:
    """Return the part of a page that tells of one subcommand."""
    examples, notes = split(parser.epilog)
    text = paragraphs([sentence(parser.description or about), *notes])
    parts = [f".SS {quoted(exact(parser.prog))}", text, *groups(parser, nested=True)]
    shown = [".PP", "Example:", *([] if examples.startswith(".TP") else [".PP"]), examples] if examples else []
    return "\n".join([*parts, *shown])


def configuration(date: str) -> str:
    """Return amanuensis(5)."""
    parts = [("SYNOPSIS", bold(FILES[0][0])), ("DESCRIPTION", paragraphs(LAYERS.split("\n\n")))]
    for name, settings in sections(Config):
        keys = (entry(f"{bold(s.key)} ({plain(s.kind)}; {plain(s.default)})", s.meaning) for s in settings)
        parts.append((f"[{name}]".upper(), prose(f"Section `[{name}]`:") + "\n" + "\n".join(keys)))
    parts.append(("SEE ALSO", references([("amanuensis", 1), ("amanuensis-serve", 1)])))
    return page(date, "amanuensis", 5, "the settings of amanuensis", parts)


def synopsis(parser: argparse.ArgumentParser) -> str:
    """Return how a command is called: each subcommand on a line of its own where there are some."""
    found = [sub for sub, _ in described(parser)] or [parser]
    return "\n.PP\n".join(usage(one) for one in found)


def usage(parser: argparse.ArgumentParser) -> str:
    """Return the words of `usage:`, the program bold."""
    words = " ".join(parser.format_usage().split()).removeprefix(f"usage: {parser.prog}").replace("[-h]", "").strip()
    return f"{bold(parser.prog)} {prose(words)}".strip()


def groups(parser: argparse.ArgumentParser, *, nested: bool = False) -> Iterator[str]:
    """Yield the options by their groups, those with a title of ours under it."""
    for group in parser._action_groups:
        found = list(options(group._group_actions, parser))
        if found and group.title not in ("options", "positional arguments"):
            yield f".PP\n{prose(f'{group.title}:')}" if nested else f".SS {quoted(exact(group.title or ''))}"
        yield from found


def options(actions: Iterable[argparse.Action], parser: argparse.ArgumentParser) -> Iterator[str]:
    """Yield an entry for each option and argument that is described; everything has `--help`."""
    formatter = parser._get_formatter()
    for action in actions:
        if action.help not in (None, argparse.SUPPRESS) and action.nargs != argparse.PARSER and action.dest != "help":
            yield entry(invocation(action), sentence(formatter._expand_help(action)))


def invocation(action: argparse.Action) -> str:
    """Return an option with its names and value, or the name of an argument."""
    if not action.option_strings:
        return italic(str(action.metavar or action.dest))
    names = ", ".join(bold(name) for name in action.option_strings)
    if action.nargs == 0:
        return names
    choices = "{" + ",".join(map(str, action.choices)) + "}" if action.choices is not None else action.dest.upper()
    return f"{names} {italic(str(action.metavar or choices))}"


def subcommands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """Return the parsers below a parser, by name."""
    found = (action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    return {name: sub for action in found for name, sub in action.choices.items()}


def described(parser: argparse.ArgumentParser) -> list[tuple[argparse.ArgumentParser, str]]:
    """Return the parsers below a parser, each with its line in the list."""
    lines = {
        choice.dest: choice.help or ""
        for action in parser._actions
        if isinstance(action, argparse._SubParsersAction)
        for choice in action._choices_actions
    }
    return [(sub, lines.get(name, "")) for name, sub in subcommands(parser).items()]


def split(epilog: str | None) -> tuple[str, list[str]]:
    """Return the examples of an epilog, laid out, and the paragraphs beside them."""
    blocks = re.split(r"\n\s*\n", (epilog or "").strip())
    shown = [block.partition("\n")[2] for block in blocks if re.match(r"examples?:\n", block)]
    rows = [row.removeprefix("  ") for block in shown for row in block.splitlines()]
    notes = [block for block in blocks if block and not re.match(r"examples?:\n", block)]
    return "\n".join(map(example, rows)).removeprefix(".PP\n"), [" ".join(note.split()) for note in notes]


def example(row: str) -> str:
    """Return an example, and below it what it is for."""
    typed, *meaning = re.split(r" {2,}", row, maxsplit=1)
    return entry(bold(typed), sentence(meaning[0])) if meaning else f".PP\n{line(bold(typed))}"


def paragraphs(texts: Iterable[str]) -> str:
    """Return paragraphs."""
    return "\n.PP\n".join(prose(text) for text in texts if text)


def plain(text: str) -> str:
    """Return a short text without the marks of what is typed."""
    return exact(text.replace("`", ""))


def sentence(text: str) -> str:
    """Return a text that ends as sentences do."""
    return text if text.endswith((".", ":", "?", "!")) else f"{text}."


def references(names: list[tuple[str, int]]) -> str:
    """Return the names of other pages."""
    return ",\n".join(f"{bold(name)}({section})" for name, section in names)


def main() -> None:
    """Write the pages."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    os.environ["COLUMNS"] = "1000"  # usage on one line
    date = time.strftime("%Y-%m-%d", time.gmtime(int(os.environ.get("SOURCE_DATE_EPOCH", time.time()))))
    for name, text in pages(date).items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()

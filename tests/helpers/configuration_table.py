"""The tables of docs/config.md, made from the dataclasses of the configuration.

`.venv/bin/python -m tests.helpers.configuration_table` writes them into the document.
"""

from __future__ import annotations

from pathlib import Path

from amanuensis.daemon.config import Config
from amanuensis.daemon.settings_reference import Setting, sections

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "config.md"
BEGIN, END = "<!-- tables: python -m tests.helpers.configuration_table -->", "<!-- end of tables -->"


def tables() -> str:
    """Return one table for each section, in the order of `amanuensis serve --check`."""
    return "\n".join(line for name, settings in sections(Config) for line in table(name, settings))


def table(name: str, settings: list[Setting]) -> list[str]:
    """Return the lines of a section."""
    head = [f"### `[{name}]`", "", "| key | default | unit or kind | meaning |", "|---|---|---|---|"]
    rows = [f"| `{s.key}` | {s.default} | {s.kind} | {cell(s.meaning)} |" for s in settings]
    return [*head, *rows, ""]


def cell(meaning: str) -> str:
    """Return a meaning as one cell of a table."""
    return meaning.replace("|", "\\|")


def main() -> None:
    """Write the tables into the document."""
    head, _, rest = DOCUMENT.read_text(encoding="utf-8").partition(BEGIN)
    DOCUMENT.write_text(f"{head}{BEGIN}\n\n{tables()}\n{END}{rest.partition(END)[2]}", encoding="utf-8")


if __name__ == "__main__":
    main()

"""What was said as a table and as Markdown."""

from __future__ import annotations

import csv

from amanuensis.daemon.documents import Row, markdown, paragraphs, table


def test_turns_are_paragraphs_and_unknown_speakers_are_not_joined() -> None:
    """The same speaker goes on in one paragraph; without a name each row has its own."""
    rows = [Row(0, 1, "good", "Ann"), Row(61_000, 62_000, "day", "Ann"), Row(3_600_000, 1, "yes", "Bob")]
    assert paragraphs(rows) == ["**Ann** (0:00:00): good day", "**Bob** (1:00:00): yes"]
    assert paragraphs([Row(0, 1, "good"), Row(1000, 2000, "day")]) == ["(0:00:00) good", "(0:00:01) day"]


def test_text_is_no_markup() -> None:
    """Signs of Markdown are escaped, and a text is one line."""
    assert markdown("# a *b*\n<c> &lt; ~~d~~") == r"\# a \*b\* \<c\> \&lt; \~\~d\~\~"


def test_a_table_is_in_order_and_computes_nothing() -> None:
    """By time; quotes, line ends and formulas come back as text."""
    rows = [Row(2000, 3000, "=2+2", "@Bob", "them"), Row(999.6, 1000, 'she said "so,\nso"')]
    read = list(csv.DictReader(table(rows).splitlines(keepends=True)))
    assert [row["from_ms"] for row in read] == ["1000", "2000"]
    assert read[0]["text"] == 'she said "so,\nso"'
    assert (read[1]["speaker"], read[1]["text"], read[1]["kind"]) == ("'@Bob", "'=2+2", "said")

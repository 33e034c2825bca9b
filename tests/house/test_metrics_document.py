"""The document of the metrics says what the program counts."""

from __future__ import annotations

import re

from tests.helpers.metrics_table import BEGIN, DOCUMENT, END, sample_metrics, table

TEXT = DOCUMENT.read_text(encoding="utf-8")


def test_table_is_that_of_the_program() -> None:
    """Every name stands in the document with its kind, labels and meaning (see tests/helpers/metrics_table.py)."""
    written = TEXT.partition(BEGIN)[2].partition(END)[0]
    assert written.strip() == table().strip()


def test_names_in_alerts_exist() -> None:
    """Every name that an example of the document uses is one of the program's."""
    known = {sample.name for family in sample_metrics().registry.collect() for sample in family.samples}
    used = set(re.findall(r"amanuensis_[a-z_]+", TEXT.partition("## Alerts")[2].partition("## Health")[0]))
    assert used
    assert used <= known

"""The table of docs/metrics.md, made from what the daemon counts.

`.venv/bin/python -m tests.helpers.metrics_table` writes it into the document.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from prometheus_client.metrics import MetricWrapperBase

from amanuensis.daemon.metrics import Gauges, Metrics
from amanuensis.npu.engine.api import EngineStats, NodeStats
from amanuensis.npu.window import DeviceWork
from tests.helpers.tone_engine import ToneEngine

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "metrics.md"
BEGIN, END = "<!-- table: python -m tests.helpers.metrics_table -->", "<!-- end of table -->"
STANDARD = "amanuensis_process_"  # of prometheus_client: one row for all


def sample_metrics() -> Metrics:
    """Return metrics in which every family has a sample of each of its labels."""
    metrics = Metrics()
    for counter in vars(metrics).values():
        if isinstance(counter, MetricWrapperBase) and counter._labelnames:
            counter.labels(*counter._labelnames)
    work = {"npu": DeviceWork(1, 1, 1, 1.0, "measured")}
    counts = {"cpu": 1}
    nodes = {"a": NodeStats(counts, counts, 0, 0.0, True, 1.0)}
    changes = {"encodes": counts, "decodes": counts, "work": work, "fallbacks": counts, "nodes": nodes}
    stats: EngineStats = replace(ToneEngine().stats(), **changes)
    gauges = Gauges(0, 0, 0, 0.0, 0.0, kept_bytes={"spool": 1})
    metrics.watch_engine(lambda: ToneEngine().info, lambda: stats, lambda: gauges)
    return metrics


def table() -> str:
    """Return a row for each name, as it stands in /metrics."""
    rows = ["| name | kind | labels | what it measures |", "|---|---|---|---|"]
    for family in sorted(sample_metrics().registry.collect(), key=lambda family: family.name):
        if family.name.startswith(STANDARD):
            continue
        name = f"{family.name}_total" if family.type == "counter" else family.name
        labels = sorted({label for sample in family.samples for label in sample.labels} - {"le"})
        rows.append(f"| `{name}` | {family.type} | {', '.join(f'`{it}`' for it in labels)} | {family.documentation} |")
    return "\n".join(rows)


def main() -> None:
    """Write the table into the document."""
    head, _, rest = DOCUMENT.read_text(encoding="utf-8").partition(BEGIN)
    DOCUMENT.write_text(f"{head}{BEGIN}\n\n{table()}\n\n{END}{rest.partition(END)[2]}", encoding="utf-8")


if __name__ == "__main__":
    main()

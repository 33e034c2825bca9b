"""What the daemon counts, for `GET /metrics` in the text format of Prometheus.

Names say what is measured. The registry is the daemon's own, so that two daemons in one process do not mix.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from amanuensis.npu.engine.api import EngineInfo, EngineStats

TICK_BUCKETS_S: Final = (0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 5.0, 10.0)  # around the 0.5 s tick


@dataclass(frozen=True, slots=True)
class Gauges:
    """What stands now."""

    sessions: int
    ended_sessions: int
    clients: int
    lag_ms: float  # of the session that is furthest behind
    backlog_ms: float  # undecoded audio of all sessions


class Metrics:
    """The counters of one daemon."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry(auto_describe=True)
        self.sessions = self._counter("sessions", "Sessions opened")
        self.audio_s = self._counter("audio_seconds", "Audio received")
        self.gap_s = self._counter("gap_seconds", "Audio that was not transcribed")
        self.fates_s = self._counter("ended_audio_seconds", "Audio of ended sessions, by what became of it", "fate")
        self.words = self._counter("words", "Words committed")
        self.events = self._counter("events", "Events by type, counted once a session", "type")
        self.warnings = self._counter("warnings", "Warnings told to sessions, by code", "code")
        self.refused = self._counter("refused", "Messages, connections and requests refused, by code", "code")
        self.slow_clients = self._counter("slow_clients", "Clients closed because they did not read")
        self.overtaken = self._counter("events_overtaken", "Partials, stats and acks replaced before they were sent")
        self.tick_s = Histogram(
            "amanuensis_tick_seconds",
            "From the submission of a window to its answer",
            buckets=TICK_BUCKETS_S,
            registry=self.registry,
        )

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"amanuensis_{name}", text, labels, registry=self.registry)

    def watch_engine(self, info: EngineInfo, stats: Callable[[], EngineStats], gauges: Callable[[], Gauges]) -> None:
        """Have the engine's counters and the daemon's gauges read at every scrape."""
        self.registry.register(_Live(info, stats, gauges))

    def render(self) -> bytes:
        """Return everything in the text format."""
        return generate_latest(self.registry)


class _Live(Collector):
    def __init__(self, info: EngineInfo, stats: Callable[[], EngineStats], gauges: Callable[[], Gauges]) -> None:
        self._info, self._stats, self._gauges = info, stats, gauges

    def collect(self) -> Iterable[Metric]:
        stats, now, info = self._stats(), self._gauges(), self._info
        labels = ["model", "encoder", "decoder", "precision", "architecture", "hardware"]
        engine = GaugeMetricFamily("amanuensis_engine_info", "What runs and where", labels=labels)
        engine.add_metric([getattr(info, label) for label in labels], 1)
        yield engine
        for name, text, counts in (
            ("encodes", "Windows encoded, by the device that did it", stats.encodes),
            ("decodes", "Windows decoded, by the device that did it", stats.decodes),
        ):
            family = CounterMetricFamily(f"amanuensis_engine_{name}", text, labels=["device"])
            for device, count in counts.items():
                family.add_metric([device], count)
            yield family
        yield from _device_work(stats)
        for name, text, value in (
            ("restarts", "Engine processes restarted", stats.restarts),
            ("superseded", "Windows replaced by newer ones", stats.superseded),
            ("busy_seconds", "Time in which the engine worked", stats.busy_s),
        ):
            yield CounterMetricFamily(f"amanuensis_engine_{name}", text, value=value)
        for name, text, value in (
            ("engine_up", "1 while the engine works or is being restarted, 0 when it is lost", float(not stats.lost)),
            (
                "engine_fallen_back",
                "1 while the CPU takes the place of a device that failed",
                float(bool(stats.fallback)),
            ),
            (
                "engine_operators_on_host",
                "1 while the CPU computes operators that the device computes wrongly",
                float(bool(stats.on_host)),
            ),
            ("device_busy_share", "Share of the time in which the NPU worked (modelled for sim)", stats.device_share),
            ("engine_queued", "Windows waiting for the engine", float(stats.queued)),
            ("open_sessions", "Sessions open now", now.sessions),
            ("ended_sessions", "Ended sessions that can be exported", now.ended_sessions),
            ("clients", "Connections open now", now.clients),
            ("lag_seconds", "How far the slowest session's text is behind its audio", now.lag_ms / 1000),
            ("backlog_seconds", "Undecoded audio of all sessions", now.backlog_ms / 1000),
        ):
            yield GaugeMetricFamily(f"amanuensis_{name}", text, value=value)


def _device_work(stats: EngineStats) -> Iterable[Metric]:
    """Return what devices other than the CPU were given and did, and what failed."""
    dispatches = CounterMetricFamily(
        "amanuensis_device_dispatches", "Command streams run by a device", labels=["device"]
    )
    moved = CounterMetricFamily(
        "amanuensis_device_bytes", "Bytes synchronised with a device", labels=["device", "direction"]
    )
    seconds = CounterMetricFamily(
        "amanuensis_device_seconds", "Time in which a device worked, measured or modelled", labels=["device", "timing"]
    )
    fallbacks = CounterMetricFamily(
        "amanuensis_engine_fallbacks", "Windows done by the CPU because the device failed", labels=["kind"]
    )
    for device, work in stats.work.items():
        dispatches.add_metric([device], work.dispatches)
        moved.add_metric([device, "to_device"], work.bytes_to_device)
        moved.add_metric([device, "from_device"], work.bytes_from_device)
        seconds.add_metric([device, work.timing], work.device_us / 1e6)
    for kind, count in stats.fallbacks.items():
        fallbacks.add_metric([kind], count)
    yield from (dispatches, moved, seconds, fallbacks)

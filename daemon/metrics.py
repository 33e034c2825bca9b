"""What the daemon counts, for `GET /metrics` in the text format of Prometheus.

Names say what is measured. The registry is the daemon's own, so that two daemons in one process do not mix.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from amanuensis.npu.engine.api import EngineInfo, EngineStats

TICK_BUCKETS_S: Final = (0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 5.0, 10.0)  # around the 0.5 s tick
LATENCY_BUCKETS_S: Final = (0.1, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 2.5, 3.0, 4.0, 6.0, 10.0, 30.0)
FATES: Final = ("transcribed", "silence", "gap")
KEPT_NO_MORE: Final = ("recording_stopped", "spool_stopped")  # warnings to be alerted of: there from the start


@dataclass(frozen=True, slots=True)
class Gauges:
    """What stands now."""

    sessions: int
    ended_sessions: int
    clients: int
    lag_ms: float  # of the session that is furthest behind
    backlog_ms: float  # undecoded audio of all sessions
    detached: int = 0  # sessions that wait for their speaker
    client_queue: int = 0  # events that wait for the client that is furthest behind
    unsettled_s: float = 0.0  # audio that has no fate yet
    connections: int = 0  # of every kind
    strangers: int = 0  # of those, the ones that have not shown yet that they may come in
    tasks: int = 0  # of the event loop
    load: float = 0.0  # engine seconds a second that all sessions need
    kept_bytes: Mapping[str, int] = field(default_factory=dict)  # by folder: spool, recordings


class Metrics:
    """The counters of one daemon.

    Args:
        clock: seconds, for how long something took.

    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.registry = CollectorRegistry(auto_describe=True)
        self.sessions = self._counter("sessions", "Sessions opened")
        self.recovered = self._counter("sessions_recovered", "Sessions taken up again that another process has left")
        self.audio_s = self._counter("audio_seconds", "Audio received")
        self.gap_s = self._counter("gap_seconds", "Audio that was not transcribed")
        self.fates_s = self._counter("ledger_seconds", "Audio by what became of it", "fate")
        self.empty_s = self._counter("empty_speech_seconds", "Audio taken for speech in which no words were found")
        self.words = self._counter("words", "Words committed")
        self.events = self._counter("events", "Events by type, counted once a session", "type")
        self.warnings = self._counter("warnings", "Warnings told to sessions, by code", "code")
        self.refused = self._counter("refused", "Messages, connections and requests refused, by code", "code")
        self.held_back_s = self._counter("held_back_seconds", "Time in which clients that sent too fast were not read")
        self.slow_clients = self._counter("slow_clients", "Clients closed because they did not read")
        self.files = self._counter("files", "Files heard whole over REST")
        self.file_s = self._counter("file_seconds", "Audio of files heard whole over REST")
        self.embeddings = self._counter(
            "speaker_embeddings", "Vectors of voices, by the device that computed their network", "device"
        )
        self.overtaken = self._counter("events_overtaken", "Partials, stats and acks replaced before they were sent")
        self.tick_s = self._histogram("tick", "From the submission of a window to its answer", TICK_BUCKETS_S)
        self.commit_s = self._histogram("commit_latency", "From the arrival of a word's last sound to its commit")
        self.final_s = self._histogram("final_latency", "From the arrival of an utterance's last sound to its final")
        for fate in FATES:
            self.fates_s.labels(fate)
        for code in KEPT_NO_MORE:
            self.warnings.labels(code)
        ProcessCollector(namespace="amanuensis", registry=self.registry)

    def _histogram(self, name: str, text: str, buckets_s: tuple[float, ...] = LATENCY_BUCKETS_S) -> Histogram:
        return Histogram(f"amanuensis_{name}_seconds", text, buckets=buckets_s, registry=self.registry)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"amanuensis_{name}", text, labels, registry=self.registry)

    def watch_engine(
        self, info: Callable[[], EngineInfo], stats: Callable[[], EngineStats], gauges: Callable[[], Gauges]
    ) -> None:
        """Have the engine's counters and the daemon's gauges read at every scrape."""
        self.registry.register(_Live(info, stats, gauges))

    def render(self) -> bytes:
        """Return everything in the text format."""
        return generate_latest(self.registry)


class _Live(Collector):
    def __init__(
        self, info: Callable[[], EngineInfo], stats: Callable[[], EngineStats], gauges: Callable[[], Gauges]
    ) -> None:
        self._info, self._stats, self._gauges = info, stats, gauges

    def collect(self) -> Iterable[Metric]:
        stats, now, info = self._stats(), self._gauges(), self._info()
        build = GaugeMetricFamily("amanuensis_build_info", "Which version this is", labels=["version"])
        build.add_metric([version("amanuensis")], 1)
        yield build
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
        yield from _nodes(stats)
        for name, text, value in (
            ("restarts", "Engine processes restarted", stats.restarts),
            ("superseded", "Windows replaced by newer ones", stats.superseded),
            ("poison_windows", "Windows given up because the engine died at them", stats.poisoned),
            ("busy_seconds", "Time in which the engine worked", stats.busy_s),
        ):
            yield CounterMetricFamily(f"amanuensis_engine_{name}", text, value=value)
        for name, text, value in (
            ("engine_up", "1 while a process takes windows", float(not stats.lost and not stats.down_s)),
            ("engine_down_seconds", "For so long no engine process takes windows, 0 while one does", stats.down_s),
            ("engine_progress_age_seconds", "Since the engine was last seen to come on", stats.progress_age_s),
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
            ("detached_sessions", "Sessions that wait for their speaker to come back", now.detached),
            ("clients", "Clients of sessions now", now.clients),
            ("connections", "Connections open now, of every kind", now.connections),
            ("tasks", "Tasks of the daemon's event loop now", now.tasks),
            ("strangers", "Connections that have not shown yet that they may come in", now.strangers),
            ("client_queue_events", "Events that wait for the client that is furthest behind", now.client_queue),
            ("engine_load", "Engine seconds a second that the open sessions need, for admission", now.load),
            ("unsettled_seconds", "Audio of open sessions that has no fate yet", now.unsettled_s),
            ("lag_seconds", "How far the slowest session's text is behind its audio", now.lag_ms / 1000),
            ("backlog_seconds", "Undecoded audio of all sessions", now.backlog_ms / 1000),
        ):
            yield GaugeMetricFamily(f"amanuensis_{name}", text, value=value)
        kept = GaugeMetricFamily("amanuensis_kept_bytes", "What the folders of sessions hold", labels=["folder"])
        for folder, n_bytes in now.kept_bytes.items():
            kept.add_metric([folder], n_bytes)
        yield kept


def _nodes(stats: EngineStats) -> Iterable[Metric]:
    """Return what each machine did where the engine runs on several; the families are there without samples else."""
    encodes = CounterMetricFamily(
        "amanuensis_node_encodes", "Windows encoded, by node of the cluster and device", labels=["node", "device"]
    )
    decodes = CounterMetricFamily(
        "amanuensis_node_decodes", "Windows decoded, by node of the cluster and device", labels=["node", "device"]
    )
    restarts = CounterMetricFamily(
        "amanuensis_node_restarts", "Engines and hosts restarted, by node of the cluster", labels=["node"]
    )
    busy = CounterMetricFamily(
        "amanuensis_node_busy_seconds", "Time in which a node of the cluster worked for this daemon", labels=["node"]
    )
    up = GaugeMetricFamily("amanuensis_node_up", "1 while a node of the cluster takes windows", labels=["node"])
    capacity = GaugeMetricFamily(
        "amanuensis_node_capacity_streams", "Streams that a node of the cluster carries, as measured", labels=["node"]
    )
    for name, node in stats.nodes.items():
        for family, counts in ((encodes, node.encodes), (decodes, node.decodes)):
            for device, count in counts.items():
                family.add_metric([name, device], count)
        restarts.add_metric([name], node.restarts)
        busy.add_metric([name], node.busy_s)
        up.add_metric([name], float(node.up))
        capacity.add_metric([name], node.capacity)
    yield from (encodes, decodes, restarts, busy, up, capacity)


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

"""What the daemon counts."""

from __future__ import annotations

from dataclasses import replace

from prometheus_client.parser import text_string_to_metric_families

from amanuensis.daemon.metrics import Gauges, Metrics
from amanuensis.npu.engine.api import EngineStats
from amanuensis.npu.window import DeviceWork
from tests.helpers.tone_engine import INFO


def test_metrics_say_where_windows_really_ran() -> None:
    """Encodes and decodes are counted by the device that did them, beside what stands now."""
    metrics = Metrics()
    info = replace(INFO, encoder="npu", hardware="NPU Phoenix", architecture="npu1")
    work = {"npu": DeviceWork(40, 5000, 600, 2_500_000.0, "measured")}
    stats = EngineStats({"npu": 5, "cpu": 2}, {"cpu": 7}, 1, 3, 4, 2.5, "", work, 0.25, {"timeout": 2}, "it hung")
    stats = replace(stats, poisoned=3, progress_age_s=0.5)
    metrics.watch_engine(lambda: info, lambda: stats, lambda: Gauges(1, 2, 3, 1500.0, 250.0))
    metrics.words.inc(9)
    metrics.refused.labels("full").inc()
    samples = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(metrics.render().decode())
        for sample in family.samples
    }
    assert samples["amanuensis_engine_encodes_total", "npu"] == 5
    assert samples["amanuensis_engine_encodes_total", "cpu"] == 2
    assert samples["amanuensis_engine_decodes_total", "cpu"] == 7
    assert samples["amanuensis_engine_info", "npu1", "cpu", "npu", "NPU Phoenix", "tones", "float32"] == 1
    assert samples["amanuensis_device_dispatches_total", "npu"] == 40
    assert samples["amanuensis_device_bytes_total", "npu", "to_device"] == 5000
    assert samples["amanuensis_device_bytes_total", "npu", "from_device"] == 600
    assert samples["amanuensis_device_seconds_total", "npu", "measured"] == 2.5
    assert samples["amanuensis_device_busy_share",] == 0.25
    assert samples["amanuensis_engine_fallbacks_total", "timeout"] == 2
    assert samples["amanuensis_engine_fallen_back",] == 1
    assert samples["amanuensis_engine_restarts_total",] == 1
    assert samples["amanuensis_engine_up",] == 1
    assert samples["amanuensis_engine_down_seconds",] == 0
    assert samples["amanuensis_engine_progress_age_seconds",] == 0.5
    assert samples["amanuensis_engine_poison_windows_total",] == 3
    assert samples["amanuensis_lag_seconds",] == 1.5
    assert samples["amanuensis_words_total",] == 9
    assert samples["amanuensis_refused_total", "full"] == 1


def test_an_engine_that_is_down_is_not_up() -> None:
    """While no process takes windows, or none ever will, `engine_up` is 0."""
    for stats in (
        EngineStats({}, {}, 1, 0, 0, 0.0, down_s=7.5, down_why="killed by SIGKILL"),
        EngineStats({}, {}, 9, 0, 0, 0.0, lost="it died 9 times in a row"),
    ):
        metrics = Metrics()
        metrics.watch_engine(lambda: INFO, lambda stats=stats: stats, lambda: Gauges(0, 0, 0, 0.0, 0.0))  # type: ignore[misc]
        assert metrics.registry.get_sample_value("amanuensis_engine_up") == 0
        assert metrics.registry.get_sample_value("amanuensis_engine_down_seconds") == stats.down_s


def test_daemons_do_not_share_counters() -> None:
    """Two daemons in one process count for themselves."""
    first, second = Metrics(), Metrics()
    first.words.inc(3)
    assert second.registry.get_sample_value("amanuensis_words_total") == 0

"""How an engine process is watched and replaced."""

from __future__ import annotations

from dataclasses import dataclass

from amanuensis.npu.engine.limits import LEAST_S, MOST_S

LOADER = "amanuensis.npu.loading:load_model"


@dataclass(frozen=True, slots=True)
class Supervision:
    """How an engine process is watched and replaced.

    Silence is counted in beats, on the watcher's own ticks: a suspended machine or a stopped daemon is no silence.

    Attributes:
        beat_s: time between heartbeats.
        silent_beats: so many missing in a row: the process hangs.
        loading_silent_beats: the same while the model is loaded, in long calls that let no other thread run.
        loading_limit_s: a model that is not loaded after so long, or a device not cared for, will not be.
        job_limit_s: most that one window may take, before the first answer and ever.
        least_job_limit_s: least that one window is given, however quick the others were (`limits`).
        job_crashes: a window that was running in so many crashes is given up; on a device only if the CPU dies as well.
        depth: jobs at the process at once: one runs, one waits.
        restarts: in a row without an answer between them, after which the engine is lost; None: it is tried for ever.
        backoff_s: before the second restart in a row; the first comes at once, each later wait is about twice as long.
        max_backoff_s: longest of these waits.
        steady_s: a process that has served so long was no failure to start, whatever ends it.
        device_crashes: of processes on a device, without steady work between them, before the CPU takes its place.
        device_retry_s: before the device is tried again; twice as long after each failure.
        max_device_retry_s: longest of these waits.
        death_s: for a killed process to be dead; one that a driver holds is left behind.
        nice: added to the niceness of the process.
        loader: module:function(EngineConfig) -> model.

    """

    beat_s: float = 0.5
    silent_beats: int = 20
    loading_silent_beats: int = 240
    loading_limit_s: float = 900.0
    job_limit_s: float = MOST_S
    least_job_limit_s: float = LEAST_S
    job_crashes: int = 2
    depth: int = 2
    restarts: int | None = None
    backoff_s: float = 0.1
    max_backoff_s: float = 30.0
    steady_s: float = 60.0
    device_crashes: int = 3
    device_retry_s: float = 30.0
    max_device_retry_s: float = 1800.0
    death_s: float = 5.0
    nice: int = 0
    loader: str = LOADER

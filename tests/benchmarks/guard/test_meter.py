"""What Python does in a piece of the program."""

from __future__ import annotations

import numpy as np
import pytest

from amanuensis.benchmarks.guard.meter import Meter
from amanuensis.npu.log_mel import N_FFT, IncrementalLogMel, log10_mel, scale

SAMPLES = np.linspace(-1, 1, 1600, dtype=np.float32)


def metered() -> Meter:
    """A meter that looks at the log-mel front end."""
    return Meter(
        {"push": (IncrementalLogMel.push, IncrementalLogMel._append), "log10": (log10_mel,)},
        {"samples": (log10_mel, lambda arguments: len(arguments["padded"]))},
        ("len",),
    )


def test_sections_hold_what_they_call() -> None:
    """A section counts once though its functions call each other, with all that it calls; another may lie in it."""
    stream = IncrementalLogMel(80)
    stream.push(SAMPLES)  # fills the tables
    with metered() as meter:
        stream.push(SAMPLES)
        stream.push(SAMPLES)
    push, log10 = meter.sections["push"], meter.sections["log10"]
    assert (push.entered, log10.entered) == (2, 2)
    assert push.python_calls > log10.python_calls >= 2
    assert push.arrays > log10.arrays > 0
    assert push.array_bytes > log10.array_bytes >= 2 * 80 * 10 * 4


def test_amounts_come_from_arguments() -> None:
    """What a watched function was given is summed up, and C functions are counted by name."""
    with metered() as meter:
        log10_mel(SAMPLES, 80)
        log10_mel(SAMPLES[:N_FFT], 80)
        len(SAMPLES)
    assert meter.amounts["samples"] == 1600 + N_FFT
    assert meter.amounts["len"] > 1


def test_a_section_ends_with_an_exception() -> None:
    """A function that raises has been left: the next call is a new one."""
    stream = IncrementalLogMel(80)
    with Meter({"window": (IncrementalLogMel.window,)}, {}, ()) as meter:
        for _ in range(2):
            with pytest.raises(ValueError, match="frames"):
                stream.window(0, 1)
    assert meter.sections["window"].entered == 2


def test_calls_of_others_do_not_count() -> None:
    """A call counts when ours calls or is called, not when this test calls Python functions of its own."""

    def helper() -> None:
        sorted([1])

    with Meter({"scale": (scale,)}, {}, ()) as meter:
        helper()
        scale(np.zeros((2, 2), np.float32))
    assert meter.sections["scale"].python_calls <= 2

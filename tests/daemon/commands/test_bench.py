"""The front door of the measurements."""

from __future__ import annotations

import json

from amanuensis.daemon.commands.bench import MEASUREMENTS, load
from tests.helpers.daemon_process import run_command


def test_every_measurement_can_be_loaded() -> None:
    """Each name leads to a module that has flags and can be run."""
    for module, text in MEASUREMENTS.values():
        measurement = load(module)
        assert callable(measurement.add_arguments)
        assert callable(measurement.run)
        assert text


def test_a_measurement_prints_one_json_object_with_its_header() -> None:
    """With --json a program gets the figures, and what was measured where."""
    done = run_command("bench", "log-mel", "--rounds", "1", "--json")
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    assert figures["incremental_ms"]["median"] > 0
    assert figures["header"]["command"] == "amanuensis bench log-mel --rounds 1 --json"


def test_an_unknown_measurement_is_wrong_usage() -> None:
    """The choices are named, the status is 2."""
    done = run_command("bench", "everything")
    assert done.returncode == 2
    assert "startup" in done.stderr

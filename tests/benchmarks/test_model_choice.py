"""Which model is measured."""

from __future__ import annotations

from pathlib import Path

import pytest

from amanuensis.benchmarks.model_choice import chosen_model
from amanuensis.daemon.commands.common import UsageError
from amanuensis.npu.store import resolve


def test_names_and_folders_are_found_as_everywhere() -> None:
    """The built-in model by name and by its folder."""
    assert chosen_model("builtin") == resolve("builtin")
    assert chosen_model(str(resolve("builtin"))) == resolve("builtin")


def test_a_size_that_there_is_not_is_refused_with_those_there_are() -> None:
    """One line names the value and what is allowed."""
    with pytest.raises(UsageError, match=r"widened-large.*widened-base, widened-small"):
        chosen_model("widened-large")


def test_a_widened_model_is_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is kept in the user's cache under its size."""
    made = tmp_path / "widened"
    monkeypatch.setattr("amanuensis.benchmarks.model_choice.widened_folder", lambda size: made / size)
    assert chosen_model("widened-base") == made / "base"

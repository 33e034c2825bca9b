"""The built-in folder in the loaders of others: the same text in float32, padded to 30 s."""

from __future__ import annotations

from pathlib import Path

import pytest

from amanuensis.npu import store
from amanuensis.npu.store import StoreError
from amanuensis.training.evaluation.decoding import Recogniser
from amanuensis.training.evaluation.loaders import LOADERS, disagreements
from amanuensis.training.evaluation.measure import at_most
from amanuensis.training.evaluation.sets import synthetic

OF_A_SET = 20


def test_same_text_as_others(repository: Path, tmp_path: Path) -> None:
    """Others, transformers and faster-whisper, give the same text for every bundled clip of narrow speech."""
    folder = tmp_path / "builtin"
    try:
        store.export_model("builtin", folder)
    except StoreError as error:
        pytest.skip(f"no built-in model here: {error}")
    clips = at_most(synthetic(repository / "tests" / "data" / "synthetic"), OF_A_SET)
    sounds = [clip.sound for clip in clips if clip.set.startswith("narrow")]
    assert len(sounds) >= 20
    ours = Recogniser.load(folder, "float32", 1).texts(sounds, padded=True)
    assert disagreements(ours, folder, sounds) == {name: [] for name in LOADERS}

"""Fixtures that every part's tests share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from amanuensis.npu import store

ROOT = Path(__file__).resolve().parents[1]
TEST_VARIABLES = ("AMANUENSIS_SPEECH_DIR", "AMANUENSIS_BUILTIN", "AMANUENSIS_TREE")
XDG_FOLDERS = ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR", "XDG_STATE_HOME")

settings.register_profile("house", deadline=None)  # how long an example takes is the machine's affair
settings.load_profile("house")


@pytest.fixture(scope="session", autouse=True)
def own_folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep the tests out of the user's folders and settings, and the user's settings out of the tests."""
    home = tmp_path_factory.mktemp("xdg")
    with pytest.MonkeyPatch.context() as patch:
        for name in os.environ:
            if name.startswith("AMANUENSIS_") and name not in TEST_VARIABLES:
                patch.delenv(name)
        for name in XDG_FOLDERS:
            folder = home / name.lower()
            folder.mkdir(mode=0o700)
            patch.setenv(name, str(folder))
        yield


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the checkout."""
    return ROOT


@pytest.fixture(scope="session")
def speech_dir() -> Path:
    """Recorded speech with its `manifest.jsonl`, for tests only; skips by name where there is none."""
    value = os.environ.get("AMANUENSIS_SPEECH_DIR")
    if not value:
        pytest.skip("AMANUENSIS_SPEECH_DIR is not set: no recorded speech to test with")
    folder = Path(value)
    if not (folder / "manifest.jsonl").is_file():
        pytest.fail(f"AMANUENSIS_SPEECH_DIR={value} has no manifest.jsonl; unset it or name a folder that has one")
    return folder


@pytest.fixture(scope="session")
def builtin_model(own_folders: None) -> Path:
    """The built-in model, expanded (or the folder in AMANUENSIS_BUILTIN); skips by name where it is not packaged."""
    try:
        return store.builtin_folder()
    except store.StoreError as error:
        pytest.skip(str(error))

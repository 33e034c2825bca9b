"""Which model transcribes a meeting again: one of those on this machine, by a name that every process understands."""

from __future__ import annotations

from pathlib import Path

from amanuensis.npu import store


def chosen_model(name: str | None) -> str:
    """Return the name of an installed model, or the absolute path of a folder; None: the best that there is.

    Raises:
        amanuensis.npu.engine.api.EngineError: there is no such model.

    """
    folder = store.resolve(name)
    if name is None:
        return folder.name if folder.parent == store.models_folder() else store.BUILTIN
    return str(Path(folder).absolute()) if "/" in name else name


def model_names() -> list[str]:
    """Return the names of the models that can be used here."""
    return [info.name for info in store.list_models() if not info.problem]

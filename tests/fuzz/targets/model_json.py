"""The JSON files of a model folder with keys changed: the first byte says which file, the rest is an object."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final

from amanuensis.npu.engine.api import EngineError
from tests.fuzz.target import Target, check_line
from tests.fuzz.targets.model_folder import load_model, whole_folder

FILES: Final = ("config.json", "generation_config.json", "amanuensis.json", "tokenizer.json")
OPTIONAL: Final[dict[str, object]] = {  # keys that the small folder does not have
    "lang_to_id": {"<|en|>": 7, "<|de|>": 8},
    "is_multilingual": True,
    "alignment_heads": [[0, 0]],
    "max_initial_timestamp_index": 50,
    "suppress_tokens": [1, 2],
    "begin_suppress_tokens": [3],
    "tie_word_embeddings": False,
    "audio_context": "free",
    "window_s": 12.5,
    "name": "m",
    "added_tokens": [{"id": 5, "content": "<|en|>", "special": True}],
}


def seeds() -> list[bytes]:
    """Return each key of each file alone."""
    found: list[bytes] = []
    for k, name in enumerate(FILES):
        path = whole_folder() / name
        values = json.loads(path.read_text()) if path.exists() else {}
        pairs = [json.dumps({key: value}) for key, value in (OPTIONAL | values).items()]
        found += [bytes([k]) + pair.encode() for pair in pairs if len(pair) < MAX_BYTES]
    return found


def prepare(folder: Path) -> Callable[[bytes], None]:
    """Return what loads a folder with keys of one file changed."""
    model = folder / "model"
    shutil.copytree(whole_folder(), model)

    def read(data: bytes) -> None:
        path = model / FILES[(data[0] if data else 0) % len(FILES)]
        before = path.read_bytes() if path.exists() else None
        path.write_bytes(_changed(before or b"{}", data[1:]))
        try:
            load_model(model)
        except EngineError as error:
            check_line(error)
        finally:
            path.unlink() if before is None else path.write_bytes(before)

    return read


def _changed(before: bytes, patch: bytes) -> bytes:
    """Return a JSON object with keys changed; what is no object stands for itself."""
    try:
        return json.dumps({**json.loads(before), **json.loads(patch)}).encode()
    except (ValueError, TypeError, RecursionError):
        return patch


MAX_BYTES: Final = 300
TARGET: Final = Target(seeds, prepare, MAX_BYTES)

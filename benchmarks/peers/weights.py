"""The forms of the widened built-in model that the peers read, each made once and kept beside its folder."""

from __future__ import annotations

import base64
import gzip
import json
from pathlib import Path

import numpy as np

from amanuensis.benchmarks.peers.peer import PeerFailedError, Weights, interpreter
from amanuensis.benchmarks.peers.tiktoken_vocabulary import write_vocabulary
from amanuensis.benchmarks.widened_folder import widened_folder
from amanuensis.benchmarks.widened_forms import widened_form
from amanuensis.npu.atomic import whole_or_nothing

CONVERTER = "whisper-streaming"  # the smallest environment that has CTranslate2
LINKED = ("config.json", "model.safetensors")


def make_weights(size: str) -> Weights:
    """Return the forms of a size; CTranslate2's only where an environment that can make it is there."""
    try:
        fast: Path | None = widened_form("ctranslate2", size, interpreter(CONVERTER))
    except PeerFailedError:
        fast = None
    model = widened_folder(size)
    return Weights(model, fast, widened_form("ggml", size), english_folder(model))


def english_folder(model: Path) -> Path:
    """Return a folder for WhisperLiveKit's decoder: named `*.en`, with vocabulary and alignment heads."""
    folder = model.with_name(model.name + "-wlk.en")
    if not folder.exists():
        with whole_or_nothing(folder) as part:
            part.mkdir()
            for name in LINKED:
                (part / name).symlink_to(model / name)
            write_vocabulary(model, part)
            (part / "alignment_heads").write_text(alignment_heads(model), encoding="ascii")
    return folder


def alignment_heads(model: Path) -> str:
    """Return the alignment heads as openai/whisper writes them: a bit for each head, gzip, base 85."""
    config, generation = (json.loads((model / name).read_text()) for name in ("config.json", "generation_config.json"))
    heads = np.zeros((config["decoder_layers"], config["decoder_attention_heads"]), bool)
    for layer, head in generation["alignment_heads"]:
        heads[layer, head] = True
    return base64.b85encode(gzip.compress(heads.tobytes(), mtime=0)).decode()

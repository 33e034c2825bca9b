"""The widened built-in model as a Hugging Face folder, kept in the user's cache.

`python -m amanuensis.benchmarks.widened_folder` prints its path.

Its vocabulary is that of openai/whisper's English models: 51 864 tokens, special tokens and timestamps at their ids,
because OpenAI's reference, whisper.cpp and CTranslate2 compute those ids from the size. (The multilingual 51 865 would
make them put a language and a task before the text, which the built-in model never read.) Text tokens keep their ids;
the rest of the ids have names that no text is split into, and cannot win: `amanuensis.benchmarks.widened`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

from amanuensis.benchmarks.widened import LAST_NORM, SIZES, Size, Widened
from amanuensis.npu.archive import WEIGHTS
from amanuensis.npu.atomic import WriteError, whole_or_nothing
from amanuensis.npu.model_config import read_json
from amanuensis.npu.model_files import ModelFiles
from amanuensis.npu.store import BUILTIN, resolve
from amanuensis.npu.tokenizer import N_TIMESTAMPS

VERSION: Final = 1  # of this module's output
COPIED: Final = ("merges.txt", "preprocessor_config.json", "tokenizer_config.json", "special_tokens_map.json")
TEXT_TOKENS: Final = 50_256  # GPT-2's
N_LANGUAGES: Final = 99
AFTER_LANGUAGES: Final = ("translate", "transcribe", "startoflm", "startofprev", "nospeech", "notimestamps")


def special_names() -> list[str]:
    """Return the tokens after the text, in the order of openai/whisper's English vocabulary."""
    others = [f"<|language {k}|>" for k in range(1, N_LANGUAGES)]
    head = ["<|endoftext|>", "<|startoftranscript|>", "<|en|>", *others]
    return [*head, *(f"<|{name}|>" for name in AFTER_LANGUAGES), *(f"<|{k * 0.02:.2f}|>" for k in range(N_TIMESTAMPS))]


SPECIAL_IDS: Final = {name: TEXT_TOKENS + k for k, name in enumerate(special_names())}
VOCABULARY: Final = TEXT_TOKENS + len(SPECIAL_IDS)  # 51 864


def widened_folder(size: str = "base") -> Path:
    """Return the widened built-in model's folder, written when it is not in the user's cache yet."""
    source = ModelFiles.load(resolve(BUILTIN))
    key = hashlib.sha256(f"{source.content_hash()} {VERSION}".encode()).hexdigest()[:16]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "amanuensis"
    folder = cache / f"widened-{size}-{key}"
    if not (folder / WEIGHTS).is_file():
        _remove_older(cache.glob(f"widened-{size}-*"), folder.name)
        try:
            write_widened(source, SIZES[size], folder, f"{BUILTIN}-{size}")
        except WriteError:
            if not (folder / WEIGHTS).is_file():  # else another process was faster
                raise
    return folder


def _remove_older(paths: Iterable[Path], name: str) -> None:
    """Remove folders and their other forms but those that begin with a name."""
    for path in paths:
        if not path.name.startswith(name):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def write_widened(source: ModelFiles, size: Size, folder: Path, name: str) -> None:
    """Write a model folder, float16 as the built-in model's own but for the last layer norm, whole or not at all."""
    tokenizer = read_json(source.folder / "tokenizer.json")
    old_ids = _token_ids(tokenizer)
    token_ids = np.array([SPECIAL_IDS.get(text, old) for text, old in old_ids], np.int64)
    model = Widened(source, size, token_ids, VOCABULARY)
    with whole_or_nothing(folder) as part:
        part.mkdir()
        for file in COPIED:
            if (source.folder / file).is_file():
                shutil.copyfile(source.folder / file, part / file)
        for file, content in _json_files(source.folder, model, token_ids, name).items():
            (part / file).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        text = _texts(tokenizer)
        tokenizer["model"]["vocab"] = text
        tokenizer["added_tokens"] = list(_added_tokens())
        (part / "tokenizer.json").write_text(json.dumps(tokenizer), encoding="utf-8")
        (part / "vocab.json").write_text(json.dumps(text | {"<|endoftext|>": TEXT_TOKENS}), encoding="utf-8")
        tensors = {f"model.{name}": value.astype(_stored_type(name)) for name, value in model.tensors()}
        save_file(tensors, part / WEIGHTS, metadata={"format": "pt"})


def _stored_type(name: str) -> type[np.floating[Any]]:
    """Return float16, in which halves are exact; the last layer norm is not halved only."""
    return np.float32 if name.startswith(LAST_NORM) else np.float16


def _token_ids(tokenizer: dict[str, Any]) -> list[tuple[str, int]]:
    """Return every token's text and id, by id from 0."""
    found = {**tokenizer["model"]["vocab"], **{item["content"]: item["id"] for item in tokenizer["added_tokens"]}}
    by_id = sorted(found.items(), key=lambda item: int(item[1]))
    assert [number for _, number in by_id] == list(range(len(by_id)))
    return by_id


def _texts(tokenizer: dict[str, Any]) -> dict[str, int]:
    """Return the ids of the source's text tokens and of those that fill up."""
    own: dict[str, int] = tokenizer["model"]["vocab"]
    return own | {f"Ġpadding{k}": k for k in range(len(own), TEXT_TOKENS)}


def _added_tokens() -> Iterator[dict[str, object]]:
    plain = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    for name, token in SPECIAL_IDS.items():
        timed = token >= VOCABULARY - N_TIMESTAMPS
        yield {"id": token, "content": name, **plain, "special": not timed}


def _json_files(source: Path, model: Widened, ids: NDArray[np.int64], name: str) -> dict[str, dict[str, object]]:
    sizes = model.dimensions
    config = read_json(source / "config.json") | {
        "d_model": sizes.width,
        "encoder_layers": sizes.encoder_layers,
        "decoder_layers": sizes.decoder_layers,
        "num_hidden_layers": sizes.encoder_layers,
        "encoder_attention_heads": sizes.encoder_heads,
        "decoder_attention_heads": sizes.decoder_heads,
        "encoder_ffn_dim": sizes.encoder_ffn,
        "decoder_ffn_dim": sizes.decoder_ffn,
        "vocab_size": sizes.vocabulary,
    }
    generation = read_json(source / "generation_config.json")
    for content in (config, generation):
        for key, value in content.items():
            if key.endswith("token_id"):
                content[key] = int(ids[value])
            elif key.endswith("suppress_tokens"):
                content[key] = [int(ids[token]) for token in value]
    manifest = read_json(source / "amanuensis.json") | {"name": name}
    return {"config.json": config, "generation_config.json": generation, "amanuensis.json": manifest}


def main() -> None:
    """Write the folder where it is not there yet and print its path."""
    parser = argparse.ArgumentParser(description="Print the folder of the widened built-in model.")
    parser.add_argument("--size", choices=SIZES, default="base")
    print(widened_folder(parser.parse_args().size))


if __name__ == "__main__":
    main()

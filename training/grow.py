"""Starting from an earlier model: its weights put into a deeper one with another vocabulary.

New encoder layers begin as identities (their outputs are 0), and the embedding of a new token is the mean of those of
its pieces in the old vocabulary, so that nothing that was heard is forgotten.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import torch

from amanuensis.npu import archive
from amanuensis.training.export import load
from amanuensis.training.model import Whisper
from amanuensis.training.tokenizer import SPECIAL, TIMESTAMPS, Vocabulary


def start_from(start: Path, model: Whisper, vocabulary: Vocabulary, *, same_shape: bool = False) -> None:
    """Put the weights of the model folder or archive `start` into `model`, which has at least as many encoder layers.

    Raises:
        RuntimeError: if the two have other widths or decoder depths, or the earlier one is deeper; with `same_shape`
            also if it is less deep or has another vocabulary.

    """
    with tempfile.TemporaryDirectory() as scratch:
        folder = start
        if start.is_file():
            folder = Path(scratch) / "model"
            archive.expand(start, folder)
        old_vocabulary = Vocabulary(folder / "tokenizer.json")
        old = load(folder, old_vocabulary)
    a, b = old.dimensions, model.dimensions
    if (a.width, a.heads, a.hidden, a.decoder_layers) != (b.width, b.heads, b.hidden, b.decoder_layers):
        raise RuntimeError(f"{start}: its layers do not fit the model that is trained: {a}, {b}")
    if a.encoder_layers > b.encoder_layers:
        raise RuntimeError(f"{start}: has {a.encoder_layers} encoder layers, more than the {b.encoder_layers} trained")
    old_tokens = _pieces(vocabulary, old_vocabulary)
    if same_shape and (old_tokens or a.encoder_layers != b.encoder_layers):
        raise RuntimeError(f"{start}: has another depth or vocabulary than the model that was trained")
    state = model.state_dict()
    kept = {name: value for name, value in old.state_dict().items() if state[name].shape == value.shape}
    model.load_state_dict(kept, strict=False)
    with torch.no_grad():
        for layer in list(model.encoder.layers)[a.encoder_layers :]:
            for last in (layer.self_attn.out_proj, layer.fc2):  # type: ignore[union-attr]
                last.weight.zero_()  # type: ignore[union-attr, operator]
                last.bias.zero_()  # type: ignore[union-attr, operator]
        new_rows, old_rows = model.decoder.embed_tokens.weight, old.decoder.embed_tokens.weight
        for token, pieces in old_tokens.items():
            new_rows[token] = old_rows[pieces].mean(0)


def _pieces(new: Vocabulary, old: Vocabulary) -> dict[int, list[int]]:
    """Return the old tokens that say what each new one says; none for parts of characters or an equal vocabulary."""
    old_ids, new_ids = (v.tokenizer.get_vocab(with_added_tokens=True) for v in (old, new))
    if old_ids == new_ids:
        return {}
    found = {new_ids[name]: [old_ids[name]] for name in (*SPECIAL, *TIMESTAMPS)}
    for token in range(new.end):
        text = new.tokenizer.decode([token])
        pieces = old.tokenizer.encode(text.lower(), add_special_tokens=False).ids
        if pieces and "\N{REPLACEMENT CHARACTER}" not in text:
            found[token] = pieces
    return found

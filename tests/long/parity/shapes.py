"""The real dimensions of Whisper models, with random weights."""

from __future__ import annotations

from itertools import islice, product
from string import ascii_lowercase
from typing import Any

from amanuensis.benchmarks.random_model import RandomModel

SPELT = 288  # text tokens that a random model has without fillers
ENGLISH_TEXT = 50_256  # text tokens of GPT-2; the multilingual vocabulary has one more


def codes(count: int) -> tuple[str, ...]:
    """Return that many language codes, English first; only their number and order matter to a random model."""
    others = ("".join(pair) for pair in product(ascii_lowercase, repeat=2) if pair != ("e", "n"))
    return ("en", *islice(others, count - 1))


def shape(layers: int, width: int, *, decoder_layers: int = 0, multilingual: bool = True, **more: Any) -> RandomModel:
    """Return a random model with heads of 64 and a real vocabulary; layers add as in GPT-2's initialisation."""
    text = ENGLISH_TEXT + multilingual
    return RandomModel(
        width=width,
        layers=layers,
        decoder_layers=decoder_layers,
        heads=width // 64,
        fillers=text - SPELT,
        languages=codes(more.pop("languages", 99)),
        multilingual=multilingual,
        score_gain=1.0,
        residual_gain=(2 * layers) ** -0.5,
        **more,
    )


SHAPES = {
    "tiny.en": shape(4, 384, multilingual=False),
    "base": shape(6, 512),
    "small": shape(12, 768),
    "large-v3-turbo": shape(32, 1280, decoder_layers=4, n_mels=128, languages=100, dtype="float16"),
}
VOCABULARIES = {"tiny.en": 51864, "base": 51865, "small": 51865, "large-v3-turbo": 51866}

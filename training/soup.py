"""Model soups: the mean of the weights of models that come from one another.

Source: Wortsman et al., "Model soups: averaging weights of multiple fine-tuned models improves accuracy without
increasing inference time", 2022.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path

import torch

from amanuensis.training.grow import start_from
from amanuensis.training.model import Whisper
from amanuensis.training.tokenizer import Vocabulary


def souped(model: Whisper, others: Sequence[Path], vocabulary: Vocabulary) -> Whisper:
    """Return the mean of `model` and the model folders or archives `others`, all of its shape, each counting the same.

    The heads of the training, which a packaged model lacks, come out well only where all have them (`start.model`).

    Raises:
        RuntimeError: if one of them has another width or depth, or another vocabulary.

    """
    mean = copy.deepcopy(model)
    for i, path in enumerate(others):
        other = copy.deepcopy(model)
        start_from(path, other, vocabulary, same_shape=True)
        with torch.no_grad():
            for p, q in zip(mean.parameters(), other.parameters(), strict=True):
                p.lerp_(q, 1 / (i + 2))
    return mean

"""Batches of training windows as tensors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from amanuensis.training.shards import FRAMES_PER_S
from amanuensis.training.tokenizer import Vocabulary
from amanuensis.training.windows import IGNORED, Window

_TOKENS = 16  # lengths are multiples of it, as those of the windows are of theirs


@dataclass(frozen=True)
class Batch:
    """Windows of one length, which silence brought them to (never masked: so the model learns trailing silence)."""

    mel: Tensor  # float32 [b, 80, frames]
    phones: Tensor  # int64 [b, frames / 2]
    tokens: Tensor  # int64 [b, n]
    labels: Tensor  # int64 [b, n]
    guides: Tensor  # int64 [b, n, 2]
    ctc: Tensor  # int64 [total]
    ctc_lengths: Tensor  # int64 [b]
    seconds: float


def collate(windows: list[Window], vocabulary: Vocabulary) -> Batch:
    """Return windows of one length as a batch."""
    b, n_frames = len(windows), len(windows[0].mel)
    n = -(-max(len(w.tokens) for w in windows) // _TOKENS) * _TOKENS
    tokens = np.full((b, n), vocabulary.end)
    labels = np.full((b, n), IGNORED)
    guides = np.zeros((b, n, 2), np.int64)
    for i, w in enumerate(windows):
        tokens[i, : len(w.tokens)] = w.tokens
        labels[i, : len(w.labels)] = w.labels
        guides[i, : len(w.guides)] = w.guides
    return Batch(
        torch.from_numpy(np.stack([w.mel.T for w in windows])),
        torch.from_numpy(np.stack([w.phones for w in windows]).astype(np.int64)),
        torch.from_numpy(tokens),
        torch.from_numpy(labels),
        torch.from_numpy(guides),
        torch.tensor([token for w in windows for token in w.text_tokens], dtype=torch.long),
        torch.tensor([len(w.text_tokens) for w in windows]),
        b * n_frames / FRAMES_PER_S,
    )

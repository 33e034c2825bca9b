"""Batches of training windows as tensors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from amanuensis.training.shards import FRAMES_PER_S
from amanuensis.training.tokenizer import Vocabulary
from amanuensis.training.windows import FRAMES_PER_POSITION, IGNORED, Window

_TOKENS = 8  # lengths are multiples of it, as those of the windows are of theirs


@dataclass(frozen=True)
class Batch:
    """Windows of similar length, padded with silence (never masked: so the model learns trailing silence)."""

    mel: Tensor  # float32 [b, 80, frames]
    phones: Tensor  # int64 [b, frames / 2]
    tokens: Tensor  # int64 [b, n]
    labels: Tensor  # int64 [b, n]
    guides: Tensor  # int64 [b, n, 2]
    ctc: Tensor  # int64 [total]
    ctc_lengths: Tensor  # int64 [b]
    seconds: float


def collate(windows: list[Window], vocabulary: Vocabulary) -> Batch:
    """Return the windows as one batch, padded with what digital silence becomes in each window."""
    b, n_frames = len(windows), max(len(w.mel) for w in windows)
    n = -(-max(len(w.tokens) for w in windows) // _TOKENS) * _TOKENS
    mel = np.empty((b, n_frames, windows[0].mel.shape[1]), np.float32)
    phones = np.zeros((b, n_frames // FRAMES_PER_POSITION), np.int64)
    tokens = np.full((b, n), vocabulary.end)
    labels = np.full((b, n), IGNORED)
    guides = np.zeros((b, n, 2), np.int64)
    for i, w in enumerate(windows):
        mel[i, : len(w.mel)] = w.mel
        mel[i, len(w.mel) :] = w.mel.max() - 2.0  # the floor of `scale`
        phones[i, : len(w.phones)] = w.phones
        tokens[i, : len(w.tokens)] = w.tokens
        labels[i, : len(w.labels)] = w.labels
        guides[i, : len(w.guides)] = w.guides
    return Batch(
        torch.from_numpy(mel).transpose(1, 2).contiguous(),
        torch.from_numpy(phones),
        torch.from_numpy(tokens),
        torch.from_numpy(labels),
        torch.from_numpy(guides),
        torch.tensor([token for w in windows for token in w.text_tokens], dtype=torch.long),
        torch.tensor([len(w.text_tokens) for w in windows]),
        b * n_frames / FRAMES_PER_S,
    )

"""Greedy decoding with the training model: without a cache, in batches; for measurements only."""

from __future__ import annotations

import numpy as np
import torch

from amanuensis.npu.log_mel import log_mel_spectrogram
from amanuensis.training.model import MAX_SOURCE, Whisper
from amanuensis.training.speech import Float32
from amanuensis.training.tokenizer import Vocabulary

_TOKENS_PER_S = 8
_MIN_TOKENS = 12


def greedy(model: Whisper, vocabulary: Vocabulary, features: list[Float32]) -> list[str]:
    """Return the texts of windows (float32 [80, frames], at most 30 s) of similar length, decoded together."""
    longest = max(f.shape[1] for f in features) // 2 * 2
    batch = np.stack([_padded(f, longest) for f in features])
    head = [vocabulary.start, vocabulary.no_timestamps]
    tokens = torch.tensor([head] * len(features))
    ended = torch.zeros(len(features), dtype=torch.bool)
    with torch.inference_mode():
        encoded, _ = model.encoder(torch.from_numpy(batch))
        for _ in range(_MIN_TOKENS + longest * _TOKENS_PER_S // 100):
            logits = model.decoder(tokens, encoded)[0][:, -1]
            logits[:, vocabulary.suppressed] = -torch.inf
            logits[:, vocabulary.no_timestamps] = -torch.inf
            logits[:, vocabulary.first_timestamp :] = -torch.inf
            best = torch.where(ended, vocabulary.end, logits.argmax(-1))
            ended |= best == vocabulary.end
            if bool(ended.all()):
                break
            tokens = torch.cat([tokens, best[:, None]], dim=1)
    return [vocabulary.decode(row[len(head) :]) for row in tokens.tolist()]


def transcribe_all(
    model: Whisper, vocabulary: Vocabulary, sounds: list[Float32], padded_s: float = 0.0, batch: int = 16
) -> list[str]:
    """Return the text of each sound (16 kHz, at most 30 s; longer ones are cut), decoded in batches by length."""
    features = [_features(sound, padded_s) for sound in sounds]
    order = sorted(range(len(sounds)), key=lambda i: features[i].shape[1])
    texts = [""] * len(sounds)
    for start in range(0, len(order), batch):
        group = order[start : start + batch]
        for i, text in zip(group, greedy(model, vocabulary, [features[i] for i in group]), strict=True):
            texts[i] = text
    return texts


def _features(sound: Float32, padded_s: float) -> Float32:
    sound = sound[: MAX_SOURCE * 320]
    sound = np.pad(sound, (0, max(0, round(padded_s * 16_000) - len(sound), 480 - len(sound))))
    return log_mel_spectrogram(sound)


def _padded(features: Float32, n_frames: int) -> Float32:
    """Pad with what digital silence becomes in this window."""
    more = n_frames - features.shape[1]
    if more <= 0:
        return features[:, :n_frames]
    return np.pad(features, ((0, 0), (0, more)), constant_values=float(features.max()) - 2.0)

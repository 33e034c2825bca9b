"""The four losses: next token, CTC, phones by frame, and guided cross-attention."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from amanuensis.training.loader import Batch
from amanuensis.training.model import Whisper
from amanuensis.training.speech import UNKNOWN_PHONE
from amanuensis.training.windows import IGNORED

GUIDED_HEADS = (0, 1)  # of the last decoder layer
LABEL_SMOOTHING = 0.05
_SLACK = 3  # encoder positions around a word where attention may lie
_SPOKEN_WEIGHT = 1.0
_SILENT_WEIGHT = 0.3  # of silent frames in the phone loss


@dataclass(frozen=True)
class Weights:
    """Weights of the losses beside the next token's, which is 1."""

    ctc: float
    phones: float
    guide: float


def weights_at(progress: float) -> Weights:
    """Return the weights at `progress` (0 to 1): phones and alignment are heavy first."""
    late = min(1.0, progress / 0.9)
    return Weights(ctc=0.5 - 0.2 * late, phones=1.5 - 1.2 * late, guide=1.0 - 0.6 * late)


@dataclass(frozen=True)
class Losses:
    """The losses of a batch in nats, and the share of spoken frames whose phone is right."""

    token: Tensor
    ctc: Tensor
    phones: Tensor
    guide: Tensor
    phone_accuracy: Tensor

    def total(self, weights: Weights) -> Tensor:
        """Return the weighted sum."""
        return self.token + weights.ctc * self.ctc + weights.phones * self.phones + weights.guide * self.guide


def losses(model: Whisper, batch: Batch) -> Losses:
    """Return the losses of a batch; the model may hold bfloat16 weights."""
    dtype = model.encoder.conv1.weight.dtype
    encoded, middle = model.encoder(batch.mel.to(dtype))
    logits, attention = model.decoder(batch.tokens, encoded)
    token = F.cross_entropy(
        logits.float().flatten(0, 1), batch.labels.flatten(), ignore_index=IGNORED, label_smoothing=LABEL_SMOOTHING
    )
    phones, accuracy = _phone_loss(model.phone_head(middle).float(), batch.phones)
    return Losses(
        token, _ctc_loss(model.ctc_head(encoded), batch), phones, _guide_loss(attention, batch.guides), accuracy
    )


def _ctc_loss(logits: Tensor, batch: Batch) -> Tensor:
    """Return the mean per text token; windows without text do not count."""
    log_probabilities = logits.float().log_softmax(-1).transpose(0, 1)
    lengths = torch.full((logits.shape[0],), logits.shape[1], dtype=torch.long, device=logits.device)
    blank = logits.shape[-1] - 1
    loss = F.ctc_loss(
        log_probabilities, batch.ctc, lengths, batch.ctc_lengths, blank=blank, reduction="sum", zero_infinity=True
    )
    return loss / max(1, int(batch.ctc_lengths.sum()))


def _phone_loss(logits: Tensor, phones: Tensor) -> tuple[Tensor, Tensor]:
    weight = torch.where(phones > 0, _SPOKEN_WEIGHT, _SILENT_WEIGHT) * (phones != UNKNOWN_PHONE)
    targets = phones.masked_fill(phones == UNKNOWN_PHONE, 0)
    each = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none").view_as(weight)
    spoken = (phones > 0) & (phones != UNKNOWN_PHONE)
    right = ((logits.argmax(-1) == phones) & spoken).sum() / spoken.sum().clamp(min=1)
    return (each * weight).sum() / weight.sum().clamp(min=1), right


def _guide_loss(attention: Tensor, guides: Tensor) -> Tensor:
    """Return -log of the attention mass on each token's own frames, averaged over guided heads and tokens."""
    at = torch.arange(attention.shape[-1], device=attention.device)
    known = guides[..., 1] > 0
    inside = (at >= guides[..., :1] - _SLACK) & (at < guides[..., 1:] + _SLACK)
    mass = (attention[:, list(GUIDED_HEADS)].float() * inside[:, None]).sum(-1)
    each = -torch.log(mass.mean(1).clamp(min=1e-4))
    return (each * known).sum() / known.sum().clamp(min=1)

"""The export of the speaker training: the averaged network as ONNX, and the constants measured on synthetic voices."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from amanuensis.npu.log_mel import SAMPLE_RATE
from amanuensis.npu.speaker_builtin import CONSTANTS_FILE, MIXTURE_FILE, NETWORK_FILE, BuiltinEmbedder
from amanuensis.npu.speaker_graph import write_graph
from amanuensis.training.speaker_background import background
from amanuensis.training.speaker_loader import Corpus
from amanuensis.training.speaker_mixture import fit
from amanuensis.training.speaker_model import SpeakerNet
from amanuensis.training.speaker_score import development, equal_error
from amanuensis.training.speaker_trainer import SIZES
from amanuensis.training.speech import Float32


def export(work: Path, folder: Path) -> None:
    """Write the files of the embedder into `folder` and print its error on the development voices."""
    folder.mkdir(parents=True, exist_ok=True)
    corpus = Corpus.open(work)
    write_graph(folder / NETWORK_FILE, weights_of(averaged(work / "speakers.pt")))
    fit(corpus).write(folder / MIXTURE_FILE)
    constants = background(corpus)
    constants.write(folder / CONSTANTS_FILE)
    embedder = BuiltinEmbedder(folder)
    length = round(embedder.window_s * SAMPLE_RATE)
    eer, threshold = equal_error(embedder, development(work / "development", length))
    replace(constants, same_above=threshold).write(folder / CONSTANTS_FILE)
    print(f"development voices: equal-error rate {100 * eer:.2f} % at {embedder.window_s} s, cosine {threshold:.3f}")


def averaged(checkpoint: Path) -> SpeakerNet:
    """Return the averaged network of a checkpoint."""
    stored = torch.load(checkpoint, weights_only=True)
    net = SpeakerNet(SIZES)
    net.load_state_dict(stored["average"])
    return net.eval()


def weights_of(net: SpeakerNet) -> dict[str, Float32]:
    """Return the weights by the names of `write_graph`; what follows the last product is folded into it."""
    state = {name: value.detach().float().numpy() for name, value in net.state_dict().items()}
    norm = {name: state.pop(f"out_norm.{name}") for name in ("weight", "bias", "running_mean", "running_var")}
    state.pop("out_norm.num_batches_tracked")
    gain = norm["weight"] / np.sqrt(norm["running_var"] + net.out_norm.eps)
    sizes = net.sizes
    return state | {
        "pool.query": state["pool.query"].reshape(sizes.queries, sizes.heads, sizes.head_size),
        "out.weight": np.asarray(state["out.weight"] * gain[:, None], np.float32),
        "out.bias": np.asarray(norm["bias"] - norm["running_mean"] * gain, np.float32),
    }

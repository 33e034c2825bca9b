"""Tests of starting from an earlier model. They need torch: `make test-long PART=train` has it."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

torch = pytest.importorskip("torch", reason="torch is not installed: make test-long PART=train")

from amanuensis.npu.engine.api import EngineConfig  # noqa: E402
from amanuensis.npu.loading import load_model  # noqa: E402
from amanuensis.npu.log_mel import SAMPLE_RATE, log_mel_spectrogram  # noqa: E402
from amanuensis.npu.tokenizer import Tokenizer  # noqa: E402
from amanuensis.npu.window import WindowJob  # noqa: E402
from amanuensis.training.export import export, load  # noqa: E402
from amanuensis.training.grow import start_from  # noqa: E402
from amanuensis.training.model import Whisper  # noqa: E402
from amanuensis.training.soup import souped  # noqa: E402
from amanuensis.training.speech import Float32  # noqa: E402
from amanuensis.training.stages import Job, keep  # noqa: E402
from amanuensis.training.tokenizer import SPECIAL, Vocabulary  # noqa: E402
from amanuensis.training.trainer import Settings, Training  # noqa: E402


@pytest.fixture(scope="module")
def own(builtin_model: Path) -> Vocabulary:
    """The vocabulary of the packaged model."""
    return Vocabulary(builtin_model / "tokenizer.json")


@pytest.fixture(scope="module")
def packaged(builtin_model: Path, own: Vocabulary) -> Whisper:
    """The packaged model in torch."""
    return load(builtin_model, own)


@pytest.fixture(scope="module")
def clips(repository: Path) -> list[Float32]:
    """The first turns of the bundled conversation."""
    sound, rate = soundfile.read(repository / "daemon/data/demo.flac", dtype="float32")
    turns = json.loads((repository / "daemon/data/demo.json").read_text())[:4]
    assert rate == SAMPLE_RATE
    return [sound[round((t["start_s"] - 0.2) * rate) : round((t["end_s"] + 0.2) * rate)] for t in turns]


def grown(folder: Path, vocabulary: Vocabulary, packaged: Whisper, **changes: int) -> Whisper:
    """A model two layers deeper, started from the packaged one."""
    sizes = {"encoder_layers": packaged.dimensions.encoder_layers + 2} | changes
    dimensions = replace(packaged.dimensions, vocabulary=vocabulary.size, text_tokens=vocabulary.end, **sizes)
    torch.manual_seed(7)
    model = Whisper(dimensions)
    start_from(folder, model, vocabulary)
    return model.eval()


def encoded(model: Whisper, sound: Float32) -> Float32:
    """What the encoder says, float32 [1, n, width]."""
    mel = log_mel_spectrogram(sound)
    with torch.inference_mode():
        return np.asarray(model.encoder(torch.from_numpy(mel[None, :, : mel.shape[1] // 2 * 2]))[0])


def texts(folder: Path, clips: list[Float32]) -> list[str]:
    """What the engine reads with a model folder."""
    model, tokenizer = load_model(EngineConfig(folder, device="cpu", threads=1, precision="float32")), Tokenizer(folder)
    return [tokenizer.decode(model.decode(WindowJob(log_mel_spectrogram(clip))).tokens) for clip in clips]


def test_a_grown_model_hears_what_the_old_one_heard(
    builtin_model: Path, packaged: Whisper, vocabulary: Vocabulary, clips: list[Float32]
) -> None:
    """New layers change nothing before any training, whatever the vocabulary."""
    model = grown(builtin_model, vocabulary, packaged)
    assert len(list(model.encoder.layers)) == len(list(packaged.encoder.layers)) + 2
    for clip in clips:
        np.testing.assert_allclose(encoded(model, clip), encoded(packaged, clip), atol=1e-5)


def test_a_grown_model_writes_what_the_old_one_wrote(
    builtin_model: Path, packaged: Whisper, own: Vocabulary, clips: list[Float32], tmp_path: Path
) -> None:
    """Exported before any training it gives the engine the old texts, its vocabulary being the same."""
    export(grown(builtin_model, own, packaged), builtin_model / "tokenizer.json", tmp_path / "grown")
    expected = texts(builtin_model, clips)
    assert all(expected)
    assert texts(tmp_path / "grown", clips) == expected


def test_new_tokens_begin_between_their_pieces(
    builtin_model: Path, packaged: Whisper, own: Vocabulary, vocabulary: Vocabulary
) -> None:
    """A token's embedding is the mean of the old pieces of its text in lower case; special tokens keep theirs."""
    rows, old = (
        grown(builtin_model, vocabulary, packaged).decoder.embed_tokens.weight,
        packaged.decoder.embed_tokens.weight,
    )
    ids, old_ids = (v.tokenizer.get_vocab(with_added_tokens=True) for v in (vocabulary, own))
    for name in (*SPECIAL, "<|0.00|>", "<|30.00|>"):
        assert torch.equal(rows[ids[name]], old[old_ids[name]])
    longest = max((t for t in range(vocabulary.end)), key=lambda t: len(vocabulary.tokenizer.decode([t])))
    pieces = own.tokenizer.encode(vocabulary.tokenizer.decode([longest]).lower(), add_special_tokens=False).ids
    torch.testing.assert_close(rows[longest], old[pieces].mean(0))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"width": 128, "heads": 2}, "do not fit"),
        ({"decoder_layers": 3}, "do not fit"),
        ({"encoder_layers": 1}, "more than the 1 trained"),
    ],
)
def test_what_does_not_fit_is_refused(
    builtin_model: Path, packaged: Whisper, vocabulary: Vocabulary, changes: dict[str, int], message: str
) -> None:
    """Other widths or decoder depths, or fewer encoder layers, are named."""
    with pytest.raises(RuntimeError, match=message):
        grown(builtin_model, vocabulary, packaged, **changes)


def test_a_run_starts_from_the_model_it_is_given(
    builtin_model: Path, packaged: Whisper, vocabulary: Vocabulary, clips: list[Float32], tmp_path: Path
) -> None:
    """The trainer's model hears what the folder of --start hears; without it, something else."""
    vocabulary.tokenizer.save(str(tmp_path / "tokenizer.json"))
    settings = Settings(tmp_path, minutes=1, device="cpu", seed=1, threads=1, start=builtin_model)
    started, fresh = (Training(s).model for s in (settings, replace(settings, start=None)))
    expected = encoded(packaged, clips[0])
    np.testing.assert_allclose(encoded(started, clips[0]), expected, atol=1e-5)
    assert np.abs(encoded(fresh, clips[0]) - expected).max() > 0.1


@pytest.mark.parametrize("layers", [3, 6])
def test_a_kept_model_goes_on_with_all_it_learnt(vocabulary: Vocabulary, tmp_path: Path, layers: int) -> None:
    """The kept archive has the depth and the heads of the training too, rounded to int8 by row like all matrices."""
    vocabulary.tokenizer.save(str(tmp_path / "tokenizer.json"))
    training = Training(Settings(tmp_path, minutes=1, device="cpu", seed=1, threads=1, encoder_layers=layers))
    training.save()
    keep(Job(tmp_path, None, 1, "cpu", 1, 1, 1))
    model = Whisper(training.model.dimensions)
    start_from(tmp_path / "start.model", model, vocabulary)
    for name, kept in training.model.state_dict().items():
        found = model.state_dict()[name]
        step = kept.abs().amax(dim=tuple(range(1, kept.dim())), keepdim=True) / 127 if kept.dim() > 1 else 1e-3
        assert bool(((found - kept).abs() <= 0.51 * step + 1e-3).all()), name


def test_a_soup_is_the_mean_of_its_models(builtin_model: Path, packaged: Whisper, own: Vocabulary) -> None:
    """Each counts the same: a model once and the packaged one twice."""
    torch.manual_seed(3)
    other = Whisper(packaged.dimensions)
    mean, once, twice = (m.state_dict() for m in (souped(other, [builtin_model, builtin_model], own), other, packaged))
    for name in [name for name in mean if name.startswith("model.")]:  # the package has no heads
        torch.testing.assert_close(mean[name], (once[name] + 2 * twice[name]) / 3, rtol=1e-4, atol=1e-5)
    alone = souped(other, [], own).state_dict()
    assert all(torch.equal(alone[name], once[name]) for name in once)


def test_a_soup_takes_no_model_of_another_depth(builtin_model: Path, packaged: Whisper, own: Vocabulary) -> None:
    """What could not be averaged is refused by name."""
    with pytest.raises(RuntimeError, match="another depth or vocabulary"):
        souped(grown(builtin_model, own, packaged), [builtin_model], own)

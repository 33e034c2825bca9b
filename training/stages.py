"""The stages of the pipeline, each resumable: what is there already is not made again."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

SHARDS_BEFORE_TRAINING = 6
SPEAKER_SHARDS = 48  # of 40 virtual speakers
SHARDS_PER_MINUTE = 1.5  # of training time: about half an hour of speech each
SHARDS_PER_NATURAL = 4  # a natural one takes as long as ten others
_POLL_S = 2.0


@dataclass(frozen=True)
class Job:
    """What the command line asks for."""

    work: Path
    text: Path | None
    minutes: float
    device: str
    seed: int
    threads: int
    jobs: int
    shards: int | None = None
    start: Path | None = None
    steps: int | None = None
    natural: int | None = None
    encoder_layers: int | None = None
    text_tokens: int | None = None
    soup: Sequence[Path] = ()

    @property
    def n_shards(self) -> int:
        """How many shards to synthesise."""
        return self.shards or max(SHARDS_BEFORE_TRAINING, round(self.minutes * SHARDS_PER_MINUTE))

    @property
    def n_natural(self) -> int:
        """How many shards of natural voices to synthesise."""
        return self.n_shards // SHARDS_PER_NATURAL if self.natural is None else self.natural

    @property
    def folder(self) -> Path:
        """Where the model folder goes."""
        return self.work / "builtin"

    @property
    def archive(self) -> Path:
        """Where the packed model goes."""
        return self.work / "builtin.model"


def text(job: Job) -> None:
    """Print how many sentences there are, and some of them."""
    from itertools import islice

    from amanuensis.training.text import narrow_sentences, read_general

    general, held_out = read_general(job.text)
    print(f"general: {len(general)} sentences for training, {len(held_out)} held out")
    for made in [*islice(narrow_sentences(job.seed, held_out=False), 10), *general[:10]]:
        print(f"{made.domain}: {made.text}")


def tokenizer(job: Job) -> None:
    """Train the tokeniser."""
    from amanuensis.training.tokenizer import N_TEXT_TOKENS, train

    train(job.work / "tokenizer.json", job.text, job.seed, job.text_tokens or N_TEXT_TOKENS)


def synth(job: Job) -> None:
    """Synthesise test clips, then the shards."""
    from amanuensis.training import synth as stage
    from amanuensis.training import testset

    testset.make(job.work / "test", job.text, job.seed, testset.Sizes())
    stage.run(stage.Plan(job.work, job.text, job.n_shards, job.seed, job.n_natural), job.jobs)


def word_times(job: Job) -> None:
    """Write test clips with the time of every word, for `amanuensis bench word-times`."""
    from amanuensis.training.timed_clips import N_CLIPS, make

    make(job.work / "word-times", job.text, job.seed, N_CLIPS)


def demo(job: Job) -> None:
    """Write the bundled conversation, `demo.flac` and `demo.json`, into the work folder."""
    from amanuensis.training.demo import make_demo

    job.work.mkdir(parents=True, exist_ok=True)
    make_demo(job.work / "demo.flac", job.work / "demo.json", job.seed)


def train(job: Job) -> None:
    """Train until the minutes or steps are over."""
    from amanuensis.training import trainer

    settings = trainer.Settings(job.work, job.minutes, job.device, job.seed, job.threads, job.start, job.steps)
    if job.encoder_layers:
        settings = replace(settings, encoder_layers=job.encoder_layers)
    trainer.run(settings)


def export(job: Job) -> None:
    """Write the model folder, the archive, and the folder that the archive expands to."""
    from amanuensis.training import export as stage

    _export(job, job.folder, heads=False)
    stage.measure_lag(job.folder)
    stage.pack(job.folder, job.archive)
    print(f"{job.folder}: model folder; {job.archive}: {job.archive.stat().st_size} bytes packed", flush=True)


def keep(job: Job) -> None:
    """Write what was learnt so far as `start.model`, from which another run can start."""
    from amanuensis.npu import archive

    folder = job.work / "start"
    _export(job, folder, heads=True)
    archive.pack(folder, job.work / "start.model")


def _export(job: Job, folder: Path, *, heads: bool) -> None:
    from amanuensis.training import export as stage
    from amanuensis.training.soup import souped
    from amanuensis.training.tokenizer import Vocabulary
    from amanuensis.training.trainer import averaged_model

    tokens = job.work / "tokenizer.json"
    vocabulary = Vocabulary(tokens)
    model = averaged_model(job.work / "checkpoint.pt", vocabulary)
    stage.export(souped(model, job.soup, vocabulary), tokens, folder, heads=heads)


@dataclass(frozen=True)
class Asked:
    """What to evaluate, and how."""

    model: str | None = None  # name or folder; None: the exported folder, and what the archive expands to
    speech: Path | None = None  # recorded speech
    json: Path | None = None  # also written here
    limit: int | None = None  # utterances of each set
    loaders: bool = False  # compare with other loaders of the folder, nothing else


def evaluate(job: Job, asked: Asked = Asked()) -> None:
    """Print what a model is worth.

    Raises:
        EngineError: there is no such model.
        RuntimeError: a control failed, or others read the folder differently.

    """
    from amanuensis.training.evaluation import command

    command.run(job, asked)


def speakers(job: Job) -> None:
    """Train the speaker embedding: synthesise virtual speakers, train, export and print the development error."""
    from amanuensis.training import speaker_data, speaker_export, speaker_trainer

    if job.text is None:
        raise RuntimeError(
            "no text folder given (--text or AMANUENSIS_TEXT_DIR): the virtual speakers read its sentences"
        )
    work = job.work / "speakers"
    plan = speaker_data.Plan(work, job.text, job.shards or SPEAKER_SHARDS, job.seed)
    speaker_data.run(plan, job.jobs)
    voices = plan.n_shards * speaker_data.SPEAKERS_PER_SHARD
    speaker_trainer.run(speaker_trainer.Settings(work, job.minutes, job.seed, job.threads, voices))
    speaker_export.export(work, work / "builtin")


def run(job: Job) -> None:
    """Run all stages, synthesis and training side by side."""
    if job.text is None:
        print("no text folder given (--text or AMANUENSIS_TEXT_DIR): general sentences are made up", flush=True)
    tokenizer(job)
    arguments = [f"--work={job.work}", f"--seed={job.seed}", f"--jobs={job.jobs}", f"--shards={job.n_shards}"]
    arguments += [f"--natural={job.n_natural}"]
    arguments += [f"--text={job.text}"] if job.text else []
    synthesis = subprocess.Popen(["nice", sys.executable, "-m", "amanuensis.training", "synth", *arguments])
    try:
        _wait_for_shards(job, synthesis)
        train(job)
    finally:
        synthesis.terminate()
        synthesis.wait()
    export(job)
    evaluate(job)


def _wait_for_shards(job: Job, synthesis: subprocess.Popen[bytes]) -> None:
    wanted = min(SHARDS_BEFORE_TRAINING, job.n_shards)
    while len(list((job.work / "shards").glob("*.jsonl"))) < wanted:
        if synthesis.poll() is not None:
            raise RuntimeError(f"synthesis ended with status {synthesis.returncode} before the first {wanted} shards")
        time.sleep(_POLL_S)

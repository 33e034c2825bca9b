"""`python -m amanuensis.training evaluate`: one command, every figure of the model card."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path

from amanuensis.benchmarks.common import header
from amanuensis.npu.store import resolve
from amanuensis.training import testset
from amanuensis.training.evaluation import report, sets
from amanuensis.training.evaluation.decoding import Recogniser
from amanuensis.training.evaluation.loaders import disagreements
from amanuensis.training.evaluation.measure import Form, Material, Measured, at_most, gather, measure
from amanuensis.training.evaluation.scores import Ratio, differences
from amanuensis.training.stages import Asked, Job

LOADED_OF_A_SET = 20  # clips that others read too


def run(job: Job, asked: Asked) -> None:
    """Measure and print; see `stages.evaluate`."""
    if asked.loaders:
        _compare_loaders(job, asked)
    else:
        _measure(job, asked)


def forms_of(job: Job, model: str | None) -> list[Form]:
    """Return the forms that are compared: of a model that is named, or of the one that was trained."""
    if model:
        folder = resolve(model)
        return [Form("float32", folder, "float32"), Form("int8", folder, "int8")]
    shipped = job.archive.with_name(job.archive.name + ".expanded")
    return [
        Form("float16 weights", job.folder, "float32"),
        Form("int8 weights, as shipped", shipped, "float32"),
        Form("int8 arithmetic too", shipped, "int8"),
    ]


def _clips(job: Job) -> Path:
    folder = job.work / "test"
    testset.make(folder, job.text, job.seed, testset.Sizes())
    return folder


def _measure(job: Job, asked: Asked) -> None:
    forms = forms_of(job, asked.model)
    material = gather(_clips(job), asked.speech, job.seed, asked.limit)
    measured: dict[str, Measured] = {}
    for form in forms:
        started_s = time.perf_counter()
        measured[form.name] = measure(Recogniser.load(form.folder, form.precision, job.threads), material)
        print(f"{form.name}: {form.folder}, {time.perf_counter() - started_s:.0f} s", file=sys.stderr, flush=True)
    against_first = _against_first(material, measured)
    print(report.readable(measured, against_first), flush=True)
    if asked.json:
        _write(asked.json, job, forms, measured, against_first)
    if failed := [name for name, some in measured.items() if not some.is_from_sound]:
        raise RuntimeError(f"the controls failed for {', '.join(failed)}: see their table")


def _against_first(material: Material, measured: dict[str, Measured]) -> dict[str, dict[str, Ratio]]:
    """Return by form and set how much higher its error rate is than that of the first; also of all clips together."""
    (_, first), *others = measured.items()
    clips = [replace(clip, set="all synthetic clips") for clip in material.clips]
    n = len(clips)
    return {
        name: differences(clips, first.errors[:n], other.errors[:n])
        | differences(material.utterances, first.errors, other.errors)
        for name, other in others
    }


def _write(
    path: Path, job: Job, forms: list[Form], measured: dict[str, Measured], against_first: dict[str, dict[str, Ratio]]
) -> None:
    command = " ".join(["python -m amanuensis.training", *sys.argv[1:]])
    about = replace(header(forms[0].folder.name, job.threads), command=command)
    figures = {
        "header": asdict(about),
        "forms": {name: report.as_json(some) for name, some in measured.items()},
        "against_first": {
            name: {key: r.as_json() for key, r in some.items()} for name, some in against_first.items()
        },
    }  # fmt: skip
    path.write_text(json.dumps(figures, indent=1) + "\n")


def _compare_loaders(job: Job, asked: Asked) -> None:
    form = forms_of(job, asked.model)[0]
    clips = at_most(sets.synthetic(_clips(job)), asked.limit or LOADED_OF_A_SET)
    sounds = [clip.sound for clip in clips]
    ours = Recogniser.load(form.folder, "float32", job.threads).texts(sounds, padded=True)
    found = disagreements(ours, form.folder, sounds)
    for name, different in found.items():
        print(f"{name}: {len(sounds) - len(different)} of {len(sounds)} texts are the same", flush=True)
        for our, its in different:
            print(f"  {our!r} here, {its!r} there", flush=True)
    if any(found.values()):
        raise RuntimeError("others read the folder differently")

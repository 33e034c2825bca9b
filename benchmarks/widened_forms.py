"""The widened built-in model in every form that a system of the comparison reads, kept beside its folder.

`python -m amanuensis.benchmarks.widened_forms FORM` prints a path; the forms of others are made by `--python`, the
interpreter of an environment that has the other system.
"""

from __future__ import annotations

import argparse
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Final

from amanuensis.benchmarks.peers import convert_weights
from amanuensis.benchmarks.widened import SIZES
from amanuensis.benchmarks.widened_folder import widened_folder
from amanuensis.benchmarks.widened_ggml import write_ggml
from amanuensis.npu.atomic import whole_or_nothing
from amanuensis.npu.model_files import ModelFiles

ENDINGS: Final = {
    "hugging_face": "",
    "ctranslate2": "-ct2-int8",
    "ggml": "-q8_0.bin",
    "openai": ".pt",
    "openvino": "-ov-int8",
}
FOREIGN: Final = {
    "ctranslate2": "ctranslate2",
    "openai": "torch",
    "openvino": "optimum-intel",
}  # what the interpreter must have


class ConversionError(Exception):
    """A form cannot be made; the message says why."""


def widened_form(form: str, size: str = "base", python: Path | None = None) -> Path:
    """Return the path of a form, made when it is not there yet.

    Args:
        form: one of ENDINGS.
        size: one of SIZES.
        python: interpreter that has what FOREIGN says of the form; needed only while the form is not there.

    Raises:
        ConversionError: the interpreter is missing or cannot do it.

    """
    folder = widened_folder(size)
    target = folder.with_name(folder.name + ENDINGS[form])
    if not target.exists():
        with whole_or_nothing(target) as part:
            _writer(form, python)(folder, part)
    return target


def _writer(form: str, python: Path | None) -> Callable[[Path, Path], None]:
    if form == "ggml":
        return lambda folder, part: write_ggml(ModelFiles.load(folder), part)
    if python is None:
        raise ConversionError(f"form {form!r} needs an interpreter that has {FOREIGN[form]}: name it with --python")
    return lambda folder, part: _convert(python, form, folder, part)


def _convert(python: Path, form: str, folder: Path, part: Path) -> None:
    command = [convert_weights.__file__, form, str(folder), str(part)]
    if form == "openvino":
        export = ["export", "openvino", "--task", "automatic-speech-recognition-with-past", "--weight-format", "int8"]
        command = ["-m", "optimum.commands.optimum_cli", *export, "--model", str(folder), str(part)]
    done = subprocess.run([str(python), *command], check=False, capture_output=True, text=True)
    if done.returncode:
        last = done.stderr.strip().rpartition("\n")[2]
        raise ConversionError(f"form {form!r}: {python} ended with status {done.returncode}: {last}")


def main() -> None:
    """Make the form where it is not there yet and print its path."""
    parser = argparse.ArgumentParser(description="Print the path of the widened built-in model in a form.")
    parser.add_argument("form", choices=ENDINGS)
    parser.add_argument("--size", choices=SIZES, default="base")
    parser.add_argument("--python", type=Path)
    args = parser.parse_args()
    try:
        print(widened_form(args.form, args.size, args.python))
    except ConversionError as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()

"""`amanuensis models`: list, fetch, import, export, describe, prepare and remove models."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from amanuensis.daemon.commands.common import SubParsers, UsageError, complain

if TYPE_CHECKING:
    from amanuensis.npu.hub import Progress
    from amanuensis.npu.store import ModelInfo

EXAMPLE_OF: Final = {
    "list": "amanuensis models list --json",
    "pull": "amanuensis models pull base.en",
    "import": "amanuensis models import ./my-model --name mine",
    "export": "amanuensis models export builtin ./my-model",
    "info": "amanuensis models info base.en",
    "prepare": "amanuensis models prepare base.en --device npu",
    "align": "amanuensis models align base.en",
    "rm": "amanuensis models rm base.en --yes",
}
ACTIONS: Final = {
    "list": "show the models on this machine",
    "pull": "fetch a model from the Hugging Face hub (HF_ENDPOINT names another one)",
    "import": "install a folder in the Hugging Face Whisper format",
    "export": "write a model to a folder that other engines open as well",
    "info": "describe a model: size, languages, licence, content hash",
    "prepare": "make what a device needs of a model before its first use, and report what its precision costs",
    "align": "measure when the decoder's heads listen to a word, and remember it, for exact times of words",
    "rm": "remove an installed model",
}
PREPARED_DEVICES: Final = ("npu", "sim")  # both read the same weights
PRECISIONS: Final = ("int8", "bf16")


def add_parser(subparsers: SubParsers) -> None:
    """Add `models` and its actions."""
    parser = subparsers.add_parser(
        "models",
        help="list, fetch, import, export, prepare and remove models",
        description="The models on this machine. Only `pull` uses the network.",
        epilog="examples:\n" + "".join(f"  {example}\n" for example in EXAMPLE_OF.values()),
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    add = {
        name: actions.add_parser(name, help=text, description=text, epilog=f"example:\n  {EXAMPLE_OF[name]}")
        for name, text in ACTIONS.items()
    }
    add["pull"].add_argument("model", metavar="MODEL", help="tiny.en, base, small ... or a repository OWNER/NAME")
    add["import"].add_argument("path", metavar="PATH", type=Path, help="folder of the model")
    add["export"].add_argument("model", metavar="MODEL", help="an installed model, or builtin")
    add["export"].add_argument("folder", metavar="DIR", type=Path, help="new or empty folder")
    add["info"].add_argument("model", metavar="MODEL", help="an installed model, builtin, or a path")
    add["prepare"].add_argument("model", metavar="MODEL", help="an installed model, builtin, or a path")
    add["prepare"].add_argument("--device", choices=PREPARED_DEVICES, default="npu", help="default: npu")
    add["prepare"].add_argument("--precision", choices=PRECISIONS, default="int8", help="default: int8")
    add["align"].add_argument("model", metavar="MODEL", help="an installed model, builtin (not changed), or a path")
    add["align"].add_argument(
        "--search", action="store_true", help="look for the best heads even if the model names its own"
    )
    add["rm"].add_argument("model", metavar="MODEL", help="an installed model")
    add["rm"].add_argument("-y", "--yes", action="store_true", help="do not ask")
    for name in ("pull", "import"):
        add[name].add_argument("--name", metavar="NAME", help="install it under this name")
    for action in add.values():
        action.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    """Do one action; errors come as exceptions with one line."""
    actions: dict[str, Callable[[argparse.Namespace], int]] = {
        "list": show_list,
        "pull": pull,
        "import": import_folder,
        "export": export,
        "info": show_info,
        "prepare": prepare,
        "align": align,
        "rm": remove,
    }
    return actions[args.action](args)


def show_list(args: argparse.Namespace) -> int:
    """List the models."""
    from amanuensis.npu.store import list_models, models_folder

    models = list_models()
    if args.json:
        print(json.dumps({"folder": str(models_folder()), "models": [as_map(info) for info in models]}))
        return 0
    for info in models:
        print(f"{info.name:20} {megabytes(info.size_bytes):>9}  {info.problem or summary(info)}")
    if not models:
        complain("no models on this machine; `amanuensis models pull base.en` fetches one")
    return 0


def pull(args: argparse.Namespace) -> int:
    """Fetch a model."""
    from amanuensis.npu.hub import pull as pull_model

    with progress_bar(args.model) as report:
        folder = pull_model(args.model, as_name=args.name, report=report)
    return done(args, folder.name, folder, "installed")


def import_folder(args: argparse.Namespace) -> int:
    """Install a folder."""
    from amanuensis.npu.store import import_model

    folder = import_model(args.path, args.name)
    return done(args, folder.name, folder, "installed")


def export(args: argparse.Namespace) -> int:
    """Write a model to a folder."""
    from amanuensis.npu.store import export_model

    export_model(args.model, args.folder)
    return done(args, args.model, args.folder, "written")


def show_info(args: argparse.Namespace) -> int:
    """Describe a model."""
    from amanuensis.npu.model_files import ModelFiles
    from amanuensis.npu.store import BUILTIN, describe, resolve

    folder = resolve(args.model)
    content_hash = ModelFiles.load(folder).content_hash()
    info = as_map(describe(folder)) | {"content_hash": content_hash} | origin(folder)
    if args.model == BUILTIN:
        info |= {"name": BUILTIN, "builtin": True}
    if args.json:
        print(json.dumps(info))
        return 0
    for key, value in info.items():
        if value not in (None, "", False):
            print(f"{key.replace('_', ' '):16} {in_words(value)}")
    return 0


def prepare(args: argparse.Namespace) -> int:
    """Prepare the weights of a model for the NPU; print how far each layer is from float32."""
    from amanuensis.npu.calibration_sound import CALIBRATION, HELD_OUT, demo_windows
    from amanuensis.npu.device_weights import device_weights
    from amanuensis.npu.devices.xrt import quality
    from amanuensis.npu.model_files import ModelFiles
    from amanuensis.npu.store import resolve
    from amanuensis.npu.tokenizer import Tokenizer

    files = ModelFiles.load(resolve(args.model))
    tokenizer, n_mels = Tokenizer(files.folder), files.dimensions.n_mels
    with share_bar(args.model) as report:
        weights = device_weights(files, args.precision, lambda: demo_windows(tokenizer, n_mels, CALIBRATION), report)
        layers = quality.load(weights.folder)
        if layers is None:
            layers = quality.measure(files, weights, demo_windows(tokenizer, n_mels, HELD_OUT), report)
            quality.save(weights.folder, layers)
    products = {name: dict(product) for name, product in weights.map.products.items()}
    if args.json:
        values = {"model": args.model, "device": args.device, "path": str(weights.folder), "bytes": weights.map.n_bytes}
        print(json.dumps(values | {"layers": [asdict(layer) for layer in layers], "products": products}))
        return 0
    in_bf16 = [name for name, product in products.items() if product["precision"] == "bf16"]
    print(f"{args.model} prepared in {args.precision}: {weights.folder} ({megabytes(weights.map.n_bytes)})")
    print(f"products in bf16: {', '.join(in_bf16)}")
    print(f"{'against float32':24} {'NRMSE':>8} {'cosine':>10}")
    for layer in layers:
        print(f"{layer.name:24} {100 * layer.nrmse:7.2f}% {layer.cosine:10.6f}")
    return 0


def align(args: argparse.Namespace) -> int:
    """Measure heads on the bundled speech; write what was found to the model's folder."""
    from amanuensis.npu.calibration_sound import timed_windows
    from amanuensis.npu.head_search import AttentionOf, remember, search
    from amanuensis.npu.model_files import ModelFiles
    from amanuensis.npu.store import BUILTIN, resolve
    from amanuensis.npu.tokenizer import Tokenizer

    folder = resolve(args.model)
    files = ModelFiles.load(folder)
    windows = timed_windows(Tokenizer(folder), files.dimensions.n_mels)
    with share_bar(args.model) as report:
        attention = AttentionOf(files, windows, lambda share: report("listening", share))
    searched = args.search or not files.generation.heads_named
    found = search(attention) if searched else attention.measure(files.generation.alignment_heads)
    written = args.model != BUILTIN
    if written:
        remember(folder, found, heads=searched)
    if args.json:
        print(json.dumps({"model": args.model, "searched": searched, "written": written, **asdict(found)}))
        return 0
    heads = " ".join(f"({layer}, {head})" for layer, head in found.heads)
    print(f"{args.model}: heads {heads}{' were found' if searched else ', named by the model'}")
    print(f"they listen to a word {found.lag_ms:g} ms after it sets in; single words are {found.median_ms:g} ms from")
    print(f"that at the median and {found.p90_ms:g} ms at P90, on the bundled speech of two synthetic voices")
    print("the folder was changed accordingly" if written else "nothing was changed: the built-in model brings its own")
    return 0


def remove(args: argparse.Namespace) -> int:
    """Remove a model after asking."""
    from amanuensis.npu.store import BUILTIN, models_folder, remove_model

    folder = models_folder() / args.model
    if not args.yes and args.model != BUILTIN and folder.is_dir():
        if not sys.stdin.isatty():
            raise UsageError(f"removing model {args.model!r} needs an answer: give --yes")
        print(f"Remove model {args.model} ({folder})? [y/N] ", end="", file=sys.stderr, flush=True)
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            complain("nothing was removed")
            return 1
    remove_model(args.model)
    return done(args, args.model, folder, "removed")


def done(args: argparse.Namespace, name: str, path: Path, what: str) -> int:
    """Tell what was done."""
    print(json.dumps({"name": name, "path": str(path), what: True}) if args.json else f"{name} {what}: {path}")
    return 0


@contextlib.contextmanager
def progress_bar(title: str) -> Iterator[Callable[[Progress], None]]:
    """Give what shows the progress of a pull: a bar on stderr where that is a terminal."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Bar(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as bar:
        task = bar.add_task(title, total=None)

        def report(progress: Progress) -> None:
            bar.update(task, completed=progress.done, total=progress.total, description=f"{title}: {progress.file}")

        yield report


@contextlib.contextmanager
def share_bar(title: str) -> Iterator[Callable[[str, float], None]]:
    """Give what shows the share of some work that is done: a bar on stderr where that is a terminal."""
    if not sys.stderr.isatty():
        yield lambda _what, _share: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=1.0)
        yield lambda what, share: bar.update(task, completed=share, description=f"{title}: {what}")


def as_map(info: ModelInfo) -> dict[str, Any]:
    """Return what is known of a model as JSON takes it."""
    values = asdict(info)
    dimensions, manifest = values.pop("dimensions") or {}, values.pop("manifest") or {}
    manifest.pop("name", None)
    card = str(info.card) if info.card else None
    return values | {"path": str(info.path), "card": card} | manifest | {"dimensions": dimensions}


def summary(info: ModelInfo) -> str:
    """Describe a model in a few words."""
    speaks = f"{len(info.languages)} languages" if info.multilingual else "English"
    return f"{info.parameters / 1e6:.1f} M parameters, {speaks}" + (f", {info.licence}" if info.licence else "")


def origin(folder: Path) -> dict[str, Any]:
    """Return where a pulled model came from."""
    from amanuensis.npu.store import ORIGIN

    try:
        return {"origin": json.loads((folder / ORIGIN).read_text(encoding="utf-8"))}
    except (OSError, ValueError):
        return {}


def in_words(value: object) -> str:
    """Return a value for people."""
    if isinstance(value, dict):
        return ", ".join(f"{key.replace('_', ' ')} {item}" for key, item in value.items())
    if isinstance(value, list | tuple):
        return " ".join(map(str, value))
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def megabytes(size: int) -> str:
    """Return a size in megabytes."""
    return f"{size / 1e6:.1f} MB"

"""Options that several verbs share."""

from __future__ import annotations

import argparse
import dataclasses
import tempfile
import typing
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from counterfeit.config.settings import Data

__all__ = [
    "data_of", "data_options", "evaluation_of", "evaluation_options", "input_options", "run_options",
    "samples_writable", "tables_writable", "writable",
]  # fmt: skip


def evaluation_options(parser: argparse.ArgumentParser) -> None:
    """Every setting of `Evaluation`, but which metrics."""
    from docstring_parser import parse

    from counterfeit.config.settings import Evaluation

    hints = typing.get_type_hints(Evaluation)
    group = parser.add_argument_group("how to evaluate, over the settings of the recipe")
    for meaning in parse(Evaluation.__doc__ or "").params:
        hint = hints[meaning.arg_name]
        if meaning.arg_name != "metrics":
            choices = typing.get_args(hint) if typing.get_origin(hint) is typing.Literal else None
            kind = hint if hint in (int, float) else str
            names = dict.fromkeys(f"--{name}" for name in (meaning.arg_name.replace("_", "-"), meaning.arg_name))
            how: dict[str, Any] = {"type": kind, "choices": choices}
            if hint is bool:
                how = {"action": argparse.BooleanOptionalAction}
            group.add_argument(*names, **how, help=meaning.description)


def evaluation_of(args: argparse.Namespace) -> dict[str, Any]:
    """The settings of `Evaluation` that were given."""
    from counterfeit.config.settings import Evaluation

    given = {field.name: getattr(args, field.name, None) for field in dataclasses.fields(Evaluation)}
    return {name: value for name, value in given.items() if value is not None and name != "metrics"}


def run_options(parser: argparse.ArgumentParser, checkpoint: str = "best") -> None:
    """How a run is opened, and that a program reads the answer."""
    help_ = f"best, newest or a step (default: {checkpoint})"
    parser.add_argument("--checkpoint", default=checkpoint, help=help_)
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, mps")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def input_options(parser: argparse.ArgumentParser, count: int, kind: str = "images") -> None:
    """What a model is to work on: pictures, or another kind, of a person's own, or so many of a split."""
    file = {"images": "picture", "videos": "video"}[kind]
    parser.add_argument("--input", metavar="PATH", help=f"a {file}, folder or zip of yours, in place of test {kind}")
    parser.add_argument("--count", type=int, default=count, help=f"how many test {kind} (default: {count})")
    parser.add_argument("--split", default="test", choices=("train", "valid", "test"), help="of which split")


def writable(path: str | None, folder: bool = False) -> Path | None:
    """The path of a file to write, or of a folder to write into, None for none, checked before any work is done for it.

    Raises:
        ValueError: nothing can be written there.
    """
    if not path:
        return None
    place = Path(path)
    if reason := "standard output holds results" if path == "-" else _obstacle(place, folder):
        raise ValueError(f"{path} cannot be written: {reason}. Name another {'folder' if folder else 'file'}.")
    return place


def samples_writable(path: str | None, default: Path, rate: int | None = None) -> tuple[Path, bool]:
    """Where samples go, and whether that is a folder, checked before any work is done for them.

    Arguments:
        path: that was asked for, if any.
        default: where they go otherwise.
        rate: samples a second, where they are sound.

    Raises:
        ValueError: nothing can be written there, or nothing writes samples so.
    """
    from counterfeit.report.export import writer

    out = Path(path) if path else default
    folder = out.is_dir() or not out.suffix
    writer(out, rate)
    writable(path or str(out), folder)
    return out, folder


def tables_writable(args: argparse.Namespace) -> None:
    """Check the files that tables go to, before any work is done for them; "-" is standard output."""
    for target in (args.markdown, args.latex):
        writable(None if target == "-" else target)


def _obstacle(place: Path, folder: bool) -> str:
    """Why nothing can be written to a place, found by trying; empty where it can."""
    try:
        if place.exists() and not folder and not place.is_file():
            return "it is a folder" if place.is_dir() else "it is no file"
        places = (place, *place.absolute().parents) if folder else place.absolute().parents
        above = next(path for path in places if path.exists())
        if not above.is_dir():
            return f"{above} is a file"
        with tempfile.TemporaryFile(dir=above):
            return ""
    except OSError as error:
        return (error.strerror or str(error)).lower()


def data_options(parser: argparse.ArgumentParser) -> None:
    """The reference data of samples that were made elsewhere."""
    group = parser.add_argument_group("samples made elsewhere")
    group.add_argument("--data", metavar="DATA", help="the source, folder or zip that they are compared with")
    group.add_argument("--data.size", metavar="PIXELS", dest="size", type=int, help="resize the data, not the samples")
    group.add_argument("--data.range", metavar="LOW,HIGH", dest="range", help="the values of the data that are 0 and 1")
    group.add_argument("--data.frames", metavar="N", dest="frames", type=int, help="of videos: how long clips are")
    group.add_argument("--data.transforms", metavar="A,B", dest="transforms", help="as in a recipe, such as binarize")


def data_of(args: argparse.Namespace) -> Data | None:
    """The data that were named."""
    from counterfeit.config.settings import Data

    transforms = tuple(name.strip() for name in args.transforms.split(",")) if args.transforms else ()
    if args.data is None and (args.size or args.range or args.frames or transforms):
        raise ValueError("--data.size, range, frames or transforms came without --data. Name the data they are of.")
    span = args.range or "auto"
    return None if args.data is None else Data(args.data, args.size, transforms, range=span, frames=args.frames)

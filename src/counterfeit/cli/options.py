"""Options that several verbs share."""

from __future__ import annotations

import argparse
import dataclasses
import os
import typing
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from counterfeit.config import Data

__all__ = ["data_of", "data_options", "evaluation_of", "evaluation_options", "writable"]


def evaluation_options(parser: argparse.ArgumentParser) -> None:
    """Every setting of `Evaluation`, but which metrics."""
    from docstring_parser import parse

    from counterfeit.metrics.metric import Evaluation

    hints = typing.get_type_hints(Evaluation)
    group = parser.add_argument_group("how to evaluate, over the settings of the recipe")
    for meaning in parse(Evaluation.__doc__ or "").params:
        hint = hints[meaning.arg_name]
        if meaning.arg_name != "metrics":
            choices = typing.get_args(hint) if typing.get_origin(hint) is typing.Literal else None
            kind = hint if hint in (int, float) else str
            group.add_argument(f"--{meaning.arg_name}", type=kind, choices=choices, help=meaning.description)


def evaluation_of(args: argparse.Namespace) -> dict[str, Any]:
    """The settings of `Evaluation` that were given."""
    from counterfeit.metrics.metric import Evaluation

    given = {field.name: getattr(args, field.name, None) for field in dataclasses.fields(Evaluation)}
    return {name: value for name, value in given.items() if value is not None and name != "metrics"}


def writable(path: str | None) -> Path | None:
    """The path of a file to write, None for none, checked before any work is done for it."""
    if not path:
        return None
    place = Path(path)
    folder = next(parent for parent in (place, *place.absolute().parents) if parent.exists())
    if place.is_dir() or not os.access(folder, os.W_OK):
        reason = "it is a folder" if place.is_dir() else f"{folder} may not be written to"
        raise ValueError(f"{path} cannot be written: {reason}. Name another file.")
    return place


def data_options(parser: argparse.ArgumentParser) -> None:
    """The data that samples imitate which were made elsewhere."""
    group = parser.add_argument_group("samples made elsewhere")
    group.add_argument("--data", metavar="DATA", help="the source, folder or zip that they imitate")
    group.add_argument("--data.size", metavar="PIXELS", dest="size", type=int, help="resize the data, not the samples")
    group.add_argument("--data.transforms", metavar="A,B", dest="transforms", help="as in a recipe, such as binarize")


def data_of(args: argparse.Namespace) -> Data | None:
    """The data that were named."""
    from counterfeit.config import Data

    transforms = tuple(name.strip() for name in args.transforms.split(",")) if args.transforms else ()
    if args.data is None and (args.size or transforms):
        raise ValueError("--data.size or --data.transforms came without --data. Name the data that they are of.")
    return None if args.data is None else Data(args.data, args.size, transforms)

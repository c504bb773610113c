"""Take images to other domains, classes that the run was trained on; draw them in more pixels; or render given ones.

Which of these a run does depends on its model: one that upscales takes pictures of any size and no --to, and one that
learnt pairs takes the first of a pair. A diffusion model with labels translates where there is a --to, and else
upscales.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from counterfeit.cli.options import input_options, run_options, samples_writable
from counterfeit.cli.output import counted, say
from counterfeit.common.files import dumps

if TYPE_CHECKING:
    from torch import Tensor

    from counterfeit.data.images import Span
    from counterfeit.run.run import Run

SUMMARY = "take images to other domains, or draw them in more pixels"
OF_RUNS = True  # which may be of a class of models of one's own
EXAMPLE = """examples:
  counterfeit translate runs/first --to horse                       test images that are no horses
  counterfeit translate runs/first --to horse --input deer.jpg --out horse.png
  counterfeit translate runs/first --to horse --input deer/ --out horses/
  counterfeit translate runs/first --to horse,zebra                 a row of each, below the images
  counterfeit translate runs/first --to all --input deer/ --out many/  a folder of each: many/horse, many/zebra, …
  counterfeit translate runs/large --input small.png --out large.png   by a model that upscales
  counterfeit translate runs/pairs --input sketch.png --out drawn.png  by one that learnt pairs, such as pix2pix
"""


def options(parser: argparse.ArgumentParser) -> None:
    """What the verb takes."""
    parser.add_argument("run", metavar="RUN", help="a run folder of a model that translates or upscales")
    parser.add_argument(
        "--to",
        metavar="DOMAIN[,…]",
        help="the domain to go to: a class of the run's data, or its number; several of them, or all",
    )
    input_options(parser, 24)
    parser.add_argument(
        "--out",
        help="a .png, with the result of one picture, or of several rows of pictures above what they became; a .npy "
        "array, domain after domain; or a folder for single pictures, with one of each where there are several domains "
        "(default: RUN/translations.png)",
    )
    run_options(parser)


def run(parser: argparse.ArgumentParser, arguments: list[str]) -> int:
    """Translate or upscale."""
    args = parser.parse_args(arguments)
    from counterfeit.core import Renders, Translates, Upscales, require
    from counterfeit.run.run import Run

    if args.count < 1:
        raise ValueError(f"--count {args.count} came; at least 1 is expected.")
    source = Run(args.run, args.checkpoint, args.device)
    if not isinstance(source.model, (Renders, Translates, Upscales)):
        raise ValueError(f"{type(source.model).__name__} neither translates nor upscales. Name another run.")
    out, folder = samples_writable(args.out, source.path / "translations.png")
    names: list[str] = []
    if isinstance(source.model, Renders):
        before, *rows = rendered(source, args)
        words = f"{counted(len(before), 'image')} made of given ones"
    elif isinstance(source.model, Translates) and (args.to or not isinstance(source.model, Upscales)):
        labels = domains(source, args.to)
        names = [source.source.called(label) for label in labels]
        before, *rows = translated(source, args, labels)
        words = f"{counted(len(before), 'image')} taken to {', '.join(names)}"
    else:
        before, *rows = upscaled(source, args)
        factor = require(source.model, Upscales).factor
        words = f"{counted(len(before), 'image')} drawn in {factor} times as many pixels a side"
    if len(rows) > 1:
        write_each(before, dict(zip(names, rows, strict=True)), out, folder, source.source.span)
    else:
        write(before, rows[0], out, folder, source.source.span)
    say(f"{words} by {source.name}: {out}")
    if args.json:
        print(dumps({"run": args.run, "to": args.to, "images": sum(map(len, rows)), "out": str(out)}))
    return 0


def domains(run: Run, to: str | None) -> list[int]:
    """The labels of the domains of these names or numbers, with commas between; of every domain where `to` is "all"."""
    names = [run.source.called(label) for label in range(run.source.spec.classes)]
    if to == "all" and to not in names:
        return [*range(len(names))]
    parts = [to] if to in names else [part.strip() for part in (to or "").split(",") if part.strip()]
    if not parts:
        raise ValueError(f"no --to came; one of {', '.join(names)} is expected. Name the domain to go to.")
    return [*dict.fromkeys(run.source.label(part) for part in parts)]


def translated(run: Run, args: argparse.Namespace, to: Sequence[int]) -> list[list[Tensor]]:
    """Images, and the same in each of the domains `to`, in the data's natural unit, (C, H, W) each.

    Images of a split are of all other domains where there is one to go to, and of every domain where there are several.
    """
    from counterfeit.data.selection import spaced
    from counterfeit.data.user_images import read_inputs
    from counterfeit.inference.translation import few

    if args.input:
        x = read_inputs(args.input, run.source).x
    else:
        found = few(run.source, args.split, args.count * run.source.spec.classes)
        x = found.x if len(to) > 1 else found.x[found.y != to[0]]
        x = x[spaced(min(args.count, len(x)), len(x))]
    return [[*run.source.natural(x)], *([*run.translate(x, label)] for label in to)]


def rendered(run: Run, args: argparse.Namespace) -> list[list[Tensor]]:
    """Given images, (C', H, W), and what is made of them, (C, H, W) each, in [0, 1]."""
    from counterfeit.data.images import alike_channels
    from counterfeit.data.selection import evenly_spaced
    from counterfeit.data.user_images import read_given

    if args.to is not None:
        raise ValueError(f"--to {args.to} came; {run.name} makes one kind of pictures of another. Leave it out.")
    some = None if args.input else evenly_spaced(run.source, args.split, args.count)
    given = read_given(args.input, run.source) if some is None else some.labels
    return [[*row] for row in alike_channels(given, run.render(given))]


def upscaled(run: Run, args: argparse.Namespace) -> list[list[Tensor]]:
    """Images, and the same in more pixels, in the data's natural unit, (C, H, W) each."""
    from counterfeit.data.selection import evenly_spaced
    from counterfeit.data.user_images import read_whole

    if args.to is not None:
        raise ValueError(f"--to {args.to} came; {run.name} upscales and knows no domains. Leave it out.")
    if args.input:
        x = read_whole(args.input, run.source.spec.shape[0], run.source.span)
    else:
        x = [*evenly_spaced(run.source, args.split, args.count).x]
    return [x, [run.upscale(one[None])[0] for one in x]]


def write(before: list[Tensor], after: list[Tensor], out: Path, folder: bool, span: Span | None) -> None:
    """Write results: a single one, or rows above what they became, as a .png; an array; or a folder of pictures."""
    import torch

    from counterfeit.data.images import save_png, to_uint8
    from counterfeit.report.export import write_pictures, write_samples
    from counterfeit.report.figures.translation import beside

    if folder:
        write_pictures(after, out)
    elif len({x.shape for x in after}) > 1:
        raise ValueError(f"{out} holds pictures of one size; these are of several. Name a folder as --out.")
    elif out.suffix.lower() != ".png":
        write_samples(torch.stack(after), out, span)
    else:
        save_png(out, to_uint8(after[0]) if len(after) == 1 else beside(torch.stack(before), torch.stack(after)))


def write_each(
    before: list[Tensor], after: Mapping[str, list[Tensor]], out: Path, folder: bool, span: Span | None
) -> None:  # fmt: skip
    """Write results in several domains: a .png of images above a named row of each; an array; or a folder of each."""
    import torch

    from counterfeit.report.export import write_pictures, write_rows, write_samples

    if folder:
        for name, images in after.items():
            write_pictures(images, out / name.replace("/", "_"))
    elif out.suffix.lower() != ".png":
        write_samples(torch.stack([image for images in after.values() for image in images]), out, span)
    else:
        rows = [before, *after.values()]
        write_rows(torch.stack([image for row in rows for image in row]), ["given", *after], [*map(len, rows)], out)

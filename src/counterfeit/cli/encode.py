"""Encode images, see what their codes keep, and change images by way of their codes.

The images are those of a split, or yours. Codes are moved from the mean code of one class to that of another, or along
a direction of your own, and decoded.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from counterfeit.cli.options import run_options, writable
from counterfeit.cli.output import counted, say
from counterfeit.common.files import dumps

if TYPE_CHECKING:
    from torch import Tensor

    from counterfeit.core import Batch
    from counterfeit.run.run import Run

SUMMARY = "find codes of images, and reconstruct or change images by them"
OF_RUNS = True  # which may be of a class of models of one's own
EXAMPLE = """examples:
  counterfeit encode runs/first                               codes and labels of the test split: RUN/codes.npz
  counterfeit encode runs/first --split train --out z.npy     codes alone
  counterfeit encode runs/first --input pictures/ --reconstruct pairs.png
  counterfeit encode runs/first --edit three.png --from 8 --to 3  eights that become threes
  counterfeit encode runs/first --input me.png --edit me2.png --direction way.npy
"""
SHOWN = 12  # images of an edit, and in a row of reconstructions
STEPS = 10  # of an edit


def options(parser: argparse.ArgumentParser) -> None:
    """What the verb takes."""
    parser.add_argument("run", metavar="RUN", help="a run folder of a model that encodes")
    parser.add_argument("--input", metavar="PATH", help="a picture, folder or zip of yours, in place of a split")
    parser.add_argument("--split", default="test", choices=("train", "valid", "test"), help="default: test")
    parser.add_argument("--count", type=int, help="how many of the split, evenly spaced (default: all)")
    parser.add_argument(
        "--out",
        help="a .npz (codes `z`, labels `y`) or .npy (codes) (default: RUN/codes.npz, unless a picture is asked for)",
    )
    parser.add_argument("--reconstruct", metavar="PNG", help="show images above what their codes decode to")
    group = parser.add_argument_group("edits")
    group.add_argument("--edit", metavar="PNG", help="show what images turn into as their codes move")
    group.add_argument("--to", metavar="CLASS", help="move towards the mean code of a class")
    group.add_argument("--from", dest="away", metavar="CLASS", help="away from that of another (default: of all)")
    group.add_argument("--direction", metavar="FILE", help="or along a .npy: (latent,), or from one code to another")
    group.add_argument("--strength", type=float, default=1.0, help="how far, in lengths of the way (default: 1)")
    parser.add_argument("--seed", type=int, default=0, help="of codes that are drawn (default: 0)")
    run_options(parser)


def run(parser: argparse.ArgumentParser, arguments: list[str]) -> int:
    """Encode."""
    args = parser.parse_args(arguments)
    _check(args)
    from counterfeit.report.export import write_codes
    from counterfeit.run.run import Run

    source = Run(args.run, args.checkpoint, args.device)
    asked = args.out or not (args.reconstruct or args.edit)  # pictures alone, where they alone were asked for
    out = Path(args.out) if args.out else source.path / "codes.npz"
    for place in (str(out) if asked else None, args.reconstruct, args.edit):
        writable(place)
    if args.reconstruct or args.edit:
        _decodes(source)
    batch = given(source, args)
    course = way(source, batch, args) if args.edit else None
    facts: dict[str, Any] = {"run": args.run, "n": len(batch.x)}
    if asked:
        z = source.encode(batch.x, args.seed)
        write_codes(z, batch.y, out)
        say(f"{counted(len(z), 'code')} of size {z.shape[1]} of {source.name}: {out}")
        facts |= {"latent": z.shape[1], "out": str(out)}
    if args.reconstruct:
        facts |= {"reconstruct": args.reconstruct, "mse": reconstruct(source, batch.x, args)}
        say(f"Reconstructions, mean squared error {facts['mse']:.4g}: {args.reconstruct}")
    if course:
        edit(source, *course, args)
        facts["edit"] = args.edit
        say(f"Edits: {args.edit}")
    if args.json:
        print(dumps(facts))
    return 0


def _check(args: argparse.Namespace) -> None:
    suffix = Path(args.out).suffix.lower() if args.out else ".npz"
    if suffix not in {".npy", ".npz"}:
        raise ValueError(f"--out {args.out} came; a .npy or .npz is expected. Change its ending.")
    for name in ("reconstruct", "edit"):
        path = getattr(args, name)
        if path and Path(path).suffix.lower() != ".png":
            raise ValueError(f"--{name} {path} came; a .png is expected. Change its ending.")
    if args.count is not None and args.count < 1:
        raise ValueError(f"--count {args.count} came; at least 1 is expected. Leave it out for all.")
    if args.edit and (args.to is None) == (args.direction is None):
        raise ValueError("--edit came; either --to or --direction is expected with it. Say where codes move.")
    if not args.edit and (args.to or args.away or args.direction):
        raise ValueError("--to, --from or --direction came without --edit. Say where the picture goes: --edit new.png.")
    if args.away and args.to is None:
        raise ValueError(f"--from {args.away} came without --to. Name the class that codes move to.")


def given(run: Run, args: argparse.Namespace) -> Batch:
    """Images as the model sees them, and their labels where they are of a split."""
    from counterfeit.core import Batch
    from counterfeit.data.selection import evenly_spaced
    from counterfeit.data.user_images import read_examples

    if not args.input:
        return evenly_spaced(run.source, args.split, args.count, args.seed)
    return Batch(read_examples([args.input], run.source)[1])


def reconstruct(run: Run, x: Tensor, args: argparse.Namespace) -> float:
    """Write the first images above what their codes decode to; the mean squared error of all of them."""
    from counterfeit.common.numerics import mean_squared_error
    from counterfeit.data.images import save_png
    from counterfeit.inference.encoding import reconstruct
    from counterfeit.report.html.grids import stacked

    y = reconstruct(run.model, x, 1_000, args.seed).cpu()
    shown = (run.source.natural(some[: 4 * SHOWN]).split(SHOWN) for some in (x, y))
    save_png(args.reconstruct, stacked(list(zip(*shown, strict=True))))
    return float(mean_squared_error(x, y).mean())


def way(run: Run, batch: Batch, args: argparse.Namespace) -> tuple[Tensor, Tensor]:
    """Images to change, (N, *shape), of the class to move from where one is named; and where codes move, (latent,)."""
    from counterfeit.report.figures.edits import directions, read_direction

    if args.direction:
        direction, away = read_direction(args.direction, run.encode(batch.x[:1]).shape[1]), None
    else:
        direction, away = directions(run, args.to, args.away)
    chosen = batch.x if away is None or batch.y is None else batch.x[batch.y == away]
    if not len(chosen):
        raise ValueError(f"none of {len(batch.x)} images is of class {args.away}; one is expected. Raise --count.")
    return chosen[:SHOWN], direction


def edit(run: Run, x: Tensor, direction: Tensor, args: argparse.Namespace) -> None:
    """Write the images `x`, (N, *shape), beside what they turn into."""
    from counterfeit.data.images import save_png, to_uint8
    from counterfeit.data.labelled_images import below_texts, headed
    from counterfeit.report.figures.edits import board, edit

    if args.input and len(x) == 1:  # one picture in, one picture out
        (changed,) = edit(run, x, direction, torch.tensor([args.strength]))
        save_png(args.edit, to_uint8(changed[0]))
        return
    amounts = torch.linspace(0, args.strength, STEPS)
    changed = edit(run, x, direction, amounts)
    course = f"along {args.direction}" if args.direction else f"from {args.away or 'the mean'} to {args.to}"
    title, heads = f"{course}: lengths of the way", ["given", *(f"{amount:.2g}" for amount in amounts.tolist())]
    grid = headed(heads, board(run.source.natural(x), changed), "#000000", "#ffffff")
    save_png(args.edit, below_texts([title], [grid], "#000000", "#ffffff"))


def _decodes(run: Run) -> None:
    from counterfeit.core import Decodes
    from counterfeit.report.html.grids import has_images

    if not isinstance(run.model, Decodes) or not has_images(run):
        what = f"{type(run.model).__name__} on data of shape {run.source.spec.shape}"
        raise ValueError(f"{what} came; a model that decodes to images is expected. Ask for codes alone.")

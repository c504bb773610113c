"""Complete images of which a part is missing: draw it given the rest.

What is missing is named by --mask, as a half, the center, scattered pixels, or a picture that is white there; or it is
what is transparent in a picture of your own.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from counterfeit.cli.options import input_options, run_options, samples_writable
from counterfeit.cli.output import counted, say
from counterfeit.common.files import dumps
from counterfeit.data.user_images import read_inputs, read_mask
from counterfeit.nets.masks import KINDS, mask_of

if TYPE_CHECKING:
    from counterfeit.run.run import Run

SUMMARY = "draw what is missing of images, given the rest"
OF_RUNS = True  # which may be of a class of models of one's own
EXAMPLE = """examples:
  counterfeit complete runs/first                                 test images, every kind of mask in turn
  counterfeit complete runs/first --mask left --n 8               eight draws of each left half
  counterfeit complete runs/first --mask hole.png                 what is white in hole.png is missing
  counterfeit complete runs/first --input torn.png --out new.png  what is transparent in torn.png is missing
  counterfeit complete runs/first --input pictures/ --mask top --out all.npy
"""


DRAWS = 6  # of each image, where nobody says how many


def options(parser: argparse.ArgumentParser) -> None:
    """What the verb takes."""
    parser.add_argument("run", metavar="RUN", help="a run folder of a model that completes")
    parser.add_argument(
        "--mask", metavar="KIND|FILE",
        help=f"what is missing: {', '.join(KINDS)}, or a picture that is white there (default: what is transparent in "
        "--input, else each kind in turn)",
    )  # fmt: skip
    input_options(parser, 12)
    parser.add_argument("-n", "--n", type=int, help="draws of each (default: 6; 1 of a single picture of yours)")
    parser.add_argument("--seed", type=int, default=0, help="the same seed gives the same draws (default: 0)")
    parser.add_argument(
        "--out",
        help="a .png with a row for each image, a .npy array (N, n, C, H, W), or a folder for single pictures "
        "(default: RUN/completions.png)",
    )
    run_options(parser)


def run(parser: argparse.ArgumentParser, arguments: list[str]) -> int:
    """Complete."""
    args = parser.parse_args(arguments)
    from counterfeit.data.images import save_png, to_uint8
    from counterfeit.report.export import write_samples
    from counterfeit.report.figures.completion import board
    from counterfeit.run.run import Run

    for name in ("count", "n"):
        if getattr(args, name) is not None and getattr(args, name) < 1:
            raise ValueError(f"--{name} {getattr(args, name)} came; at least 1 is expected.")
    source = Run(args.run, args.checkpoint, args.device)
    out, folder = samples_writable(args.out, source.path / "completions.png")
    x, mask = given(source, args)
    args.n = args.n or (1 if args.input and len(x) == 1 else DRAWS)
    draws = source.complete(x, mask, args.n, args.seed)
    if args.input and len(x) == args.n == 1 and out.suffix.lower() == ".png":  # one picture in, one picture out
        save_png(out, to_uint8(draws[0, 0]))
    elif out.suffix.lower() == ".png" and not folder:
        save_png(out, board(source.source.natural(x), mask, draws, truth=not args.input))
    else:
        write_samples(draws.flatten(0, 1) if folder else draws, out, source.source.span)
    say(f"Completions by {source.name} of {counted(len(x), 'image')}, {args.n} each: {out}")
    if args.json:
        facts = {"run": args.run, "mask": args.mask, "images": len(x), "n": args.n, "seed": args.seed}
        print(dumps({**facts, "missing": float(1 - mask.mean()), "out": str(out)}))
    return 0


def given(run: Run, args: argparse.Namespace) -> tuple[Tensor, Tensor]:
    """Images, as the model sees them, and masks, (N, C, H, W) both."""
    from counterfeit.data.selection import evenly_spaced

    if not args.input:
        x = evenly_spaced(run.source, args.split, args.count, args.seed).x
        kinds = [args.mask] if args.mask else KINDS
        masks = [named(kind, run) for kind in kinds]
        return x, torch.stack([masks[i % len(masks)] for i in range(len(x))])
    x, mask, _ = read_inputs(args.input, run.source)
    mask = mask * named(args.mask, run) if args.mask else mask
    if bool((mask == 1).all()):
        raise ValueError(f"{args.input} has nothing transparent; something missing is expected. Say what: --mask left.")
    return x, mask


def named(mask: str, run: Run) -> Tensor:
    """The mask of a kind, or that in a picture, (C, H, W)."""
    kind = next((kind for kind in KINDS if kind == mask), None)
    if kind is None and not Path(mask).expanduser().exists():
        raise ValueError(f"--mask {mask} came; {', '.join(KINDS)}, or a picture that is there, is expected.")
    return mask_of(kind, run.source.spec.shape) if kind else read_mask(mask, run.source.spec)

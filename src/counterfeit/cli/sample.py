"""Draw samples from a run, as a picture, as single pictures, or as an array."""

from __future__ import annotations

import argparse
import json

from counterfeit.cli.options import samples_writable
from counterfeit.cli.output import say

EXAMPLE = """examples:
  counterfeit sample runs/first                          a grid of 64, as samples.png beside the run's own
  counterfeit sample runs/first --n 10000 --out all.npy  an array of all values
  counterfeit sample runs/first --n 100 --out pictures/  a folder of single pictures
  counterfeit sample runs/digits --caption "a small green three at the bottom"
"""


def options(parser: argparse.ArgumentParser) -> None:
    """What the verb takes."""
    parser.add_argument("run", metavar="RUN", help="a run folder")
    parser.add_argument("-n", "--n", type=int, default=64, help="how many (default: 64)")
    parser.add_argument("--seed", type=int, default=0, help="the same seed gives the same samples (default: 0)")
    parser.add_argument(
        "--out", help="a .png grid, a .npy array, or a folder for single pictures (default: RUN/samples.png)"
    )
    parser.add_argument("--caption", help="what samples should show, where the model was trained on captions")
    parser.add_argument("--mean", action="store_true", help="decoded means in place of draws")
    parser.add_argument("--checkpoint", default="best", help="best, newest or a step (default: best)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, mps")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(parser: argparse.ArgumentParser, arguments: list[str]) -> int:
    """Sample."""
    args = parser.parse_args(arguments)
    from counterfeit.report.export import write_samples
    from counterfeit.run import Run

    source = Run(args.run, args.checkpoint, args.device)
    place, _ = samples_writable(args.out, source.path / "samples.png")
    y = None if args.caption is None else source.tokens(args.caption, args.n)
    out = write_samples(source.sample(args.n, args.seed, y, mean=args.mean and y is None), place, source.source.span)
    say(f"{args.n} samples of {source.name}: {out}")
    if args.json:
        print(json.dumps({"run": args.run, "n": args.n, "seed": args.seed, "out": str(out)}))
    return 0

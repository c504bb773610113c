"""Measure a run; results are kept in its evaluation.json with their protocols."""

from __future__ import annotations

import argparse
from pathlib import Path

from counterfeit.cli.output import measured, say

EXAMPLE = """examples:
  counterfeit evaluate runs/first
  counterfeit evaluate runs/first --metrics parzen,nearest --samples 1000 --json
  counterfeit evaluate runs/seed0 runs/seed1 runs/seed2 --record results/gan.json    mean and spread over runs
"""


def options(parser: argparse.ArgumentParser) -> None:
    """What the verb takes."""
    parser.add_argument("runs", metavar="RUN", nargs="+", help="a run folder, or several")
    parser.add_argument(
        "--metrics", metavar="A,B", help="names from `counterfeit list metrics` (default: the recipe's)"
    )
    parser.add_argument("--split", choices=("valid", "test"), help="the split that results speak of")
    parser.add_argument("--samples", type=int, help="samples drawn from the model")
    parser.add_argument("--importance", type=int, help="importance samples for each example, for bounds")
    parser.add_argument("--limit", type=int, help="evaluate on the first so many examples; 0 takes all")
    parser.add_argument("--seed", type=int, help="seed of the samples")
    parser.add_argument("--checkpoint", default="best", help="best, newest or a step (default: best)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, mps")
    parser.add_argument("--record", metavar="FILE", help="keep results, costs and commands of all runs in a JSON file")
    parser.add_argument(
        "--json", action="store_true", help="print {metric: {value, error, n, protocol}}, by run if several"
    )


def run(parser: argparse.ArgumentParser, arguments: list[str]) -> int:
    """Evaluate."""
    args = parser.parse_args(arguments)
    from counterfeit.report.record import record
    from counterfeit.run import Run

    names = ("split", "samples", "importance", "limit", "seed")
    given = {name: getattr(args, name) for name in names if getattr(args, name) is not None}
    metrics = [name.strip() for name in args.metrics.split(",")] if args.metrics else []
    runs = [Run(path, args.checkpoint, args.device) for path in args.runs]
    results = {run.name: run.evaluate(*metrics, **given) for run in runs}
    if args.record:  # first: the reader of what is printed may go away
        say(f"Recorded: {record(runs, results, Path(args.record))}")
    measured(results, args.json)
    return 0

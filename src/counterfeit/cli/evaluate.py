"""Measure runs, or samples of any other program; every number comes with its error and its protocol.

A run keeps its results in its evaluation.json. Samples made elsewhere are a folder or zip of pictures, or a .npy or
.npz array of uint8, or of floats in [0, 1]; NAME:SPLIT, as mnist:train, puts real data in their place.
"""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from counterfeit.cli.options import data_of, data_options, evaluation_of, evaluation_options, writable
from counterfeit.cli.output import Watch, measured, say

if TYPE_CHECKING:
    from counterfeit.config.settings import Data
    from counterfeit.evaluation.subject import Subject

SUMMARY = "measure runs, or samples of any other program"
OF_RUNS = True  # which may be of a class of models of one's own
EXAMPLE = """examples:
  counterfeit evaluate runs/first
  counterfeit evaluate runs/first --metrics parzen,nearest --samples 1000 --json
  counterfeit evaluate runs/first --metrics all --seeds 3                 mean and spread over samples
  counterfeit evaluate samples.zip --data mnist --metrics parzen          of any other program
  counterfeit evaluate mnist:train samples.npy --data mnist               beside what real data reach
  counterfeit evaluate runs/seed0 runs/seed1 --record results/gan.json    mean and spread over runs
"""


def options(parser: argparse.ArgumentParser) -> None:
    """What the verb takes."""
    parser.add_argument("subjects", metavar="RUN|SAMPLES", nargs="+", help="run folders, samples, or splits of data")
    parser.add_argument(
        "--metrics", metavar="A,B", help="names from `counterfeit list metrics`, or all (default: the recipe's)"
    )
    evaluation_options(parser)
    data_options(parser)
    parser.add_argument("--checkpoint", default="best", help="best, newest or a step (default: best)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, mps")
    parser.add_argument("--record", metavar="FILE", help="keep results, costs and commands of all in a JSON file")
    parser.add_argument(
        "--json", action="store_true", help="print {metric: {value, error, n, protocol}}, by run if several"
    )


def run(parser: argparse.ArgumentParser, arguments: list[str]) -> int:
    """Evaluate."""
    args = parser.parse_args(arguments)
    from counterfeit.evaluation.measure import Results, UnmeasuredError
    from counterfeit.report.results_file import record

    kept = writable(args.record)
    metrics = [name.strip() for name in args.metrics.split(",")] if args.metrics is not None else []
    data, given = data_of(args), evaluation_of(args)
    subjects = dict(zip(names(args.subjects), [subject(path, args, data) for path in args.subjects], strict=True))
    results: dict[str, Results] = {}
    seedless(subjects, given)
    failed: dict[str, UnmeasuredError] = {}
    for name, one in subjects.items():
        try:
            with Watch(name) as watch:
                results[name] = one.evaluate(*metrics, tell=watch, **given)
        except UnmeasuredError as error:
            failed[name] = error
            if len(failed) == len(subjects):
                raise
    results |= {name: Results({}, error.skipped) for name, error in failed.items()}
    if kept:  # first: the reader of what is printed may go away
        say(f"Recorded: {record(subjects, results, kept, shlex.join(['counterfeit', 'evaluate', *arguments]))}")
    measured(results, args.json)
    return 0


def seedless(subjects: Mapping[str, Subject], given: Mapping[str, Any]) -> None:
    """Say whose samples are the same under all the seeds that were asked for."""
    asked = given.get("seeds", 1)
    fixed = [name for name, one in subjects.items() if one.settings(**given).seeds < asked]
    if fixed:
        say(f"{', '.join(fixed)}: fixed samples have no seeds; all of them are measured, once, not {asked} times.")


def names(paths: list[str]) -> list[str]:
    """The last part of each path, or all of it where that is not enough to tell them apart.

    Example:
        >>> names(["a/run", "b/run", "b/other"])
        ['a/run', 'b/run', 'other']
    """
    last = [path if ":" in path else Path(path).resolve().name for path in paths]
    return [name if last.count(name) == 1 else path for name, path in zip(last, paths, strict=True)]


def subject(path: str, args: argparse.Namespace, data: Data | None) -> Subject:
    """The run in a folder, measured against data where they are named; or samples made elsewhere, or a split."""
    from counterfeit import catalogue
    from counterfeit.evaluation.fixed_samples import outside
    from counterfeit.run.folder import other_runs
    from counterfeit.run.raw_view import view
    from counterfeit.run.run import Run

    trained = (Path(path) / "run.yaml").is_file()
    if not trained and (data or ":" in path):
        return outside(path, data)
    if not trained:
        raise ValueError(
            f"{path} is no run folder: it holds no run.yaml. {other_runs(Path(path))} Of samples, say with --data what "
            "they are compared with."
        )
    run = Run(path, args.checkpoint, args.device)
    return view(run, catalogue.source(data)) if data else run.subject

"""Go on with a run from its newest checkpoint, bit for bit as if it had never stopped."""

from __future__ import annotations

import argparse

from counterfeit.cli.output import finish
from counterfeit.cli.settings import settings

SUMMARY = "go on with a run from its newest checkpoint"
OF_RUNS = True  # which may be of a class of models of one's own
EXAMPLE = """examples:
  counterfeit resume runs/gan-20260101-120000
  counterfeit resume runs/first --train.steps 20000    train on for longer
"""


def options(parser: argparse.ArgumentParser) -> None:
    """What the verb takes beside training settings."""
    parser.add_argument("run", metavar="RUN", help="a run folder")
    parser.add_argument(
        "--anew", action="store_true", help="train from the start a run that was stopped before its first checkpoint"
    )
    parser.add_argument("--no-evaluate", action="store_true", help="do not evaluate after training")
    parser.add_argument("--no-report", action="store_true", help="do not write report.html")
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")


def run(parser: argparse.ArgumentParser, arguments: list[str]) -> int:
    """Resume."""
    args, rest = parser.parse_known_args(arguments)
    from counterfeit.run.run import Run

    resumed, summary = Run(args.run).proceed(settings(rest), anew=args.anew)
    return finish(resumed, summary, evaluate=not args.no_evaluate, report=not args.no_report, as_json=args.json)

"""Write a run's report: one self-contained page that opens without a network."""

from __future__ import annotations

import argparse

from counterfeit.cli.options import writable
from counterfeit.cli.output import say
from counterfeit.common.files import dumps

SUMMARY = "write a run's report page"
OF_RUNS = True  # which may be of a class of models of one's own
EXAMPLE = """example:
  counterfeit report runs/first
"""


def options(parser: argparse.ArgumentParser) -> None:
    """What the verb takes."""
    parser.add_argument("run", metavar="RUN", help="a run folder")
    parser.add_argument("--checkpoint", default="best", help="best, newest or a step (default: best)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(parser: argparse.ArgumentParser, arguments: list[str]) -> int:
    """Report."""
    args = parser.parse_args(arguments)
    from counterfeit.report.run_page.page import write
    from counterfeit.run.run import Run

    chosen = Run(args.run, args.checkpoint)
    writable(str(chosen.path / "report.html"))
    page = write(chosen)
    say(f"Report: {page}")
    if args.json:
        print(dumps({"run": args.run, "report": str(page)}))
    return 0

"""Put runs, and samples of any other program, side by side; only numbers of one protocol are ranked.

What a run's evaluation.json does not hold is measured and kept there. The page needs no network and no other file.
"""

from __future__ import annotations

import argparse

from counterfeit.cli.evaluate import names, seedless, subject
from counterfeit.cli.options import (
    data_of,
    data_options,
    evaluation_of,
    evaluation_options,
    run_options,
    tables_writable,
    writable,
)
from counterfeit.cli.output import Watch, say, show
from counterfeit.common.files import dumps

SUMMARY = "put runs side by side, on one page"
OF_RUNS = True  # which may be of a class of models of one's own
EXAMPLE = """examples:
  counterfeit compare runs/gan runs/vae                                 a table here, and comparison.html
  counterfeit compare runs/seed0 runs/seed1 --metrics parzen,nearest --split test
  counterfeit compare runs/gan samples.zip --data mnist                 beside samples of any other program
  counterfeit compare runs/gan runs/vae --data digits                   gray and binary pixels, both against gray digits
  counterfeit compare runs/gan runs/vae --markdown --page ''            a table to paste, and no page
  counterfeit compare runs/gan runs/vae --latex table.tex --json
"""


def options(parser: argparse.ArgumentParser) -> None:
    """What the verb takes."""
    parser.add_argument("subjects", metavar="RUN|SAMPLES", nargs="+", help="run folders, samples, or splits of data")
    parser.add_argument(
        "--metrics", metavar="A,B", help="names from `counterfeit list metrics` (default: all that apply)"
    )
    parser.add_argument(
        "--page", metavar="FILE", default="comparison.html", help="the page (default: comparison.html; '' for none)"
    )
    for name in ("markdown", "latex"):
        parser.add_argument(f"--{name}", metavar="FILE", nargs="?", const="-", help=f"the tables as {name}, or to FILE")
    evaluation_options(parser)
    data_options(parser)
    run_options(parser)


def run(parser: argparse.ArgumentParser, arguments: list[str]) -> int:
    """Compare."""
    args = parser.parse_args(arguments)
    data, split = (None, args.data) if args.data in ("valid", "test") else (args.data, None)
    args.data, args.split = data, args.split or split
    from counterfeit.report.comparison.compare import compare, cost_table, table
    from counterfeit.report.comparison.page import write

    page = writable(args.page)
    tables_writable(args)
    chosen, called = data_of(args), names(args.subjects)
    metrics = [name.strip() for name in args.metrics.split(",")] if args.metrics is not None else []
    contestants = dict(zip(called, [subject(path, args, chosen) for path in args.subjects], strict=True))
    seedless(contestants, evaluation_of(args))
    with Watch("comparing") as watch:
        found = compare(contestants, metrics, evaluation_of(args), watch)
    if page:
        say(f"Page: {write(found, page)}")
    tables = [table(found), cost_table(found)]
    show(tables, args.markdown, args.latex, None if not args.json else dumps(found.to_dict()))
    if found.differences:
        say(f"Not all is ranked together, since not all is measured alike. {found.remedy}".strip())
    return 0

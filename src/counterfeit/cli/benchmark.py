"""Train recipes of all families on the same data for the same time, measure all alike, and write one page.

Of every model that draws samples those recipes are taken that were made for data of the nearest shape, where they learn
such data. A short trial says how many steps the time is, and is kept, so that each run can be repeated exactly. Called
again with the same folder it goes on where it stopped. Any setting of data, training and evaluation can be given over
those of every recipe, such as --data.size 32 or --evaluate.samples 10000.
"""

from __future__ import annotations

import argparse
import shlex
from typing import Any

from counterfeit.cli.output import say, show
from counterfeit.cli.settings import settings
from counterfeit.common.files import dumps

SUMMARY = "train all families on your data for the same time, and compare them"
EXAMPLE = """examples:
  counterfeit benchmark --data mnist --budget 10m                       every family that suits the data
  counterfeit benchmark --data ~/pictures --data.size 32 --budget 30m   on your own pictures
  counterfeit benchmark --budget 1m --families adversarial,diffusion    some families, on the bundled digits
  counterfeit benchmark --data mnist --recipes gan-mnist,vae-mnist --seeds 0,1,2 --jobs 2
  counterfeit benchmark --data mnist --plan                             what would be trained, and how long it takes
"""


def options(parser: argparse.ArgumentParser) -> None:
    """What the verb takes beside settings over those of every recipe."""
    parser.add_argument("--data", default="digits", help="a source, or the path of a folder, zip or array")
    parser.add_argument(
        "--budget", default="10m", metavar="TIME", help="training time of each, such as 90s, 10m, 1.5h (default: 10m)"
    )
    parser.add_argument("--out", metavar="DIR", help="the folder (default: runs/benchmark-DATA-BUDGET)")
    parser.add_argument("--recipes", metavar="A,B", help="recipes, by name or file, in place of all that suit")
    parser.add_argument("--families", metavar="A,B", help="families, as `counterfeit list models` has them")
    parser.add_argument("--seeds", metavar="A,B", default="0", help="of training (default: 0)")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="trained beside each other (default: 1)")
    parser.add_argument("--metrics", metavar="A,B", help="names from `counterfeit list metrics`")
    parser.add_argument("--plan", action="store_true", help="say what would be trained, and train nothing")
    parser.add_argument(
        "--markdown", metavar="FILE", nargs="?", const="-", help="the table as Markdown, to FILE where one is named"
    )
    parser.add_argument("--latex", metavar="FILE", nargs="?", const="-", help="the table as LaTeX")
    parser.add_argument("--record", metavar="FILE", help="keep the result in a JSON file, too")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(parser: argparse.ArgumentParser, arguments: list[str]) -> int:
    """Benchmark."""
    args, rest = parser.parse_known_args(arguments)
    from counterfeit.benchmarking.benchmark import carried_out, chosen, ordered
    from counterfeit.benchmarking.order import write
    from counterfeit.benchmarking.page import write as write_page
    from counterfeit.benchmarking.table import table
    from counterfeit.cli.options import tables_writable, writable

    if args.jobs < 1:
        raise ValueError(f"--jobs {args.jobs} came; at least 1 is expected.")
    record = writable(args.record)
    tables_writable(args)
    given: dict[str, Any] = {**settings(rest), **({"evaluate.metrics": _names(args.metrics)} if args.metrics else {})}
    order, source = ordered(args.data, args.budget, args.out, given)
    entries, refused = chosen(order, source, _names(args.recipes), _names(args.families), _seeds(args.seeds))
    if refused:
        say(f"Left out: {', '.join(refused)}" + ("" if args.plan else "; the page says why"))
    say(_told(len(entries), order.budget, args.jobs))
    if args.plan:
        print("\n".join(f"{entry.name} ({entry.family})" for entry in entries))
        print("\n".join(f"left out: {recipe}: {why}" for recipe, why in refused.items()))
        return 0
    command = shlex.join(["counterfeit", "benchmark", *arguments])
    made = carried_out(order, source, entries, refused, args.jobs, command)
    if record:
        write(record, made.to_dict())
    say(f"Page: {write_page(made, order)}")
    show([table(made)], args.markdown, args.latex, dumps(made.to_dict()) if args.json else None)
    return 0


def _names(text: str | None) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()] if text else []


def _seeds(text: str) -> list[int]:
    seeds = _names(text)
    if not seeds or not all(seed.isdecimal() for seed in seeds):
        raise ValueError(f"--seeds {text!r} came; numbers are expected, such as 0,1,2.")
    return [*dict.fromkeys(map(int, seeds))]


def _told(count: int, budget: float, jobs: int) -> str:
    """How long it takes, in a line."""
    from counterfeit.report.run_page.facts import duration

    each, all_ = duration(budget), duration(-(-count // jobs) * budget)
    return f"{count} to train, {each} each: about {all_}, and the time that trials and measurements take"

"""Say of files how likely, or how strange, each is to a model.

Explicit models give the log-likelihood of each file, or its lower bound, in nats and in bits per dimension of the data
as given. Other models give an anomaly score. The p-value of a file is the share of held-out data that are at least as
strange.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from counterfeit.cli.options import run_options, writable
from counterfeit.cli.output import counted, say, table
from counterfeit.common.files import dumps

if TYPE_CHECKING:
    from counterfeit.core import Batch
    from counterfeit.report.score_page import ScoredExamples
    from counterfeit.run.run import Run

SUMMARY = "say of files how likely, or how strange, each is to a model"
OF_RUNS = True  # which may be of a class of models of one's own
EXAMPLE = """examples:
  counterfeit score runs/vae pictures/                    each picture: RUN/scores.csv, and a page RUN/scores.html
  counterfeit score runs/made a.png b.png --out my.csv
  counterfeit score runs/maf rows.npy --out my.json
  counterfeit score runs/vae                              the test split: its most and its least likely examples
  counterfeit score runs/bigan pictures/ --by reconstruction
"""
HELD_OUT = 2_000  # examples of the validation split, at most, that p-values compare with
PRINTED = 5  # examples at each end


def options(parser: argparse.ArgumentParser) -> None:
    """What the verb takes."""
    parser.add_argument("run", metavar="RUN", help="a run folder of a model with a density, bound, energy or codes")
    parser.add_argument("files", metavar="FILE", nargs="*", help="pictures, WAVs, folders, zips, arrays, tables, texts")
    parser.add_argument("--split", default="test", choices=("train", "valid", "test"), help="where no file is named")
    parser.add_argument("--count", type=int, help="how many of the split, evenly spaced (default: all)")
    parser.add_argument(
        "--by", metavar="SCORE",
        help="log-density, elbo, energy, reconstruction or discriminator (default: the first that the model has)",
    )  # fmt: skip
    parser.add_argument("--out", help="a .csv or .json with a row for each file (default: RUN/scores.csv)")
    parser.add_argument(
        "--page", metavar="HTML", help="a page of the most and the least likely (default: beside --out)"
    )
    parser.add_argument("--top", type=int, default=24, help="how many of each the page shows (default: 24)")
    parser.add_argument("--seed", type=int, default=0, help="of whatever the score draws (default: 0)")
    run_options(parser)


def run(parser: argparse.ArgumentParser, arguments: list[str]) -> int:
    """Score."""
    args = parser.parse_args(arguments)
    _check(args)
    from counterfeit.common.files import atomic
    from counterfeit.report.score_page import page
    from counterfeit.run.run import Run

    source = Run(args.run, args.checkpoint, args.device)
    out = Path(args.out) if args.out else source.path / "scores.csv"
    html = Path(args.page) if args.page else out.with_suffix(".html")
    for place in (out, html):
        writable(str(place))
    names, batch = given(source, args)
    found = scored(source, names, batch, args)
    write(found, out)
    by = f"{source.name}'s {found.scored.by}"
    with atomic(html) as part:
        part.write_text(page(f"Scores of {source.name}", by, found, args.top), encoding="utf-8")
    if args.json:
        print(dumps({"run": args.run, "by": found.scored.by, "n": len(names), "out": str(out), "page": str(html)}))
        return 0
    _print(found)
    say(f"{counted(len(names), 'example')} by {by}: {out} and {html}")
    return 0


def _check(args: argparse.Namespace) -> None:
    from counterfeit.inference.scoring import SCORES

    for name in ("count", "top"):
        if getattr(args, name) is not None and getattr(args, name) < 1:
            raise ValueError(f"--{name} {getattr(args, name)} came; at least 1 is expected. Raise it.")
    if args.out and Path(args.out).suffix.lower() not in {".csv", ".json"}:
        raise ValueError(f"--out {args.out} came; a .csv or .json is expected. Change its ending.")
    if args.page and Path(args.page).suffix.lower() not in {".html", ".htm"}:
        raise ValueError(f"--page {args.page} came; a .html is expected. Change its ending.")
    if args.by is not None and args.by not in SCORES:
        raise ValueError(f"--by {args.by} came; {', '.join(SCORES)} are known. Name one of them.")
    if args.files and args.count is not None:
        raise ValueError("--count came with files, of which all are scored. Leave it out.")


def given(run: Run, args: argparse.Namespace) -> tuple[list[str], Batch]:
    """What each example is called, and the examples as the model sees them: of the files, or of a split."""
    from counterfeit.core import Batch
    from counterfeit.data.selection import evenly_spaced, spaced
    from counterfeit.data.user_images import read_examples

    if args.files:
        names, x = read_examples(args.files, run.source, args.seed)
        return names, Batch(x)
    batch = evenly_spaced(run.source, args.split, args.count, args.seed)
    return [f"{args.split}[{i}]" for i in spaced(len(batch.x), run.source.sizes[args.split]).tolist()], batch


def scored(run: Run, names: list[str], batch: Batch, args: argparse.Namespace) -> ScoredExamples:
    """The examples with their scores, and how rare such scores are in the validation split."""
    from counterfeit.data.selection import evenly_spaced
    from counterfeit.data.sources.text_lines import Text
    from counterfeit.inference.scoring import p_values
    from counterfeit.report.score_page import ScoredExamples

    found = run.scores(batch.x, batch.y, args.by, args.seed)
    held_out = evenly_spaced(run.source, "valid", min(HELD_OUT, run.source.sizes["valid"]), args.seed)
    usual = run.scores(held_out.x, held_out.y, found.by, args.seed)
    natural, raw = run.source.natural(batch.x).cpu(), run.source.raw
    texts = raw.decode(natural) if isinstance(raw, Text) else ()
    return ScoredExamples(names, natural, found, p_values(found.anomaly, usual.anomaly), texts)


def write(found: ScoredExamples, out: Path) -> None:
    """Write a row for each example, as CSV or as JSON."""
    import csv

    from counterfeit.common.files import atomic, write_json

    rows: list[dict[str, Any]] = [*found.rows()]
    if out.suffix.lower() == ".json":
        write_json(out, {"by": found.scored.by, "rows": rows})
        return
    with atomic(out) as part, part.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def _print(found: ScoredExamples) -> None:
    """Print the strangest and the least strange examples, or all where they are few."""
    from counterfeit.common.numbers import number

    rows = sorted(found.rows(), key=lambda row: row["anomaly"], reverse=True)
    left = len(rows) - 2 * PRINTED
    shown: list[dict[str, Any]] = (
        [*rows] if left <= 0 else [*rows[:PRINTED], {"file": f"… {left:,} more"}, *rows[-PRINTED:]]
    )
    columns = [name for name in rows[0] if name != "anomaly" or found.scored.nats is None]
    table(columns, [[number(row.get(name, "")) for name in columns] for row in shown])

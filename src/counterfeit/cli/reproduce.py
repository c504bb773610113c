"""The tables and figures of the founding paper, with what was measured here.

table1: Parzen window log-likelihoods as published, beside those of the runs that are found; on the bundled digits the
recipe gan is trained where there is no run of it yet. table2: how families of models differ in training, inference,
sampling, evaluating p(x) and design, measured in seconds; of one idle core it takes a few seconds a model on digits,
and about half a minute a model on MNIST. figure1: densities and the discriminator at four moments of training, or as
an animation where --out ends in .webp. figure2: samples beside their nearest training examples, and states of a Markov
chain; figure3: digits between codes; both of the runs that are found.
"""

from __future__ import annotations

import argparse
import shlex
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from counterfeit.cli.options import tables_writable, writable
from counterfeit.cli.output import Watch, say, show
from counterfeit.common.files import atomic, dumps

if TYPE_CHECKING:
    from counterfeit.report.paper.cells import Table
    from counterfeit.run.run import Run

SUMMARY = "the founding paper's tables and figures, with what was measured here"
EXAMPLE = """examples:
  counterfeit reproduce table1                          published numbers, digits, and the runs in runs/
  counterfeit reproduce table1 --runs ~/runs --markdown
  counterfeit reproduce table1 --results results        and what was measured before
  counterfeit reproduce table1 --train --quick          a hundredth of the paper's training, to see it work
  counterfeit reproduce table2 --record results/table2.json
  counterfeit reproduce figure1 --out figure1.webp      the animation; figure1.svg for four moments
  counterfeit reproduce figure2 --runs runs             samples of the runs in runs/
"""
TABLES = "table1", "table2"
SUFFIXES = {"figure1": (".svg", ".webp"), "figure2": (".png",), "figure3": (".png",)}  # of figures, the default first
QUICK = 100  # how many times fewer steps, with --quick
SAMPLES = 1_000  # with --quick


def options(parser: argparse.ArgumentParser) -> None:
    """What the verb takes."""
    parser.add_argument("name", metavar="NAME", choices=[*TABLES, *SUFFIXES], help=", ".join([*TABLES, *SUFFIXES]))
    parser.add_argument("--runs", metavar="DIR", default="runs", help="where runs are found, and made (default: runs)")
    parser.add_argument("--results", metavar="DIR", help="take what `evaluate --record` kept there, where no run is")
    parser.add_argument("--train", action="store_true", help="train the paper's recipes where no run is found: hours")
    parser.add_argument("--quick", action="store_true", help="a hundredth of the training steps, and 1,000 samples")
    parser.add_argument("--data", default="digits", help="what table2 is measured on (default: digits)")
    for name in ("markdown", "latex"):
        parser.add_argument(f"--{name}", metavar="FILE", nargs="?", const="-", help=f"the table as {name}, or to FILE")
    parser.add_argument("--out", metavar="FILE", help="where a figure goes (default: figure1.svg, figure2.png, …)")
    parser.add_argument("--record", metavar="FILE", help="keep the table, the machine and the command in a JSON file")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(parser: argparse.ArgumentParser, arguments: list[str]) -> int:
    """Reproduce."""
    args = parser.parse_args(arguments)
    if args.name in SUFFIXES:
        return _figure(args)
    if args.out:
        raise ValueError(f"--out {args.out} came with {args.name}; a figure is expected. Take --markdown FILE.")
    kept = writable(args.record)
    tables_writable(args)
    table, rows = (_first if args.name == "table1" else _second)(args)
    command = shlex.join(["counterfeit", "reproduce", *arguments])
    if kept:
        say(f"Recorded: {_record(kept, command, rows, table)}")
    content = {"name": args.name, "rows": rows, "notes": list(table.notes)}
    show([table], args.markdown, args.latex, dumps(content) if args.json else None)
    return 0


def _figure(args: argparse.Namespace) -> int:
    """Draw a figure of the paper."""
    of_tables = [name for name in ("markdown", "latex", "record", "results") if getattr(args, name)]
    if of_tables:
        raise ValueError(f"--{of_tables[0]} came with {args.name}; a table is expected. Leave it out.")
    suffixes = SUFFIXES[args.name]
    out = Path(args.out or f"{args.name}{suffixes[0]}")
    if out.suffix.lower() not in suffixes:
        raise ValueError(f"{out} came; a file that ends in {' or '.join(suffixes)} is expected. Choose another --out.")
    writable(str(out))
    data, texts = _first_figure(out.suffix.lower()) if args.name == "figure1" else _panels(args)
    with atomic(out) as part:
        part.write_bytes(data)
    say("\n".join([*texts, f"{args.name}: {out}"]))
    if args.json:
        print(dumps({"name": args.name, "panels": texts, "out": str(out)}))
    return 0


def _first_figure(suffix: str) -> tuple[bytes, list[str]]:
    from counterfeit.report.theory.topic import lesson

    figure = next(one for one in lesson("figure1").figures if one.picture.suffix == suffix)
    return figure.picture.data, [figure.caption]


def _panels(args: argparse.Namespace) -> tuple[bytes, list[str]]:
    """Figure 2 or 3 of the runs that are found; of the recipe gan on digits where none is."""
    from counterfeit.report.html.texts import labelled
    from counterfeit.report.paper.figures import PANELS, figure2, figure3, found_runs

    draw = figure2 if args.name == "figure2" else figure3
    runs = found_runs(Path(args.runs))
    wanted = [names[0] for names in PANELS.values()] if args.train else []
    known = {run.config.recipe for run in runs}
    wanted += [] if known & {*PANELS["a"]} or args.train else ["gan"]
    panels = draw([*runs, *(made for name in wanted if name not in known for made in _trained(name, args))])
    texts = [panel.text for panel in panels]
    return labelled(texts, [panel.pixels for panel in panels], "#000000", "#ffffff"), texts


def _first(args: argparse.Namespace) -> tuple[Table, list[dict[str, Any]]]:
    from counterfeit.report.paper.table1 import RECIPES, find_runs, recorded, table1

    folder, kept = Path(args.runs), recorded(Path(args.results)) if args.results else []
    runs, has = find_runs(folder), {one.label for one in kept}
    wanted = ["gan", *(name for names in RECIPES.values() if args.train for name in names)]
    has |= {found.config.recipe for found in runs}
    runs += [made for name in wanted if name not in has for made in _trained(name, args)]
    with Watch("table1") as watch:
        made = table1(runs, SAMPLES if args.quick else 10_000, watch, kept)
    return made, [dict(zip(made.columns, (cell.text for cell in row), strict=True)) for row in made.rows]


def _trained(name: str, args: argparse.Namespace) -> list[Run]:
    """A new run of a recipe, or none where its data are not to be had."""
    from counterfeit import catalogue
    from counterfeit.common.files import DataError
    from counterfeit.run.folder import default_folder
    from counterfeit.run.run import train

    writable(args.runs, folder=True)
    steps = catalogue.configure(catalogue.recipe(name)).train.steps
    out = Path(args.runs) / default_folder(name).name
    say(f"Training {name} into {out}")
    try:
        return [train(name, out=out, steps=max(1, steps // QUICK) if args.quick else None)]
    except DataError as error:
        say(f"{name}: {error}")
        return []


def _second(args: argparse.Namespace) -> tuple[Table, list[dict[str, Any]]]:
    from counterfeit.report.paper.table2 import STEPS, families, table2

    with Watch("table2") as watch:
        found = families(args.data, STEPS // 10 if args.quick else STEPS, watch)
    return table2(found), [{"model": model, **row} for model, row in found.items()]


def _record(path: Path, command: str, rows: list[dict[str, Any]], table: Table) -> Path:
    from counterfeit.common.files import write_json
    from counterfeit.report.results_file import machine

    path.parent.mkdir(parents=True, exist_ok=True)
    content = {"name": path.stem, "note": " ".join(table.notes), "measured": f"{datetime.now():%Y-%m-%d}"}
    write_json(path, content | {"machine": machine(), "commands": [command], "rows": rows})
    return path

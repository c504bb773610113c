"""Train a recipe into a new run folder, evaluate it and write its report."""

from __future__ import annotations

import argparse
from pathlib import Path

from counterfeit.cli.output import finish
from counterfeit.cli.settings import SHORTHANDS, settings

SUMMARY = "train a recipe into a new run folder"
OF_RUNS = True  # which may be of a class of models of one's own
EXAMPLE = """examples:
  counterfeit train gan
  counterfeit train gan-mnist --train.steps 5000 --out runs/first
  counterfeit train gan --data ~/pictures --data.size 32
  counterfeit train gan --help        every setting of the recipe
"""


HELP = {
    "data": "a source, the path of a folder or zip of pictures or videos, or a .npy or .npz file",
    "steps": "training steps", "seed": "of initial weights, data order and noise",
}  # fmt: skip


def options(parser: argparse.ArgumentParser) -> None:
    """What the verb takes beside the settings of the recipe."""
    parser.add_argument(
        "recipe", nargs="?", metavar="RECIPE", help="a name from `counterfeit list recipes`, or a YAML file"
    )
    parser.add_argument(
        "-h", "--help", action="store_true", help="this help, and every setting where a recipe is named"
    )
    parser.add_argument("--out", metavar="DIR", help="the run folder (default: runs/RECIPE-TIME)")
    for name, key in SHORTHANDS.items():
        parser.add_argument(f"--{name}", metavar=name.upper(), help=f"{HELP[name]} (same as --{key})")
    parser.add_argument("--no-evaluate", action="store_true", help="do not evaluate after training")
    parser.add_argument("--no-report", action="store_true", help="do not write report.html")
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")


def run(parser: argparse.ArgumentParser, arguments: list[str]) -> int:
    """Train."""
    args, rest = parser.parse_known_args(arguments)
    if args.help:
        return _help(parser, args.recipe)
    if not args.recipe:
        parser.error("a RECIPE is expected: a name from `counterfeit list recipes`, or a YAML file")
    from counterfeit import catalogue
    from counterfeit.config.nested import nest
    from counterfeit.run.run import start

    chosen = catalogue.recipe(args.recipe)
    short = [word for name in SHORTHANDS if (text := getattr(args, name)) is not None for word in (f"--{name}", text)]
    config = catalogue.configure(chosen, nest(settings([*short, *rest])))
    trained, summary = start(chosen, config, Path(args.out) if args.out else None)
    return finish(trained, summary, evaluate=not args.no_evaluate, report=not args.no_report, as_json=args.json)


def _help(parser: argparse.ArgumentParser, recipe: str | None) -> int:
    parser.print_help()
    from counterfeit import catalogue

    if recipe:
        from counterfeit.config.parse import settings_help

        chosen = catalogue.recipe(recipe)
        text = settings_help(catalogue.model_class(chosen.model), chosen.defaults, "counterfeit train")
        print(f"\nsettings of {chosen.name}: {chosen.summary}\n{text.partition(chr(10))[2]}")
        return 0
    print("\nrecipes:")
    for entry in catalogue.recipes().values():
        print(f"  {entry.name:<18} {entry.summary}")
    return 0

"""List models, recipes, data or metrics."""

from __future__ import annotations

import argparse

from counterfeit.cli.output import table
from counterfeit.data.strict import dumps

EXAMPLE = """examples:
  counterfeit list recipes
  counterfeit list models --json
"""


def options(parser: argparse.ArgumentParser) -> None:
    """What the verb takes."""
    kinds = ("models", "recipes", "data", "metrics")
    parser.add_argument("kind", nargs="?", default="recipes", choices=kinds, help="what to list (default: recipes)")
    parser.add_argument("--json", action="store_true", help="print an array of objects")


def run(parser: argparse.ArgumentParser, arguments: list[str]) -> int:
    """List."""
    args = parser.parse_args(arguments)
    from counterfeit import catalogue

    entries = catalogue.entries(args.kind)
    if args.json:
        print(dumps(entries))
        return 0
    columns = [key for key in entries[0] if key != "reach"]
    table(columns, [[_cell(entry[key]) for key in columns] for entry in entries])
    return 0


def _cell(value: object) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value))
    return "" if value is None else str(value)

"""List models, recipes, data or metrics, or the runs in a folder."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from counterfeit.cli.output import table
from counterfeit.common.files import dumps

SUMMARY = "list models, recipes, data or metrics"
EXAMPLE = """examples:
  counterfeit list recipes
  counterfeit list models --json
  counterfeit list runs                     those in runs/, newest first
  counterfeit list runs ~/elsewhere
"""


def options(parser: argparse.ArgumentParser) -> None:
    """What the verb takes."""
    kinds = ("models", "recipes", "data", "metrics", "runs")
    parser.add_argument("kind", nargs="?", default="recipes", choices=kinds, help="what to list (default: recipes)")
    parser.add_argument("folder", nargs="?", metavar="DIR", help="of runs (default: runs)")
    parser.add_argument("--json", action="store_true", help="print an array of objects")


def run(parser: argparse.ArgumentParser, arguments: list[str]) -> int:
    """List."""
    args = parser.parse_args(arguments)
    from counterfeit.listing import entries as listed

    if args.folder is not None and args.kind != "runs":
        raise ValueError(f"{args.folder} came beside {args.kind}; a folder is expected with runs alone. Leave it out.")
    entries = _runs(args.folder or "runs") if args.kind == "runs" else listed(args.kind)
    if args.json:
        print(dumps(entries))
        return 0
    columns = [key for key in entries[0] if key not in ("targets", "models")]
    table(columns, [[_cell(entry[key]) for key in columns] for entry in entries])
    alone = [entry["name"] for entry in entries if entry.get("models") == []]
    if alone:
        print(f"For models of your own, since none here can be asked yet: {', '.join(alone)}.")
    return 0


def _runs(folder: str) -> list[dict[str, Any]]:
    from counterfeit.report.run_list import listed

    return listed(Path(folder).expanduser())


def _cell(value: object) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value))
    return "" if value is None else str(value)

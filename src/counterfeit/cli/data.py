"""Check, look at or download a source of data."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from counterfeit.cli.options import writable
from counterfeit.cli.output import say, table
from counterfeit.cli.settings import settings
from counterfeit.common.files import dumps

if TYPE_CHECKING:
    from counterfeit.data.audit import Check
    from counterfeit.data.source import Source

SHOWN_LINES = 24  # of a text
SUMMARY = "check, look at or download a source of data"
EXAMPLE = """examples:
  counterfeit data check mnist
  counterfeit data check ~/pictures --data.size 32
  counterfeit data show cifar10 --out cifar10.png
  counterfeit data download mnist
"""


def options(parser: argparse.ArgumentParser) -> None:
    """What the verb takes beside data settings."""
    parser.add_argument("action", choices=("check", "show", "download"), help="read it all, picture it, or fetch it")
    parser.add_argument(
        "name", metavar="NAME", help="a source from `counterfeit list data`, or a folder or zip of images or sounds"
    )
    parser.add_argument("--out", default="data.png", help="the picture that `show` writes (default: data.png)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(parser: argparse.ArgumentParser, arguments: list[str]) -> int:
    """Look at data."""
    args, rest = parser.parse_known_args(arguments)
    from counterfeit import catalogue
    from counterfeit.config.nested import nest

    if args.action == "show":
        writable(args.out, folder=Path(args.out).is_dir() or not Path(args.out).suffix)
    given = nest({**settings(rest), "data.name": args.name})
    config = catalogue.configure(catalogue.recipe("gan"), given)
    source = catalogue.source(config.data)
    if args.action == "show":
        return _show(source, Path(args.out))
    from counterfeit.data.audit import check

    found = check(source)
    if args.json:
        print(dumps(found.to_dict()))
    elif args.action == "download":
        say(f"{found.name} is complete: {', '.join(found.files) or 'bundled'}")
    else:
        _tell(found)
    return 0


def _show(source: Source, out: Path) -> int:
    from counterfeit.data.images import save_png
    from counterfeit.data.labelled_images import written
    from counterfeit.data.sources.text_lines import Text
    from counterfeit.report.export import write_samples
    from counterfeit.report.figures.pairs import plotted_pairs

    if isinstance(source.raw, Text):
        lines = source.raw.decode(source.split("train").first(SHOWN_LINES).x)
        say("\n".join(lines))
        save_png(out, written(lines, "#000000", "#ffffff"))
        say(f"{source.name}: {out}")
        return 0
    n = 64 if len(source.raw.spec.shape) > 1 else 2_000  # of points, a cloud
    if len(source.raw.spec.shape) == 1 and source.raw.spec.dims > 2:
        save_png(out, plotted_pairs(source.split("train").first(n).x, source.value_names))
        say(f"{source.name}: {out}")
        return 0
    say(f"{source.name}: {write_samples(source.split('train').first(n).x, out, rate=source.rate)}")
    return 0


def _tell(found: Check) -> None:
    print(f"{found.name}  {found.kind} {found.shape}  fingerprint {found.fingerprint}")
    if found.variant:
        print(f"  variant: {found.variant}")
    for file, verified in found.files.items():
        print(f"  {file}: {'checksum right' if verified else 'no checksum known'}")
    columns = ("split", "examples", "lowest", "highest", "mean", "repeated", "also in train")
    rows = [
        (name, f"{s.size:,}", f"{s.low:.4g}", f"{s.high:.4g}", f"{s.mean:.5f}", s.repeated, s.shared)
        for name, s in found.splits.items()
    ]
    table(columns, rows)
    for name, split in found.splits.items():
        if split.classes:
            print(f"  {name}: " + ", ".join(f"{label} {count}" for label, count in list(split.classes.items())[:12]))
    for warning in found.warnings:
        print(f"  note: {warning}")

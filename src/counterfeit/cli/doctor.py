"""Examine a run and say what is wrong with it; without one, this machine, and say what is recommended."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from counterfeit.data.strict import dumps

if TYPE_CHECKING:
    from counterfeit.engine.doctor import Examination

EXAMPLE = """examples:
  counterfeit doctor                        versions, devices, precision and data of this machine
  counterfeit doctor runs/first             mode collapse, divergence, memorization, … of a run
  counterfeit doctor runs/first --json
"""


def options(parser: argparse.ArgumentParser) -> None:
    """What the verb takes."""
    parser.add_argument("run", metavar="RUN", nargs="?", help="a run folder (default: examine the machine)")
    parser.add_argument("--checkpoint", default="newest", help="best, newest or a step (default: newest)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, mps")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(parser: argparse.ArgumentParser, arguments: list[str]) -> int:
    """Examine."""
    args = parser.parse_args(arguments)
    if args.run is None:
        return _machine(args.json)
    from counterfeit.run import Run

    chosen = Run(args.run, args.checkpoint, args.device)
    found = chosen.examine()
    if args.json:
        print(dumps({"run": args.run, "checkpoint": chosen.checkpoint.name, **found.to_dict()}))
    else:
        _tell(args.run, found)
    return 0


def _tell(name: str, found: Examination) -> None:
    early = "; it is too early to judge samples" if found.young else ""
    print(f"{name} at step {found.step}: {len(found.findings) or 'no'} finding{'s'[: len(found.findings) != 1]}{early}")
    for finding in found.findings:
        print(f"\n{finding.kind.replace('-', ' ')} ({finding.severity})")
        for part in ("saw", "why", "change"):
            print(f"  {part + ':':<8}{getattr(finding, part)}")
    for finding in found.earlier:
        print(f"\nwhile it trained: {finding}")


def _machine(as_json: bool) -> int:
    from counterfeit.engine.machine import examine

    found: dict[str, Any] = examine()
    if as_json:
        print(dumps(found))
        return 0
    for section in ("machine", "versions", "precision"):
        print(f"{section}: " + ", ".join(f"{key} {value}" for key, value in found[section].items()))
    for device in found["devices"]:
        print("device: " + ", ".join(f"{key} {value}" for key, value in device.items()))
    for place, files in found["data"].items():
        print(f"data in {place}: {', '.join(files) or 'nothing'}")
    for line in found["advice"]:
        print(f"* {line}")
    return 0

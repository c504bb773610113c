"""Check this machine, its versions, devices, precision and data, and say what is recommended."""

from __future__ import annotations

import argparse
import json

EXAMPLE = """examples:
  counterfeit doctor
  counterfeit doctor --json
"""


def options(parser: argparse.ArgumentParser) -> None:
    """What the verb takes."""
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(parser: argparse.ArgumentParser, arguments: list[str]) -> int:
    """Examine the machine."""
    args = parser.parse_args(arguments)
    from counterfeit.engine.machine import examine

    found = examine()
    if args.json:
        print(json.dumps(found))
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

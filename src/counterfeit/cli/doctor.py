"""Examine a run and say what is wrong with it; without one, this machine, and say what is recommended."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from counterfeit.cli.options import run_options
from counterfeit.common.files import dumps

if TYPE_CHECKING:
    from counterfeit.engine.doctor.examiner import Examination

SUMMARY = "say what is wrong with a run, or what this machine recommends"
OF_RUNS = True  # which may be of a class of models of one's own
EXAMPLE = """examples:
  counterfeit doctor                        versions, devices, precision and data of this machine
  counterfeit doctor runs/first             mode collapse, divergence, memorization, … of a run
  counterfeit doctor runs/first --json
  counterfeit doctor gan-mnist              a step of the recipe in fp32 and in bf16, on this machine
"""


def options(parser: argparse.ArgumentParser) -> None:
    """What the verb takes."""
    parser.add_argument(
        "run", metavar="RUN|RECIPE", nargs="?", help="a run folder, or a recipe to time (default: the machine)"
    )
    run_options(parser, "newest")


def run(parser: argparse.ArgumentParser, arguments: list[str]) -> int:
    """Examine."""
    args = parser.parse_args(arguments)
    if args.run is None:
        return _machine(args.json)
    from counterfeit import catalogue

    if args.run in catalogue.recipes() and not Path(args.run, "run.yaml").is_file():
        return _recipe(args.run, args.device, args.json)
    from counterfeit.run.run import Run

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


def _recipe(name: str, device: str, as_json: bool) -> int:
    """Time a step of a recipe in both precisions."""
    from counterfeit import catalogue
    from counterfeit.catalogue import build
    from counterfeit.engine.device import pick_device, pick_precision
    from counterfeit.engine.environment import step_seconds

    config, source = catalogue.training_data(catalogue.configure(catalogue.recipe(name)))
    model = build(config, source, pick_device(device))
    seconds = {one: step_seconds(model, source, replace(config.train, precision=one)) for one in ("fp32", "bf16")}
    gain = seconds["fp32"] / seconds["bf16"]
    if as_json:
        print(dumps({"recipe": name, "seconds": seconds, "gain": gain, "precision": config.train.precision}))
        return 0
    told = ", ".join(f"{1000 * value:.3g} ms in {one}" for one, value in seconds.items())
    better = "bf16" if gain > 1.1 else "fp32"
    has, taken = config.train.precision, pick_precision(config.train.precision, model.device)
    own = has if has == taken else f"{has}, which is {taken} here"
    print(f"A step of {name} takes {told}: --train.precision {better} (the recipe has {own})")
    return 0


def _machine(as_json: bool) -> int:
    from counterfeit.engine.environment import describe_machine

    found: dict[str, Any] = describe_machine()
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

"""Training steps of every recipe on two cores, alone and beside another process that never rests, one of them theirs.

    python benchmarks/busy.py [RECIPE …] [--rounds 3] [--seconds 2] [--threads 0] [--out results/busy.json]

With `--threads 0` a step takes as many threads as its work is worth, whatever the recipe says; with 2, both cores. A
fair share of two cores beside one rival is one and a third, so that a step with one thread takes hardly longer than
alone, and one with two threads, whose every operation waits for the slower one, ten times as long or more. Rounds
alternate; a time is the median over rounds. Rows of recipes that are not named stay in the file as they are; recipes
whose data are not here are left out.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch

from counterfeit import catalogue
from counterfeit.catalogue import build, configure
from counterfeit.common.files import DataError, write_json
from counterfeit.common.threads import using
from counterfeit.config.nested import merge
from counterfeit.core import Clock
from counterfeit.data.loader import Stream
from counterfeit.engine.distributed import Processes
from counterfeit.engine.step import Stepper
from counterfeit.engine.work import work
from counterfeit.report.results_file import machine

CPU = torch.device("cpu")
CORES = 2
BUSY = "while True: pass"


class Rival:
    """A process that never rests, while it is entered."""

    def __enter__(self) -> None:
        self.process = subprocess.Popen([sys.executable, "-c", BUSY])
        time.sleep(0.2)

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()


def stepping(name: str, threads: int) -> tuple[Callable[[], object], int, float]:
    """What makes one step of a recipe, the threads it takes, and MFLOP of a product."""
    recipe = catalogue.recipe(name)
    config = configure(recipe, merge(recipe.settings, {"train": {"device": "cpu"}}))
    config, source = catalogue.training_data(config)
    model = build(config, source, CPU)
    needed, train = work(model, source, config.train), config.train
    pieces = train.micro_batches
    stream = Stream(source.split("train"), train.batch_size, train.seed, CPU, pieces, range(pieces))
    stepper, draws = Stepper(model, train, Processes()), stream.draws()
    return lambda: stepper.step(draws, Clock(0, train.steps)), threads or needed.threads, needed.each / 1e6


def seconds(step: Callable[[], object], least: float) -> float:
    """Seconds of a step: the mean over those that fit `least` seconds, two at least."""
    start, done = time.perf_counter(), 0
    while done < 2 or time.perf_counter() - start < least:
        step()
        done += 1
    return (time.perf_counter() - start) / done


def measured(name: str, threads: int, rounds: int, least: float) -> dict[str, Any]:
    """A row of the table."""
    step, threads, each = stepping(name, threads)
    times: dict[str, list[float]] = {"idle": [], "busy": []}
    with using(threads):
        step()
        for _ in range(rounds):
            for kind, beside in (("idle", nullcontext()), ("busy", Rival())):
                with beside:
                    times[kind].append(seconds(step, least))
    idle, busy = (statistics.median(times[kind]) for kind in ("idle", "busy"))
    return {"recipe": name, "threads": threads, "mflop": each, "idle": idle, "busy": busy, "ratio": busy / idle}


def merged(path: Path, command: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """What the file holds of other recipes, and `rows` in place of those of the same recipes."""
    before = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"commands": [], "rows": []}
    kept = {row["recipe"]: row for row in before["rows"]} | {row["recipe"]: row for row in rows}
    commands = [*(one for one in before["commands"] if one != command), command]
    return {"name": "busy", "commands": commands, "machine": machine(), "rows": [kept[name] for name in sorted(kept)]}


def main() -> None:
    """Measure, print a table and keep it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipes", nargs="*", help="all where none are named")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    print(f"{'recipe':<22} threads  MFLOP each  idle (ms)  busy (ms)  ratio")
    rows = []
    for name in args.recipes or catalogue.recipes():
        try:
            rows.append(row := measured(name, args.threads, args.rounds, args.seconds))
        except DataError as error:
            print(f"{name:<22} left out: {error}", flush=True)
            continue
        times = f"{row['mflop']:>10.3g} {1e3 * row['idle']:>10.3g} {1e3 * row['busy']:>10.3g} {row['ratio']:>6.2f}"
        print(f"{name:<22} {row['threads']:>7} {times}", flush=True)
    if args.out:
        options = f"--rounds {args.rounds} --seconds {args.seconds:g} --threads {args.threads}"
        command = " ".join(("python benchmarks/busy.py", *args.recipes, options))
        write_json(args.out, merged(args.out, command, rows))


if __name__ == "__main__":
    main()

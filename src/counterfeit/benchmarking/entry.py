"""One recipe with one seed: planned, trained, measured, each only where that was not done before."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from counterfeit import catalogue
from counterfeit.benchmarking.candidates import configured, data_of
from counterfeit.benchmarking.order import Entry, Order, read, write
from counterfeit.benchmarking.plan import Plan, planned, trial
from counterfeit.config.parse import command
from counterfeit.core import Samples
from counterfeit.data.source import Source
from counterfeit.engine.checkpoint import checkpoints, read_state
from counterfeit.engine.device import pick_device
from counterfeit.engine.divergence import DivergedError
from counterfeit.evaluation.measure import Results, UnmeasuredError, applicable
from counterfeit.evaluation.subject import Subject
from counterfeit.metrics import registry
from counterfeit.metrics.shared import sharing
from counterfeit.report.comparison.cost import costs
from counterfeit.run.raw_view import view
from counterfeit.run.run import Run, resume, start

__all__ = ["carry_out", "file_of", "measured", "run_of", "tell"]

FAILURES = (ValueError, RuntimeError, MemoryError, OSError, ArithmeticError)  # of one recipe; others go on
CURVE = "fid"  # what is measured of every checkpoint that was kept
PATIENCE = 0.1  # share of the budget beyond which measuring is not repeated for every checkpoint


def tell(text: str) -> None:
    """A line for a person, on standard error."""
    print(text, file=sys.stderr)


def file_of(entry: Entry, order: Order) -> Path:
    """Where what is known of an entry is kept."""
    return order.out / f"{entry.name}.json"


def run_of(entry: Entry, order: Order, checkpoint: str | int = "best") -> Run:
    """The run of an entry."""
    return Run(order.out / entry.name, checkpoint)


def carry_out(entry: Entry, order: Order, source: Source | None = None, show: bool = True) -> None:
    """Plan, train and measure an entry; what fails is kept as a reason, so that others go on.

    Arguments:
        entry: which.
        order: what is the same for all.
        source: the data before transforms, where they were read already.
        show: show the progress of training.

    Raises:
        Interrupted: training was stopped; it goes on where it stood when this is called again.
    """
    kept = read(file_of(entry, order))
    kept.pop("failed", None)
    try:
        data = source or data_of(order.settings)
        kept = _trained(entry, order, kept, data, show)
        _evaluated(entry, order, kept)
    except FAILURES as error:
        kept = read(file_of(entry, order)) | {"failed": " ".join(str(error).split()) or type(error).__name__}
        write(file_of(entry, order), kept)
        tell(f"{entry.name}: {kept['failed']}")


def _trained(
    entry: Entry, order: Order, kept: dict[str, Any], source: Source, show: bool
) -> dict[str, Any]:  # fmt: skip
    """Train, or go on to train, by the plan, which is made where there is none."""
    chosen, path = catalogue.recipe(entry.recipe), order.out / entry.name
    settings = {**order.settings, "train": {**order.settings.get("train", {}), "seed": entry.seed}}
    config = configured(chosen, settings, source)
    if "plan" not in kept:
        tell(f"{entry.name}: trying how long a step takes")
        kept["plan"] = asdict(trial(config, source, order.budget))
        write(file_of(entry, order), kept)
    plan = Plan(**kept["plan"])
    config = planned(config, plan)
    kind = catalogue.training_data(config, source)[1].spec.kind
    kept |= {"model": config.model, "kind": kind if kind == "binary" else source.spec.kind}
    kept["command"] = f"{command(config, catalogue.configure(chosen))} --out {path}"
    try:
        if not (path / "run.yaml").is_file():
            tell(f"{entry.name}: training, {plan.steps:,} steps")
            start(chosen, config, path, show)
        elif not checkpoints(path) or Run(path).state["step"] < plan.steps:
            tell(f"{entry.name}: goes on to {plan.steps:,} steps")
            resume(path, show=show, anew=not checkpoints(path))
    except DivergedError as error:
        if not checkpoints(path):
            raise
        kept["diverged"] = " ".join(str(error).split())
    write(file_of(entry, order), kept)
    return kept


def measured(run: Run) -> Subject:
    """A run as what is compared: its samples as the data are before transforms, whatever it was trained through."""
    return view(run, run.source.raw)


def _evaluated(entry: Entry, order: Order, kept: dict[str, Any]) -> None:
    """Measure what was not measured of this checkpoint in this way, and what the run cost."""
    run = run_of(entry, order)
    ways = _ways(run, order)
    if kept.get("checkpoint") != run.checkpoint.name or kept.get("ways") != ways:
        kept |= {"checkpoint": run.checkpoint.name, "ways": ways, "results": {}, "skipped": {}, "curve": None}
    began = time.perf_counter()
    known = {*kept["skipped"], *kept["results"]}
    asked = [one for one in _asked(run, order.metrics) if not {one[1], *registry.metric(one[1]).rows} & known]
    if asked:
        tell(f"{entry.name}: measuring {', '.join(name for _, name in asked)}")
    with sharing():  # samples that several metrics look at are drawn once
        for subject, name in asked:
            answer = _answer(subject, name)
            kept["results"] |= {row: found.to_dict() for row, found in answer.items()}
            kept["skipped"] |= answer.skipped
            if name == CURVE:
                kept["curve_seconds"] = time.perf_counter() - began
            write(file_of(entry, order), kept)
    if kept.get("curve") is None:
        kept["curve"] = _curve(entry, order, kept)
        write(file_of(entry, order), kept)
    if kept.get("cost_of") != run.checkpoint.name:
        kept |= {"cost": costs({entry.name: run.subject})[entry.name], "cost_of": run.checkpoint.name}
        write(file_of(entry, order), kept)


def _ways(run: Run, order: Order) -> dict[str, Any]:
    """How the run is measured, as JSON has it."""
    ways = {name: value for name, value in asdict(run.config.evaluate).items() if name != "metrics"}
    return ways | {"budget": order.budget}


def _asked(run: Run, metrics: Sequence[str]) -> list[tuple[Subject, str]]:
    """Each metric that applies, with what it is asked of: samples before transforms, likelihoods of what was trained.

    Of the exact log-likelihood, pictures have it in bits a dimension, other data in nats.
    """
    shown, own = measured(run), run.subject
    of_samples = {name for name in metrics if registry.metric(name).needs is Samples}
    able = [*applicable(shown, [name for name in metrics if name in of_samples])]
    able += applicable(own, [name for name in metrics if name not in of_samples])
    gray = run.source.raw.spec.kind == "image" and run.source.spec.kind != "binary"
    double = "log-likelihood" if gray else "bits-per-dim"
    left = [name for name in able if name != double or {"log-likelihood", "bits-per-dim"} - {*able}]
    return [(shown if name in of_samples else own, name) for name in left]


def _answer(subject: Subject, metric: str) -> Results:
    try:
        return subject.evaluate(metric)
    except UnmeasuredError as error:
        return Results({}, error.skipped)


def _curve(entry: Entry, order: Order, kept: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The Fréchet distance of every checkpoint that was kept, with the step and the seconds at which it was saved.

    The end alone where that takes long, as for a model that draws pixel by pixel.
    """
    if CURVE not in kept["results"]:
        return []
    long = kept.get("curve_seconds", 0.0) > PATIENCE * order.budget
    found = []
    for path in checkpoints(order.out / entry.name):
        state = read_state(path)
        if path.name == kept["checkpoint"]:
            value = kept["results"][CURVE]["value"]
        elif long:
            continue
        else:
            answer = _answer(measured(run_of(entry, order, state["step"])), CURVE)
            if CURVE not in answer:
                continue
            value = answer[CURVE].value
        found.append({"step": state["step"], "seconds": _spent(state, order), CURVE: value})
    return sorted(found, key=lambda point: point["step"])


def _spent(state: Mapping[str, Any], order: Order) -> float:
    """Seconds of training at a checkpoint: of the processor on a CPU, by the clock elsewhere."""
    device = pick_device(order.settings.get("train", {}).get("device", "auto"))
    return float(state["cpu_seconds" if device.type == "cpu" else "seconds"])

"""Training into a run folder: what is checked before the first step, a start, and going on."""

from __future__ import annotations

import dataclasses
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from counterfeit import catalogue
from counterfeit.catalogue import Recipe
from counterfeit.common.memory import keep_freed
from counterfeit.common.progress import console
from counterfeit.common.threads import available, using
from counterfeit.config.nested import write_yaml
from counterfeit.config.parse import changed
from counterfeit.config.settings import Config, Evaluation, Train
from counterfeit.core import Model
from counterfeit.data.source import Source
from counterfeit.data.sources.kept import KEPT, Kept, keep, kept_name
from counterfeit.engine import checkpoint
from counterfeit.engine.device import multiplies_bf16, pick_device, pick_precision
from counterfeit.engine.distributed import Processes, processes
from counterfeit.engine.fit import Display, LateError, Summary, Validator, fit
from counterfeit.engine.lock import locked
from counterfeit.engine.work import work
from counterfeit.evaluation.measure import metric_of, refusal
from counterfeit.inference.receptive_field import receptive_field
from counterfeit.metrics import registry
from counterfeit.metrics.base import Metric, Result
from counterfeit.run.folder import RunFolder, create, describe

__all__ = ["begin", "proceed", "validator"]


def begin(
    chosen: Recipe, config: Config, out: Path | None, show: bool = True, adopted: Source | None = None
) -> tuple[RunFolder, Source, Summary]:
    """Train by resolved settings, on `adopted` where that was handed over, into a new run folder.

    Raises:
        ValueError: for a setting, data or folder that cannot be used, in one line; then no folder is left.
    """
    device = pick_device(config.train.device)
    if config.data.name == KEPT and chosen.beside:
        adopted = Kept(chosen.beside / kept_name())
    config, source, model = catalogue.prepare(chosen, config, device, adopted)
    group = processes()
    _check(config, model, source, group)
    threads, why = _threads(config.train, model, source)
    precision = pick_precision(config.train.precision, device)
    description = config.to_dict() | describe(chosen, source, model) | {"threads": threads, "precision": precision}
    path = create(out, config.recipe, group)
    with locked(path, group):
        if group.is_main:
            write_yaml(path / "run.yaml", description)
            if adopted:
                keep(adopted, path / kept_name())
            if source.warning and show:
                console().print(f"{source.name}: {source.warning}", markup=False, highlight=False)
            if show and (heard := receptive_field(model, source)):
                console().print(f"{config.model}: each sample depends on the last {heard}", highlight=False)
        group.barrier()
        folder = RunFolder(path)
        try:
            summary = _fit(folder, model, source, group, resume=False, show=show)
            _tell(why, show and group.is_main)
            return folder, source, summary
        except LateError:
            raise
        except ValueError:  # refused before anything was learnt: leave the place free for the corrected command
            if group.is_main and not checkpoint.checkpoints(path):
                shutil.rmtree(path, ignore_errors=True)
            raise


def proceed(path: Path, changes: Mapping[str, Any], show: bool = True, anew: bool = False) -> tuple[Source, Summary]:
    """Go on with the run in a folder, with nested `changes` of its settings; from the start where `anew`.

    Raises:
        ValueError: for what cannot be changed, or a run that cannot go on, in one line.
    """
    if "model" in changes:
        raise ValueError(f"model settings came; {path} keeps its model. Train a new run for them.")
    group = processes()
    with locked(path, group):
        folder = RunFolder(path)  # as the last trainer left it
        _check_start(folder, anew)
        return _go_on(folder, changes, group, show)


def _check_start(folder: RunFolder, anew: bool) -> None:
    """Refuse to start from nothing unasked, and to lose checkpoints."""
    if not anew:
        checkpoint.newest(folder.path)
    elif checkpoint.checkpoints(folder.path):
        raise ValueError(
            f"--anew came; {folder.path} stands at step {folder.state['step']}, which would be lost. Leave it out to "
            f"go on, or train the same into a new folder: counterfeit train {folder.path / 'run.yaml'}"
        )


def _go_on(folder: RunFolder, changes: Mapping[str, Any], group: Processes, show: bool) -> tuple[Source, Summary]:
    before = folder.config
    folder.config = config = folder.configure(changes)
    source = catalogue.source(config.data, folder.path)
    catalogue.same_data(folder.description.get("source", {}).get("fingerprint"), source)
    model = catalogue.build(config, source, pick_device(config.train.device))
    _check(config, model, source, group)
    if checkpoint.checkpoints(folder.path) and folder.state["step"] > config.train.steps:
        raise ValueError(
            f"train.steps: {config.train.steps} came; {folder.path} stands at step {folder.state['step']}. Raise it."
        )
    why = ""
    if not folder.threads:  # of a run that an earlier version trained
        folder.description["threads"], why = _threads(config.train, model, source)
    if changes and group.is_main:  # only now that nothing was refused
        _note_changes(folder, before)
        write_yaml(folder.path / "run.yaml", folder.description | config.to_dict())
    summary = _fit(folder, model, source, group, resume=True, show=show)
    _tell(why, show and group.is_main)
    return source, summary


def _note_changes(folder: RunFolder, before: Config) -> None:
    """Add to the description at which step other settings came, and what they were before."""
    new, old = changed(folder.config, before), changed(before, folder.config)
    if (new or old) and checkpoint.checkpoints(folder.path):  # before the first there is nothing to tell
        entry = {"step": folder.state["step"], "settings": new, "before": old}
        folder.description["resumed"] = [*folder.description.get("resumed", []), entry]


def _fit(folder: RunFolder, model: Model, source: Source, group: Processes, resume: bool, show: bool) -> Summary:
    config = folder.config
    if show and group.is_main and config.train.precision == "bf16" and not multiplies_bf16(model.device):
        console().print("precision: bf16 is far slower than fp32 on this device; --train.precision auto avoids it")
    keep_freed()
    with using(folder.threads):
        display = Display(show, config.to_dict())
        return fit(folder.path, model, source, config.train, validator(config, source), group, resume, display)


def _threads(train: Train, model: Model, source: Source) -> tuple[int | None, str]:
    """CPU threads to train with, and why: as the settings say, else as the work of a step is worth; None on a GPU."""
    if train.threads or model.device.type != "cpu":
        return train.threads or None, ""
    if available() == 1:
        return 1, ""
    needed = work(model, source, train)
    why = f"threads: {needed.threads} of {available()}, for steps of {needed}; --train.threads sets another number"
    return needed.threads, why


def _tell(why: str, show: bool) -> None:
    """Say what was chosen, once training has ended: what is refused, or fails, is one line."""
    if why and show:
        print(why, file=sys.stderr)


def _check(config: Config, model: Model, source: Source, group: Processes) -> None:
    if config.train.batch_size % (group.world * config.train.micro_batches):
        raise ValueError(
            f"train.batch_size: {config.train.batch_size} came; a multiple of {group.world} processes times "
            f"{config.train.micro_batches} micro-batches is expected."
        )
    pieces = group.world * config.train.micro_batches
    if pieces > 1 and model.undivided:
        raise ValueError(
            f"train.micro_batches: {pieces} pieces of a minibatch, over all processes, came; {config.model} expects 1, "
            f"for what it descends by {', '.join(model.undivided)} is of a whole one. Lower train.batch_size instead."
        )
    for part in config.train.parts:
        if part not in dict(model.named_modules()):
            known = ", ".join(name for name, _ in model.named_children())
            raise ValueError(f"train.parts.{part}: the model has no such part; it has {known}.")
    if config.train.patience and not config.train.monitor:
        raise ValueError("train.patience came without train.monitor, which says what to gain in. Name a metric there.")
    if config.train.monitor:
        metric = _validated(config.train.monitor)
        why = refusal(metric, model, source, config.model) if metric.better else "neither direction of it is better."
        if metric.rows and config.train.monitor not in metric.rows:
            why = f"it gives {', '.join(metric.rows)}; one of them is expected."
        if why:
            said = f"train.monitor: {metric.name} cannot choose among checkpoints of {config.model}"
            raise ValueError(f"{said}: {why} Leave it out.")
    for name in config.evaluate.metrics:
        registry.metric(name)


def _validated(name: str) -> Metric:
    """The metric that a checkpoint is chosen by, or whose row of that name it is chosen by."""
    return metric_of(name) or registry.metric(name)


def validator(config: Config, source: Source) -> Validator | None:
    """What measures a model on the validation split, as the settings say; None where they ask for nothing."""
    if config.train.monitor is None:
        return None
    name, metric = config.train.monitor, _validated(config.train.monitor)
    samples = config.train.monitor_samples
    evaluation: Evaluation = dataclasses.replace(config.evaluate, split="valid", samples=samples)

    def measure(model: Model) -> float:
        answer = metric.measure(model, source, evaluation)
        found = answer if isinstance(answer, Result) else answer[name]
        if isinstance(found, str):
            raise ValueError(found)
        return found.value

    return Validator(measure, "lower" if metric.better == "lower" else "higher")

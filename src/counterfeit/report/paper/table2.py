"""Table 2 of the founding paper, how families of models differ, with measurements in the place of words.

References:
    Generative Adversarial Nets, Goodfellow et al., 2014 (arXiv 1406.2661), table 2.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from counterfeit import catalogue
from counterfeit.catalogue import Recipe
from counterfeit.common.threads import clock
from counterfeit.core import Bounds, Clock, Density, Encodes, Energy, Model, Samples, require
from counterfeit.engine.environment import step_seconds
from counterfeit.evaluation.measure import Tell, applicable
from counterfeit.inference.draws import evaluating
from counterfeit.metrics import registry
from counterfeit.report.comparison.cost import sampling_seconds
from counterfeit.report.paper.cells import Cell, Table
from counterfeit.report.run_page.facts import duration
from counterfeit.run.run import Run, train

__all__ = ["families", "passes", "table2"]

STEPS = 200  # of training that are timed
EXAMPLES = 1_000
KINDS = ("exact", "bound", "estimate")
Measurements = dict[str, Any]


def families(data: str = "digits", steps: int = STEPS, tell: Tell | None = None) -> dict[str, Measurements]:
    """Model -> what was measured, of the recipe of each model on `data` that is named like it, or of the first.

    Arguments:
        data: the name of a source.
        steps: training steps that are timed; costs do not depend on how well a model is trained.
        tell: told of each model and of what is timed of it.
    """
    some = [recipe for recipe in catalogue.recipes().values() if _generative(recipe, data)]
    chosen = {recipe.model: recipe for recipe in reversed(some)}
    chosen |= {recipe.model: recipe for recipe in some if recipe.name == recipe.model}
    if not chosen:
        raise ValueError(f"no recipe is on {data}; digits has some. `counterfeit list recipes` shows all.")
    found = {}
    for number, (model, recipe) in enumerate(sorted(chosen.items()), 1):
        with tempfile.TemporaryDirectory() as folder:
            found[model] = _family(recipe, Path(folder) / "run", steps, _telling(tell, model, number, len(chosen)))
    return found


def table2(found: Mapping[str, Measurements]) -> Table:
    """The paper's five aspects, of each model in a row."""
    aspects = {
        "training": _training, "inference": _inference, "sampling": _sampling, "evaluating p(x)": _density,
        "model design": _design,
    }  # fmt: skip
    rows = [[Cell(model), *(Cell(say(row)) for say in aspects.values())] for model, row in found.items()]
    data = next(iter(found.values()))["data"]
    chain = "A chain is as many passes through one net, or values drawn by what is kept of those before, as must follow"
    note = f"Measured on {data}. {chain} one another."
    return Table(["model", *aspects], rows, [note])


def passes(model: Model, act: Callable[[], object]) -> int:
    """How often the busiest net of `model` with parameters is passed through in `act`: above 1 where it is a chain."""
    counts: dict[nn.Module, int] = {}

    def count(net: nn.Module, *_: object) -> None:
        counts[net] = counts.get(net, 0) + 1

    hooks = [net.register_forward_hook(count) for net in model.modules() if net is not model and [*net.parameters()]]
    try:
        act()
    finally:
        for hook in hooks:
            hook.remove()
    return max(counts.values(), default=0)


def _generative(recipe: Recipe, data: str) -> bool:
    model = catalogue.model_class(recipe.model)
    on_data = recipe.settings.get("data", {}).get("name", "digits") == data
    return on_data and any(issubclass(model, able) for able in (Samples, Density, Bounds, Energy))


def _telling(tell: Tell | None, model: str, number: int, count: int) -> Callable[[str], None]:
    """What tells of a measurement of the model `number` of `count`."""
    return lambda what: tell(f"{model}, {what}", number, count) if tell else None


def _family(recipe: Recipe, folder: Path, steps: int, now: Callable[[str], None]) -> Measurements:
    now(f"{steps} steps of training")
    few = {"steps": max(1, steps // 10), "save_every": steps, "tensorboard": False, "monitor": None}
    run = train(recipe.name, out=folder, settings={"train": few}, show=False)
    model, batch = run.model, run.config.train.batch_size
    step = step_seconds(model, run.source, run.config.train, steps)
    x = run.source.split("train").first(batch)
    training = catalogue.configure(recipe).train.steps
    sizes = {name: sum(p.numel() for p in part.parameters()) for name, part in model.named_children()}
    parts = {name: size for name, size in sizes.items() if size}
    updates = len(list(model.train().updates(lambda: x, Clock(0, steps))))
    model.eval()
    now("codes and samples")
    return {
        "recipe": recipe.name, "data": f"{run.source.name} {run.source.fingerprint}", "batch_size": batch,
        "step_seconds": step, "training_seconds": training * step, "updates_a_step": updates,
        "inference_seconds": _encoding(run), "parts": parts,
        **_of_samples(model), **_of_density(run, now),
    }  # fmt: skip


def _encoding(run: Run) -> float | None:
    """Seconds that the codes of 1,000 examples take; None for models that have none."""
    if not isinstance(run.model, Encodes):
        return None
    x = run.source.split("train").first(EXAMPLES).x.to(run.model.device)
    with evaluating(run.model, 0):
        return _seconds(lambda: require(run.model, Encodes).encode(x), run.model.device) * EXAMPLES / len(x)


def _of_samples(model: Model) -> Measurements:
    if not isinstance(model, Samples):
        return {"sampling_seconds": None, "chain": None}
    with evaluating(model, 0):
        chain = max(model.one_by_one, passes(model, lambda: model.sample(2)))
    return {"sampling_seconds": sampling_seconds({"": model})[""], "chain": chain}


def _of_density(run: Run, now: Callable[[str], None]) -> Measurements:
    """The best that can be said of log p(x), and how long the test split takes."""
    able = [registry.metric(name) for name in applicable(run)]
    able = [metric for metric in able if metric.unit == "nats"]
    kind = next((kind for kind in KINDS if any(metric.kind == kind for metric in able)), None)
    seconds = {}
    for metric in able:
        if metric.kind == kind:
            now(metric.name)
            seconds[metric.name] = _seconds(lambda m=metric: run.evaluate(m.name), run.model.device, 1)  # type: ignore[misc]
    return {"density": kind, "density_seconds": seconds, "density_examples": len(run.source.split("test"))}


def _seconds(act: Callable[[], object], device: torch.device, repeats: int = 5) -> float:
    found, now = [], clock(device)
    for _ in range(repeats):
        start = now()
        act()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        found.append(now() - start)
    return statistics.median(found)


def _training(row: Measurements) -> str:
    updates = f"{row['updates_a_step']} updates in turn" if row["updates_a_step"] > 1 else "1 update"
    step, whole = _short(row["step_seconds"]), duration(row["training_seconds"])
    return f"{step} a step of {row['batch_size']}, {updates}; {whole} in all"


def _inference(row: Measurements) -> str:
    return "none" if row["inference_seconds"] is None else f"{_short(row['inference_seconds'])} for 1,000 codes"


def _sampling(row: Measurements) -> str:
    if row["sampling_seconds"] is None:
        return "none"
    chain = "no chain" if row["chain"] <= 1 else f"a chain of {row['chain']:,}"
    return f"{_short(row['sampling_seconds'])} for 1,000, {chain}"


def _density(row: Measurements) -> str:
    if row["density"] is None:
        return "none"
    times = ", ".join(f"{name} {_short(seconds)}" for name, seconds in row["density_seconds"].items())
    return f"{row['density']}: {times} for {row['density_examples']:,} examples"


def _design(row: Measurements) -> str:
    if not row["parts"]:
        return "no nets"
    parts = ", ".join(f"{name} {count:,}" for name, count in row["parts"].items())
    return f"{len(row['parts'])} net{'s' * (len(row['parts']) > 1)}: {parts} parameters"


def _short(seconds: float) -> str:
    return f"{1_000 * seconds:.2g} ms" if seconds < 0.1 else f"{seconds:.2g} s"

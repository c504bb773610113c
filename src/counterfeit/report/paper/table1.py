"""Table 1 of the founding paper: Parzen window log-likelihoods, published and measured.

References:
    Generative Adversarial Nets, Goodfellow et al., 2014 (arXiv 1406.2661), table 1.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from counterfeit import catalogue
from counterfeit.common.estimate import Estimate
from counterfeit.common.numbers import measured, number
from counterfeit.common.schema import MisfitError, read_json
from counterfeit.config.parse import command
from counterfeit.core import Samples
from counterfeit.engine.checkpoint import checkpoints
from counterfeit.evaluation.measure import Tell
from counterfeit.metrics.base import Result
from counterfeit.report.comparison.compare import named, results
from counterfeit.report.paper.cells import Cell, Table
from counterfeit.report.run_page.facts import duration
from counterfeit.run.run import Run

__all__ = ["DATA", "RECIPES", "Kept", "find_runs", "recorded", "table1", "trained_runs"]

DATA = {"mnist": "MNIST", "tfd": "TFD", "olivetti": "Olivetti", "digits": "digits"}
RECIPES: Mapping[str, tuple[str, ...]] = {  # of the rows that this version can measure
    "dbn": ("dbn-mnist-gray",),
    "cae": ("stacked-contractive-autoencoder",),
    "gsn": ("gsn-mnist",),
    "gan": ("gan-mnist-2014", "gan-tfd"),
}
PROTOCOL = {"samples": 10_000, "split": "test", "max_examples": 0}
PUBLISHED: Mapping[str, Mapping[str, tuple[float, float]]] = {  # row -> data -> nats and standard error
    "dbn": {"mnist": (138, 2), "tfd": (1909, 66)},
    "cae": {"mnist": (121, 1.6), "tfd": (2110, 50)},
    "gsn": {"mnist": (214, 1.1), "tfd": (1890, 29)},
}
NAMES = {"dbn": "DBN", "cae": "stacked CAE", "gsn": "deep GSN", "gan": "adversarial nets"}

Scores = Mapping[str, Mapping[str, list[Result]]]


class Kept(NamedTuple):
    """What a results file tells of a run: its recipe or its own name, its data, its score, its steps and its cost."""

    label: str
    data: str
    score: Result
    cost: str


def recorded(folder: Path) -> list[Kept]:
    """What `evaluate --record` kept in the files of a folder: scores of runs by the protocol of the table.

    Raises:
        ValueError: where it is no folder, or a file is damaged.
    """
    if not folder.is_dir():
        raise ValueError(f"{folder} came; a folder of what `evaluate --record` wrote is expected.")
    return [one for file in sorted(folder.glob("*.json")) for one in _recorded(file)]


def _recorded(file: Path) -> list[Kept]:
    found = []
    try:
        content = read_json(file, lambda *_: None)
        rows = content.get("rows", []) if isinstance(content, dict) else []
        for row in (row for row in rows if "parzen" in row.get("metrics", ()) and "steps" in row):
            score = Result.from_dict(row["metrics"]["parzen"])
            _, *how, data = score.protocol.split("; ")
            name = data.split()[0]
            asked = {f"{PROTOCOL['samples']} samples", f"{PROTOCOL['split']} n={score.n}"}
            if name in DATA and asked <= {*how} and "+" not in data:
                found.append(Kept(content["name"], name, score, _cost(row["run"], row["steps"], row["cpu_seconds"])))
    except (MisfitError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{file} is no file of results: {error}. Move it away, or name another folder.") from None
    return found


def trained_runs(folder: Path) -> list[Run]:
    """The runs in a folder that have a checkpoint, by name."""
    files = sorted(folder.glob("*/run.yaml"))
    return [Run(file.parent) for file in files if checkpoints(file.parent)]


def find_runs(folder: Path) -> list[Run]:
    """The runs in a folder that the table can speak of: of models that sample, on its data as they are."""
    return [run for run in trained_runs(folder) if run.config.data.name in DATA and _whole(run)]


def _whole(run: Run) -> bool:
    data = run.config.data
    return not data.transforms and data.size is None and issubclass(catalogue.model_class(run.config.model), Samples)


def table1(
    runs: Iterable[Run], samples: int = 10_000, tell: Tell | None = None, kept: Sequence[Kept] = ()
) -> Table:  # fmt: skip
    """The table, with rows below those of the paper for other recipes, and for runs that differ from their recipe.

    Arguments:
        runs: what to measure; of several runs of a recipe, mean and standard deviation are shown.
        samples: drawn from each; the paper's number is the default.
        tell: told of each measurement.
        kept: what was measured before, of rows that no run is of.
    """
    scores: dict[str, dict[str, list[Result]]] = {}
    runs, costs = list(runs), []
    for run in runs:
        protocol = PROTOCOL | {"samples": samples, "folds": run.config.data.name == "tfd"}
        found = results(run.subject, ["parzen"], protocol, named(run.name, tell))
        if found.skipped:
            raise ValueError(f"{run.name}: {found.skipped['parzen']}")
        scores.setdefault(_label(run), {}).setdefault(run.config.data.name, []).append(found["parzen"])
        state, steps = run.state, run.config.train.steps
        costs.append(_cost(run.name, state["step"], state["cpu_seconds"], steps))
    measured_here = {(label, data) for label, found in scores.items() for data in found}
    for one in kept:
        if (one.label, one.data) not in measured_here:
            scores.setdefault(one.label, {}).setdefault(one.data, []).append(one.score)
            costs.append(one.cost)
    head = [f"{title}, {what}" for title in ("MNIST", "TFD") for what in ("published", "measured")]
    rows = [_published_row(row, published, scores) for row, published in _published().items()]
    rows += [_row(name, _estimates(found)) for name, found in scores.items() if name not in _recipes()]
    rows += [_row(f"{name} (reference)", _references(scores, name)) for name in ("real", "k-means")]
    return Table(["model", *head, "Olivetti, measured", "digits, measured"], rows, [*_notes(scores), *costs])


def _label(run: Run) -> str:
    """The recipe's name, or the run's own where its settings, other than the seed, differ from the recipe's."""
    recipe = catalogue.recipes().get(run.config.recipe)
    if recipe is None:
        return run.name
    usual = catalogue.usual(recipe, run.config, {"train": {"seed": run.config.train.seed}})
    same = recipe.name in _recipes() or command(run.config, usual) == command(usual, usual)
    own = f"{run.name} (changed)" if run.name in catalogue.recipes() else run.name
    return recipe.name if same else own


def _recipes() -> list[str]:
    """Those of all rows."""
    return [name for names in RECIPES.values() for name in names]


def _published() -> dict[str, dict[str, tuple[float, float]]]:
    """Row -> data -> published score; those that a recipe of this version is to reach are its goals."""
    found = {row: dict(scores) for row, scores in PUBLISHED.items()}
    for row, names in RECIPES.items():
        for recipe in map(catalogue.recipe, names):
            for goal in recipe.targets:
                found.setdefault(row, {})[recipe.settings["data"]["name"]] = (goal["value"], goal["error"])
    return found


def _published_row(row: str, published: Mapping[str, tuple[float, float]], scores: Scores) -> list[Cell]:
    names = RECIPES.get(row, ())
    measured = {data: found for name in names for data, found in _estimates(scores.get(name, {})).items()}
    missing = "not measured" if names else "not in this version"
    pairs = [(number(*published[data]), _score(measured.get(data), missing)) for data in ("mnist", "tfd")]
    return [Cell(NAMES[row]), *(Cell(text) for pair in pairs for text in pair), Cell("–"), Cell("–")]


def _estimates(found: Mapping[str, Sequence[Result]]) -> dict[str, list[Estimate]]:
    return {data: [result.estimate for result in several] for data, several in found.items()}


def _row(name: str, found: Mapping[str, Sequence[Estimate]]) -> list[Cell]:
    mnist, tfd, olivetti, digits = (_score(found.get(data)) for data in DATA)
    return [Cell(text) for text in (name, "–", mnist, "–", tfd, olivetti, digits)]


def _score(found: Sequence[Estimate] | None, missing: str = "–") -> str:
    if not found:
        return missing
    values = [one.value for one in found]
    if len(values) == 1:
        return measured(found[0])
    return f"{number(statistics.fmean(values), statistics.stdev(values))} ({len(values)} runs)"


def _references(scores: Scores, name: str) -> dict[str, list[Estimate]]:
    """What stands beside the scores of the same data, once."""
    found: dict[str, list[Estimate]] = {}
    for by_data in scores.values():
        for data, several in by_data.items():
            found[data] = [several[0].references[name]]
    return found


def _cost(name: str, step: int, seconds: float, steps: int | None = None) -> str:
    stopped = "" if steps in (None, step) else f" of {steps:,}"
    return f"{name}: {step:,} steps{stopped}, {duration(seconds)} of a CPU."


def _notes(scores: Scores) -> list[str]:
    protocols = [r.protocol for found in scores.values() for several in found.values() for r in several]
    misleading = "k-means centroids, which are blurred data, beat real data: never tune for this score alone."
    source = "Published: Goodfellow et al., 2014, table 1; nats, higher is better, standard error of the mean."
    return [source, misleading, *(f"Measured: {protocol}." for protocol in dict.fromkeys(protocols))]

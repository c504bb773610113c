"""Recipes of all families on the same data for the same time, measured alike."""

from __future__ import annotations

import multiprocessing
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from counterfeit import catalogue
from counterfeit.benchmarking.candidates import candidates, configured, data_of
from counterfeit.benchmarking.entry import carry_out, file_of, tell
from counterfeit.benchmarking.order import COSTLY, METRICS, Entry, Order, read, seconds, write
from counterfeit.benchmarking.result import Benchmark, Row, referenced
from counterfeit.config.nested import nest
from counterfeit.data.source import InMemory, Source
from counterfeit.engine.device import pick_device
from counterfeit.evaluation.measure import UnmeasuredError
from counterfeit.evaluation.subject import FixedSamples, Subject
from counterfeit.metrics import registry
from counterfeit.metrics.base import Result
from counterfeit.report.results_file import machine

__all__ = ["BITS", "REAL", "benchmark", "carried_out", "chosen", "ordered"]


class Stopped(KeyboardInterrupt):
    """A benchmark was stopped, with this exit status; what was trained and measured is kept."""

    def __init__(self, status: int) -> None:
        super().__init__("stopped; what was trained and measured is kept, and the same command goes on.")
        self.status = status


REFERENCED = ("fid", "kid", "prdc")  # what real data in the place of samples are measured by
REAL, BITS = "real data", "real data, binary"
SAMPLES, EXAMPLES = 2_000, 2_000  # where nobody says otherwise


def benchmark(
    data: str | Path = "digits", budget: str | float = "10m", out: str | Path | None = None,
    recipes: Sequence[str] = (), families: Sequence[str] = (), seeds: Sequence[int] = (0,), jobs: int = 1,
    settings: Mapping[str, Any] | None = None,
) -> Benchmark:  # fmt: skip
    """Train recipes of all families that suit the data for the same time, and measure all alike.

    What was done before in the folder is not done again, so that one that was stopped goes on.

    Arguments:
        data: a source, or the path of a folder, zip or array.
        budget: the training time of each: of one core on a CPU, by the clock on another device; such as 90, "10m".
        out: the folder; `runs/benchmark-DATA-BUDGET` where None.
        recipes: names or paths; where none are named, of each model those made for data of the nearest shape.
        families: which are taken; all where none are named.
        seeds: of training; every recipe is trained with each.
        jobs: how many are trained beside each other, as processes.
        settings: any settings over those of every recipe, nested or dotted, such as {"evaluate.samples": 10_000}.

    Raises:
        ValueError: for what cannot be used, in one line.

    Example:
        >>> out = getfixture("tmp_path") / "bench"
        >>> small = {"evaluate.samples": 50, "evaluate.max_examples": 50, "evaluate.metrics": ["prdc"]}
        >>> found = benchmark("digits", "1s", out, recipes=["independent", "gan"], settings=small)
        >>> [row.entry.family for row in found.rows]
        ['autoregressive', 'adversarial']
    """
    order, source = ordered(data, budget, out, settings)
    entries, refused = chosen(order, source, recipes, families, seeds)
    return carried_out(order, source, entries, refused, jobs)


def ordered(
    data: str | Path, budget: str | float, out: str | Path | None, settings: Mapping[str, Any] | None
) -> tuple[Order, Source]:  # fmt: skip
    """What is the same for all, and the data."""
    time = seconds(budget)
    given = nest(settings or {})
    own = given.get("evaluate", {})
    evaluate = {"samples": SAMPLES, "max_examples": EXAMPLES} | own
    layers = {**given, "data": {**given.get("data", {}), "name": str(data)}, "evaluate": evaluate}
    source = data_of(layers)
    pictures = len(source.spec.shape) == 3
    usual = [name for name in METRICS if not (pictures and name in COSTLY)]
    asked = {"evaluate": {"metrics": evaluate.pop("metrics", usual)}}
    metrics = catalogue.configure(catalogue.recipe("gan"), asked).evaluate.metrics
    for name in metrics:
        registry.metric(name)
    folder = Path(out) if out else Path("runs") / f"benchmark-{Path(str(data)).stem}-{budget}"
    order = Order(folder.expanduser(), time, layers, metrics)
    return order, source


def _same(order: Order) -> None:
    """Refuse a folder that holds something else, and remember the order in an empty one."""
    file = order.out / "order.json"
    wanted = {"budget": order.budget, "settings": {k: v for k, v in order.settings.items() if k != "evaluate"}}
    if kept := read(file):
        if kept != wanted:
            raise ValueError(
                f"{order.out} holds a benchmark of {kept['settings']['data']['name']} with "
                f"{kept['budget']:g} s of training each and {kept['settings']}; {wanted} came. Choose another --out."
            )
        return
    if order.out.exists() and (not order.out.is_dir() or any(order.out.iterdir())):
        raise ValueError(f"{order.out} already holds something; a new folder is expected. Choose another --out.")
    write(file, wanted)


def chosen(
    order: Order, source: Source, recipes: Sequence[str], families: Sequence[str], seeds: Sequence[int]
) -> tuple[list[Entry], dict[str, str]]:  # fmt: skip
    """What is to be trained, and why other recipes are left out."""
    found, refused = candidates(order.settings, source, recipes, families)
    paths = dict(zip((catalogue.recipe(name).name for name in recipes), recipes, strict=True))
    entries = [
        Entry(one.recipe.name + (f"-seed{seed}" if seed else ""), str(paths.get(one.recipe.name, one.recipe.name)),
              one.family, seed)
        for seed in seeds for one in found
    ]  # fmt: skip
    return entries, refused


def carried_out(
    order: Order, source: Source, entries: Sequence[Entry], refused: Mapping[str, str], jobs: int = 1,
    command: str = "",
) -> Benchmark:  # fmt: skip
    """Train and measure all entries, and keep the result; see `benchmark`."""
    _same(order)
    kept = read(order.out / "references.json")
    if not kept:
        tell(f"{REAL} in the place of samples")
        kept = _references(order, source)
        write(order.out / "references.json", kept)
    try:
        if jobs == 1:
            for entry in entries:
                carry_out(entry, order, source)
        else:
            _beside_each_other(order, entries, jobs)
    except KeyboardInterrupt as stop:
        raise Stopped(getattr(stop, "status", 130)) from stop
    rows = [_row(entry, order) for entry in entries]
    device = str(pick_device(order.settings.get("train", {}).get("device", "auto")))
    made = Benchmark(source.name, order.budget, rows, referenced(kept), refused, command, machine(), device)
    write(order.out / "benchmark.json", made.to_dict())
    return made


def _beside_each_other(order: Order, entries: Sequence[Entry], jobs: int) -> None:
    """Each entry in a process of its own, several at once."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=context, max_tasks_per_child=1) as pool:
        try:
            for done in [pool.submit(carry_out, entry, order, None, False) for entry in entries]:
                done.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in multiprocessing.active_children():
                process.terminate()  # which saves, and ends
            raise


def _references(order: Order, source: Source) -> dict[str, Any]:
    """What real training data reach in the place of samples, as they are and with binary values."""
    evaluation = configured(catalogue.recipe("gan"), order.settings, source).evaluate
    train = source.split("train")
    subjects = {REAL: train}
    if source.spec.kind == "image":
        x = train.first(evaluation.samples).x
        subjects[BITS] = InMemory((x >= 0.5).to(x.dtype))
    found: dict[str, Any] = {}
    for name, examples in subjects.items():
        subject = Subject(name, FixedSamples(source.spec, examples, name), source, evaluation, real=True)
        names = [metric for metric in order.metrics if metric in REFERENCED]
        try:
            samples = min(evaluation.samples, len(examples))
            answer = subject.evaluate(*names, samples=samples) if names else {}
        except (UnmeasuredError, ValueError):
            answer = {}
        found[name] = {row: result.to_dict() for row, result in answer.items()}
    return found


def _row(entry: Entry, order: Order) -> Row:
    """What the files of an entry say."""
    kept = read(file_of(entry, order))
    results = {row: Result.from_dict(found) for row, found in kept.get("results", {}).items()}
    return Row(
        entry, kept.get("model") or catalogue.recipe(entry.recipe).model, kept.get("kind", ""), kept.get("plan", {}),
        results, kept.get("skipped", {}), kept.get("curve") or (), kept.get("cost", {}), kept.get("command", ""),
        kept.get("failed") or kept.get("diverged", ""),
    )  # fmt: skip

"""A benchmark as one page that needs no network, no script and no other file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import counterfeit
from counterfeit.benchmarking.advice import advice
from counterfeit.benchmarking.entry import measured, run_of
from counterfeit.benchmarking.order import Order
from counterfeit.benchmarking.result import Benchmark
from counterfeit.benchmarking.table import by_recipe, leaders, ordered, table
from counterfeit.common.files import write_text
from counterfeit.common.numbers import measured as told
from counterfeit.report.comparison.figures import samples_of
from counterfeit.report.comparison.page import warnings
from counterfeit.report.comparison.rows import Line
from counterfeit.report.html import plot
from counterfeit.report.html.figure import Figure, save
from counterfeit.report.html.markup import Markup, join, tag
from counterfeit.report.html.themed import themed
from counterfeit.report.paper.cells import Table
from counterfeit.report.run_page.facts import duration
from counterfeit.report.run_page.page import code, document, panels, section

__all__ = ["curves", "page", "write"]

WIDE = (7.2, 4.2)  # inches of the plot of curves
ROWS = 4  # of samples


def write(made: Benchmark, order: Order) -> Path:
    """Write benchmark.html, and its figures as files of their own into figures/; the page's path."""
    figures = [*curves(made), *_samples(made, order)]
    save(figures, order.out / "figures")
    path = order.out / "benchmark.html"
    write_text(path, page(made, figures))
    return path


def page(made: Benchmark, figures: Sequence[Figure]) -> str:
    """The benchmark with the figures `made` of it, as HTML."""
    version = f"Made by Counterfeit {counterfeit.__version__} from a folder of runs."
    return document(
        f"{made.data}, all families side by side: Counterfeit benchmark",
        tag("main", *_sections(made, figures)),
        tag("footer", tag("p", version)),
        class_="comparison",
    )


def _sections(made: Benchmark, figures: Sequence[Figure]) -> Iterator[Markup]:
    counts = f"{len(by_recipe(made.rows))} recipes of {len({row.entry.family for row in made.measured})} families"
    core = "of one core" if made.device == "cpu" else f"on {made.device}"
    lede = f"{counts} on {made.data}, {duration(made.budget)} {core} each"
    yield tag("header", tag("h1", "All families side by side"), tag("p", lede, class_="lede"))
    if said := advice(made):
        terms = [item for one in said for item in (tag("dt", one.purpose), tag("dd", one.text))]
        yield section("What to take for what", tag("dl", *terms, class_="advice"))
    groups = {name: [one for one in figures if one.section == name] for name in ("Samples", "Training")}
    if groups["Samples"]:
        about = "Drawn from the same seed, in the order in which they came, none left out; the best by FID first."
        yield panels("Samples", groups["Samples"], about)
    whole = table(made)
    yield section("Numbers", _table(whole), tag("ul", *(tag("li", note) for note in whole.notes), class_="soft"))
    if groups["Training"]:
        yield panels("How fast they learn", groups["Training"])
    yield section("Every metric", tag("div", *map(_line, leaders(made)), class_="panels"))
    yield section("To repeat", *_repeat(made))


def _table(whole: Table) -> Markup:
    head = tag("tr", *(tag("th", name, scope="col") for name in whole.columns))
    rows = [
        tag("tr", tag("th", first.text, scope="row"),
            *(tag("td", one.text, class_="best" if one.best else "plain", data_name=name)
              for name, one in zip(whole.columns[1:], rest, strict=True)))
        for first, *rest in whole.rows
    ]  # fmt: skip
    return tag("div", tag("table", tag("thead", head), tag("tbody", *rows), class_="versus"), class_="scrolled")


def _line(line: Line) -> Markup:
    """One metric under one protocol: who measured what, the best first."""
    better = line.about.better if line.about else None
    sign = 1 if better == "lower" else -1
    names = sorted(line.cells, key=lambda name: sign * line.cells[name].value) if better else [*line.cells]
    rows = [
        tag("tr", tag("th", name, scope="row"),
            tag("td", told(line.cells[name].estimate), class_="best" if name in line.best else "plain"))
        for name in names
    ]  # fmt: skip
    about = [tag("p", text, class_="soft") for text in (*warnings(line), line.protocol)]
    how = tag("details", tag("summary", "how it was measured"), *about, class_="how")
    return tag("div", tag("h3", f"{line.metric} ", tag("small", line.kind)), tag("table", tag("tbody", *rows)), how)


def _repeat(made: Benchmark) -> Iterator[Markup]:
    yield tag("p", "The whole, which goes on where it stopped; and each run by itself, to the bit on the same machine:")
    yield code("\n".join([made.command, *(row.command for row in made.rows if row.command)]))
    tried = [row for row in made.rows if row.plan.get("step_seconds")]
    said = [
        f"{row.entry.name}: {row.plan['step_seconds']:.3g} s a step and {row.plan['save_seconds']:.3g} s a checkpoint, "
        f"so {row.plan['steps']:,} steps and {row.plan['saves']} checkpoints"
        for row in tried
    ]
    if said:
        yield tag("details", tag("summary", "What the trials measured"), tag("ul", *(tag("li", one) for one in said)))


def _samples(made: Benchmark, order: Order) -> Iterator[Figure]:
    groups = by_recipe(made.rows)
    for recipe in ordered(made):
        row = groups[recipe][0]
        one = measured(run_of(row.entry, order))
        fid = f", FID {told(row.results['fid'].estimate)}" if "fid" in row.results else ""
        means = ", decoded means" if "means" in one.note else ""
        caption = join([tag("b", recipe), f"({row.entry.family}){fid}{means}"], " ")
        for figure in samples_of(one, ROWS, rows_of_labels=False):
            yield replace(figure, name=f"{recipe}-{figure.name}", section="Samples", caption=caption)


def curves(made: Benchmark) -> Iterator[Figure]:
    """The Fréchet distance over seconds of training, a curve for each recipe, the best named first."""
    groups = by_recipe(made.rows)
    found = {recipe: groups[recipe][0].curve for recipe in ordered(made) if groups[recipe][0].curve}
    if found:
        time = "processor seconds" if made.device == "cpu" else "seconds"
        caption = f"Fréchet distance to {made.data} over {time} of training; lower is better"
        yield themed("fid-over-time", "Training", f"{caption}.", partial(_draw, found, time))


def _draw(found: Mapping[str, Sequence[Mapping[str, float]]], time: str, theme: plot.Theme) -> bytes:
    def draw(axes: Any) -> None:
        marks = ("o", "s", "^", "D", "v", "P", "X")
        for place, (recipe, points) in enumerate(found.items()):
            color, mark = theme.curves[place % len(theme.curves)], marks[place // len(theme.curves) % len(marks)]
            x, y = [one["seconds"] for one in points], [one["fid"] for one in points]
            axes.plot(x, y, color=color, marker=mark, markersize=4, linewidth=1.4, label=recipe)
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xlabel(f"{time} of training")
        axes.set_ylabel("Fréchet distance")
        axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5), labelcolor="linecolor", fontsize=8)

    return plot.svg(draw, theme, WIDE)

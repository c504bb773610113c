"""A comparison as one page that needs no network, no script and no other file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

import counterfeit
from counterfeit.common.files import atomic
from counterfeit.common.numbers import measured
from counterfeit.evaluation.subject import Subject
from counterfeit.report.comparison.compare import Comparison, cell, cost_table, skips
from counterfeit.report.comparison.figures import colors, figures
from counterfeit.report.comparison.rows import OTHER, Line
from counterfeit.report.html import plot
from counterfeit.report.html.figure import Figure
from counterfeit.report.html.markup import Markup, tag
from counterfeit.report.paper.cells import Cell
from counterfeit.report.run_page.doctor import options
from counterfeit.report.run_page.page import document, panels, section

__all__ = ["page", "warnings", "write"]

KINDS = {
    "exact": "the quantity itself, up to the error of a finite test set",
    "bound": "the quantity is at least as good",
    "estimate": "close to the quantity, on either side",
}
SAYS = {
    "Nearest training examples": "The framed column shows the training example nearest in pixels to the sample on its "
    "left, as figure 2 of the founding paper.",
    "Interpolation between codes": "What codes between two drawn ones decode to. Upper row of each pair: on the "
    "straight line. Lower row: on the great circle, along which Gaussian codes keep a likely length.",
    "Training curves": "Over training steps, in the colors above.",
}


def write(comparison: Comparison, path: Path) -> Path:
    """Write the page to a file; returns its path."""
    with atomic(path) as part:
        part.write_text(page(comparison, list(figures(comparison.contestants))), encoding="utf-8")
    return path


def page(comparison: Comparison, made: Sequence[Figure]) -> str:
    """The comparison with the figures `made` of it, as HTML."""
    names = list(comparison.contestants)
    version = f"Made by Counterfeit {counterfeit.__version__} from run folders; sampling was timed for this page."
    return document(
        f"{' · '.join(names)}: Counterfeit comparison",
        tag("main", *_sections(comparison, names, made)),
        tag("footer", tag("p", version)),
        class_="comparison",
    )


def _sections(comparison: Comparison, names: list[str], made: Sequence[Figure]) -> Iterator[Markup]:
    data = ", ".join(dict.fromkeys(one.source.name for one in comparison.contestants.values()))
    yield tag("header", tag("h1", "Side by side"), tag("p", f"{len(names)} contestants on {data}", class_="lede"))
    yield tag("ul", *(_contestant(name, one, names) for name, one in comparison.contestants.items()), class_="key")
    groups = {name: list(group) for name, group in groupby(made, lambda figure: figure.section)}
    if samples := groups.pop("Samples", None):
        yield panels("Samples", samples)
    yield section("Numbers", *_differences(comparison), _numbers(comparison, names), _kinds(comparison))
    yield section("Cost", _costs(comparison, names))
    for name, group in groups.items():
        yield panels(name, group, SAYS.get(name, ""))


def _contestant(name: str, one: Subject, names: list[str]) -> Markup:
    light, dark = (colors(names, theme)[name] for theme in (plot.LIGHT, plot.DARK))
    swatch = tag("i", style=f"--light: {light}; --dark: {dark}")
    return tag("li", swatch, tag("b", name), f" {_about(one)}")


def _about(one: Subject) -> str:
    run = one.run
    if run is None:
        return f"{'real data' if one.real else 'samples made elsewhere'}, against {one.source.name}"
    config, how = run.config, f"; {one.note}, against {one.source.name}" if one.note else ""
    recipe = "" if config.recipe == config.model else f", recipe {config.recipe}"
    data = " after ".join(filter(None, [config.data.name, ", ".join(config.data.transforms)]))
    return f"{config.model}{recipe}, on {data}, seed {config.train.seed}, {run.checkpoint.name}{how}"


def _differences(comparison: Comparison) -> Iterator[Markup]:
    if comparison.differences:
        said = tag("p", "Not all was measured in the same way: a row has one protocol, and is ranked by itself.")
        items = tag("ul", *(tag("li", sentence) for sentence in comparison.differences))
        more = tag("details", tag("summary", "What differs"), items, open="open")
        advice = [tag("p", *options(comparison.remedy))] if comparison.remedy else []
        yield tag("div", said, *advice, more, class_="warning")
    if skipped := skips(comparison):
        yield tag("ul", *(tag("li", sentence) for sentence in skipped), class_="soft")


def _numbers(comparison: Comparison, names: list[str]) -> Markup:
    head = tag("tr", tag("th", "metric", scope="col"), *(tag("th", name, scope="col") for name in names))
    bodies = [_line(comparison, line, names) for line in comparison.lines]
    return tag("table", tag("thead", head), *bodies, class_="versus")


def _line(comparison: Comparison, line: Line, names: list[str]) -> Markup:
    shown = tag("th", line.metric, tag("small", line.kind), scope="row")
    cells = [_cell(cell(comparison, line, name), name) for name in names]
    words = [tag("p", text, class_="warning") for text in warnings(line)]
    words += [tag("p", text) for text in (_references(line), line.protocol) if text]
    notes = tag("td", *words, colspan=str(len(names) + 1), class_="notes")
    return tag("tbody", tag("tr", shown, *cells), tag("tr", notes))


def _cell(shown: Cell, name: str) -> Markup:
    style = "soft" if shown.text[:1].isalpha() else "plain"  # words in the place of a number
    style = "best" if shown.best else "other" if shown.text == OTHER else style
    return tag("td", shown.text, class_=style, data_name=name)


def _references(line: Line) -> str:
    first = next(iter(line.cells.values()))
    found = ", ".join(f"{name} {measured(row)}" for name, row in first.references.items())
    return f"For scale: {found}." if found else ""


def warnings(line: Line) -> list[str]:
    """What the numbers of a line warn of, each warning once with the names of those it is about."""
    found: dict[str, list[str]] = {}
    for name, result in line.cells.items():
        if text := result.warning:
            found.setdefault(text, []).append(name)
    return [f"{', '.join(names)}: {text}." for text, names in found.items()]


def _kinds(comparison: Comparison) -> Markup:
    used = {line.about.kind for line in comparison.lines if line.about}
    kinds = "; ".join(f"{kind}: {meaning}" for kind, meaning in KINDS.items() if kind in used)
    text = f"Bold: the best under one protocol, and what lies within two standard errors of it. {kinds}."
    return tag("p", text, class_="soft")


def _costs(comparison: Comparison, names: list[str]) -> Markup:
    made = cost_table(comparison)
    head = tag("tr", *(tag("th", name, scope="col") for name in made.columns))
    rows = [
        tag("tr", tag("th", first.text, scope="row"), *(_cell(c, name) for name, c in zip(names, rest, strict=True)))
        for first, *rest in made.rows
    ]
    return tag("table", tag("thead", head), tag("tbody", *rows), class_="versus")

"""A run's report: one page that needs no network, no script and no other file."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from importlib import resources
from itertools import groupby
from pathlib import Path

from counterfeit.config import dump
from counterfeit.data.cache import atomic
from counterfeit.report.facts import Goal, Measurement, facts, goals, measurements
from counterfeit.report.figures import Figure, Picture, figures, save
from counterfeit.report.markup import Markup, data_uri, join, tag
from counterfeit.run import Run

__all__ = ["page", "write"]

# nothing is loaded but what the page itself holds, whatever a name in it says
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"

WIDE = 26  # characters, beyond which a fact takes two columns


def write(run: Run) -> Path:
    """Write RUN/report.html, and its figures as files of their own into RUN/figures; returns the page's path."""
    made = figures(run)
    save(made, run.path / "figures")
    path = run.path / "report.html"
    with atomic(path) as part:
        part.write_text(page(run, made), encoding="utf-8")
    return path


def page(run: Run, made: Sequence[Figure]) -> str:
    """The report of a run with the figures `made` of it, as HTML."""
    style = Markup(resources.files("counterfeit.report").joinpath("page.css").read_text(encoding="utf-8"))
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", http_equiv="Content-Security-Policy", content=POLICY),
        tag("title", f"{run.name}: Counterfeit report"),
        tag("style", style),
    )
    return f"<!DOCTYPE html>\n{tag('html', head, tag('body', tag('main', *_sections(run, made)), _footer(run)), lang='en')}\n"


def _sections(run: Run, made: Sequence[Figure]) -> Iterable[Markup]:
    sections = {name: list(group) for name, group in groupby(made, lambda figure: figure.section)}
    yield tag("header", tag("h1", run.name), tag("p", str(run.description.get("summary", "")), class_="lede"))
    yield _figures("Samples", sections.pop("Samples", []))
    yield _section("Key facts", tag("dl", *(_fact(name, text) for name, text in facts(run).items() if text)))
    if found := goals(run):
        yield _section("Goals", _goals(found))
    yield _section("Evaluation", _evaluation(run))
    for name, group in sections.items():
        yield _figures(name, group)
    yield _section("How to go on", *_commands(run))
    settings = tag("pre", tag("code", dump(run.config.to_dict())), tabindex="0")
    yield tag("details", tag("summary", tag("h2", "Settings")), settings)


def _section(title: str, *content: Markup) -> Markup:
    return tag("section", tag("h2", title), *content)


def _fact(name: str, text: str) -> Markup:
    return tag("div", tag("dt", name), tag("dd", text), class_="wide" if len(text) > WIDE else "narrow")


def _figures(title: str, group: Sequence[Figure]) -> Markup:
    if not group:
        return Markup()
    shown = [_figure(figure) for figure in group]
    return _section(title, *shown if len(shown) == 1 else [tag("div", *shown, class_="panels")])


def _figure(figure: Figure) -> Markup:
    image = tag(
        "img", src=_uri(figure.picture), alt=figure.alt, **({"class_": "pixels"} if figure.picture.crisp else {})
    )
    sources = [tag("source", media=media, srcset=_uri(other)) for media, other in figure.instead.items()]
    return tag("figure", tag("picture", *sources, image), tag("figcaption", figure.caption))


def _uri(picture: Picture) -> str:
    return data_uri(picture.data, picture.suffix)


def _goals(found: Sequence[Goal]) -> Markup:
    head = tag("tr", *(tag("th", name, scope="col") for name in ("Metric", "Goal", "Measured", "", "Source")))
    return tag("table", tag("thead", head), tag("tbody", *map(_goal, found)), class_="goals")


def _goal(goal: Goal) -> Markup:
    mark, style = {True: ("✓ ", "good"), False: ("", "short"), None: ("", "soft")}[goal.reached]
    return tag(
        "tr",
        tag("th", goal.metric, scope="row"),
        tag("td", goal.goal),
        tag("td", goal.measured),
        tag("td", f"{mark}{goal.verdict}", class_=style),
        tag("td", goal.source, class_="soft"),
    )


def _evaluation(run: Run) -> Markup:
    found = measurements(run)
    if not found:
        command = tag("code", f"counterfeit evaluate {shlex.quote(str(run.path))}")
        return tag(
            "p",
            "Nothing was measured yet: ",
            command,
            " does it, and ",
            tag("code", "counterfeit report"),
            " shows it.",
        )
    head = tag(
        "tr",
        tag("th", "Metric", scope="col"),
        *(tag("th", name, scope="col", class_="number") for name in ("Value", "n")),
    )
    return tag("table", tag("thead", head), *map(_measurement, found), class_="evaluation")


def _measurement(found: Measurement) -> Markup:
    own, *references = found.rows
    numbers = [tag("td", text, class_="number") for text in (own.value, own.n)]
    rows = [
        tag("tr", tag("th", found.name, scope="row"), *numbers),
        tag("tr", tag("td", found.summary, colspan="3", class_="notes")),
    ]
    for row in references:
        cells = [tag("td", text, class_="number") for text in (row.value, row.n)]
        rows.append(tag("tr", tag("th", row.name, scope="row"), *cells, class_="reference"))
    warnings = [tag("p", f"Warning: {text}.", class_="warning") for text in found.warnings]
    words = [tag("p", text) for text in (found.note, found.protocol, found.details) if text]
    notes = tag("td", *warnings, _bars(found.histogram), *words, colspan="3", class_="notes")
    return tag("tbody", *rows, tag("tr", notes))


def _bars(values: Sequence[float]) -> Markup:
    if not values:
        return Markup()
    top = max(*values, 1)
    bars = [
        tag("span", f"{value:,.0f}", tag("i", style=f"height: {70 * value / top:.0f}%"), str(label))
        for label, value in enumerate(values)
    ]
    return tag(
        "div", *bars, class_="bars", role="img", aria_label=f"Samples in each class: {', '.join(map(str, values))}"
    )


def _commands(run: Run) -> list[Markup]:
    path, steps = shlex.quote(str(run.path)), 2 * run.config.train.steps
    shell = (
        f"counterfeit sample {path} --n 100 --out samples.png\n"
        f"counterfeit evaluate {path}\n"
        f"counterfeit resume {path} --train.steps {steps}   # train for twice as long\n"
        f"counterfeit report {path}"
    )
    python = f"import counterfeit as cf\n\nrun = cf.Run({str(run.path)!r})\nx = run.sample(100)   # {_shape(run)}\nrun.evaluate()"
    return [tag("pre", tag("code", text), tabindex="0") for text in (shell, python)]


def _shape(run: Run) -> str:
    return f"(100, {', '.join(map(str, run.model.spec.shape))})"


def _footer(run: Run) -> Markup:
    version = run.description.get("versions", {}).get("counterfeit", "")
    text = f"Made by Counterfeit {version} from the run folder alone; the same folder gives the same page. "
    return tag("footer", tag("p", text, "Single pictures lie beside it in ", tag("code", "figures/"), "."))

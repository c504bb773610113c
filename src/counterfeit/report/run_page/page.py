"""A run's report: one page that needs no network, no script and no other file."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from importlib import resources
from itertools import groupby
from pathlib import Path

from counterfeit.common.files import atomic
from counterfeit.common.presentation import write_report
from counterfeit.config.nested import dump
from counterfeit.core import Samples
from counterfeit.report.figures.run_figures import figures
from counterfeit.report.html.figure import Figure, element, save
from counterfeit.report.html.markup import Markup, tag
from counterfeit.report.run_page.doctor import findings
from counterfeit.report.run_page.facts import facts, goals, measurements, summary
from counterfeit.report.run_page.tables import evaluation_table, goals_table, skipped_list
from counterfeit.run.run import Run

__all__ = ["code", "document", "page", "panels", "section", "write"]

# nothing is loaded but what the page itself holds, whatever a name in it says
POLICY = "default-src 'none'; img-src data:; media-src data:; style-src 'unsafe-inline'"
WIDE = 26  # characters, beyond which a fact takes two columns


@write_report.register
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
    return document(f"{run.name}: Counterfeit report", tag("main", *_sections(run, made)), _footer(run))


def document(title: str, *body: Markup, class_: str = "narrow") -> str:
    """A whole page, which needs no other file: as HTML."""
    style = resources.files("counterfeit.report").joinpath("page.css").read_text(encoding="utf-8")
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", http_equiv="Content-Security-Policy", content=POLICY),
        tag("title", title),
        tag("style", Markup(style)),
    )
    return f"<!DOCTYPE html>\n{tag('html', head, tag('body', *body, class_=class_), lang='en')}\n"


def _sections(run: Run, made: Sequence[Figure]) -> Iterable[Markup]:
    groups = {name: list(group) for name, group in groupby(made, lambda figure: figure.section)}
    yield tag("header", tag("h1", run.name), tag("p", summary(run), class_="lede"))
    if samples := groups.pop("Samples", None):
        yield panels("Samples", samples)
    yield section("Key facts", tag("dl", *(_fact(name, text) for name, text in facts(run).items() if text)))
    if wanted := goals(run):
        yield section("Goals", goals_table(wanted))
    measured, skipped = measurements(run), run.skipped
    shown = [evaluation_table(measured)] if measured else [] if skipped else [_unmeasured(run)]
    yield section("Evaluation", *shown, *([skipped_list(skipped)] if skipped else []))
    yield section("Doctor", *findings(run))
    for name, group in groups.items():
        yield panels(name, group)
    yield section("How to go on", *_commands(run))
    yield tag("details", tag("summary", tag("h2", "Settings")), code(dump(run.config.to_dict())))


def section(title: str, *content: Markup) -> Markup:
    """Content under a heading."""
    return tag("section", tag("h2", title), *content)


def panels(title: str, group: Sequence[Figure], about: str = "") -> Markup:
    """Figures under a heading and what there is to say of all, side by side where there is room."""
    shown, said = [element(figure) for figure in group], [tag("p", about, class_="soft")] if about else []
    return section(title, *said, *shown if len(shown) == 1 else [tag("div", *shown, class_="panels")])


def _fact(name: str, text: str) -> Markup:
    return tag("div", tag("dt", name), tag("dd", text), class_="wide" if len(text) > WIDE else "narrow")


def _unmeasured(run: Run) -> Markup:
    evaluate, report = (tag("code", f"counterfeit {verb} {_path(run)}") for verb in ("evaluate", "report"))
    return tag("p", "Nothing was measured yet: ", evaluate, " does, and ", report, " then shows it.")


def _commands(run: Run) -> list[Markup]:
    path, steps = _path(run), run.config.train.steps
    longer = "" if run.state["step"] < steps else f" --train.steps {2 * steps}   # train on, for as long again"
    samples, suffix = isinstance(run.model, Samples), "wav" if run.source.raw.rate else "png"
    shell = (
        f"counterfeit sample {path} --n 100 --out samples.{suffix}\n" if samples else ""
    ) + f"counterfeit evaluate {path}\ncounterfeit resume {path}{longer}\ncounterfeit report {path}"
    shape = ", ".join(map(str, (100, *run.model.spec.shape)))
    python = (
        "import counterfeit as cf\n\n"
        f"run = cf.Run({str(run.path)!r})\n"
        + (f"x = run.sample(100)   # ({shape})\n" if samples else "model = run.model\n")
        + "results = run.evaluate()"
    )
    return [code(shell), code(python)]


def code(text: str) -> Markup:
    """Text to be copied."""
    return tag("pre", tag("code", text), tabindex="0")


def _path(run: Run) -> str:
    return shlex.quote(str(run.path))


def _footer(run: Run) -> Markup:
    version = run.description.get("versions", {}).get("counterfeit", "")
    text = f"Made by Counterfeit {version} from the run folder alone; the same folder gives the same page. "
    return tag("footer", tag("p", text, "Single pictures lie beside it in ", tag("code", "figures/"), "."))

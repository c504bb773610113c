"""Runs, results, comparisons and examinations in a notebook."""

from __future__ import annotations

import base64
from collections.abc import Sequence

from counterfeit.common.numbers import measured
from counterfeit.common.presentation import html
from counterfeit.core import Samples
from counterfeit.data.images import encode_png
from counterfeit.data.sounds import shown
from counterfeit.engine.checkpoint import checkpoints
from counterfeit.engine.doctor.examiner import Examination
from counterfeit.engine.previews import histogram, tile
from counterfeit.evaluation.measure import Results
from counterfeit.metrics.base import Result
from counterfeit.report.comparison.compare import Comparison, cell
from counterfeit.report.html.markup import Markup, tag
from counterfeit.report.run_page.doctor import options
from counterfeit.run.run import Run

SAMPLES, POINTS = 24, 2_000


@html.register
def _run(run: Run) -> str:
    rows = [
        (name, measured(Result.from_dict(entry).estimate), str(entry["n"])) for name, entry in run.evaluation.items()
    ]
    head = tag("p", tag("strong", run.name), f" – {repr(run).partition('): ')[2].partition(';')[0]}")
    return tag("div", head, *_grid(run), *([_table(("metric", "value", "n"), rows)] if rows else []))


@html.register
def _results(results: Results) -> str:
    rows = [(name, measured(result.estimate), f"{result.n:,}") for name, result in results.items()]
    rows += [(name, f"skipped: {why}", "") for name, why in results.skipped.items()]
    return _table(("metric", "value", "n"), rows)


@html.register
def _comparison(comparison: Comparison) -> str:
    names = list(comparison.contestants)
    cells = [[cell(comparison, line, name) for name in names] for line in comparison.lines]
    rows = [
        (line.metric, *(tag("b", one.text) if one.best else one.text for one in row))
        for line, row in zip(comparison.lines, cells, strict=True)
    ]
    return tag("div", _table(("metric", *names), rows), *(tag("p", text) for text in comparison.differences))


@html.register
def _examination(found: Examination) -> str:
    notes = [
        tag("li", tag("strong", finding.kind.replace("-", " ")), f": {finding.saw}. {finding.why} ",
            *options(finding.change))
        for finding in found.findings
    ]  # fmt: skip
    return tag("div", tag("p", repr(found)), *([tag("ul", *notes)] if notes else []))


def _grid(run: Run) -> list[Markup]:
    """A few samples as a picture, where there are some and they are images, points or sounds."""
    if not checkpoints(run.path) or not isinstance(run.model, Samples):
        return []
    shape = run.source.raw.spec.shape
    if (len(shape) == 3 and shape[0] in (1, 3)) or run.source.raw.rate:
        pixels = tile(shown(run.sample(SAMPLES, mean=True), run.source.raw.rate), 8)
    elif len(shape) == 1 and shape[0] <= 2:
        pixels = histogram(run.sample(POINTS))
    else:
        return []
    data = base64.b64encode(encode_png(pixels)).decode()
    return [tag("p", tag("img", src=f"data:image/png;base64,{data}", alt=f"Samples of {run.name}"))]


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Markup:
    head = tag("tr", *(tag("th", name) for name in columns))
    return tag("table", tag("thead", head), tag("tbody", *(tag("tr", *(tag("td", c) for c in row)) for row in rows)))

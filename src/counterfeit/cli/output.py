"""What a person or a program reads after a command."""

from __future__ import annotations

import dataclasses
import os
import sys
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from counterfeit.common.files import dumps

if TYPE_CHECKING:
    from counterfeit.engine.fit import Summary
    from counterfeit.evaluation.measure import Results
    from counterfeit.metrics.base import Result
    from counterfeit.report.paper.cells import Table
    from counterfeit.run.run import Run

__all__ = ["Watch", "counted", "finish", "measured", "say", "show", "table"]

WIDE = 160  # characters of a line where output is no terminal


def counted(count: int, noun: str) -> str:
    """A number of things.

    Example:
        >>> counted(1, "code"), counted(1200, "code")
        ('1 code', '1,200 codes')
    """
    return f"{count:,} {noun}{'s' * (count != 1)}"


def say(text: str) -> None:
    """A line for a person, on standard error, so that standard output stays for what was asked."""
    print(text, file=sys.stderr)


class Watch:
    """Says on standard error which metric is asked: with the time it takes on a terminal, as lines elsewhere.

    Arguments:
        title: what is measured.
    """

    def __init__(self, title: str) -> None:
        from rich.progress import Progress, SpinnerColumn, TimeElapsedColumn

        from counterfeit.common.progress import Ticks, console

        self.asked, self.minutes, self.ticks = title, 0, Ticks(self._tick)
        self.title, self.live = title, sys.stderr.isatty()
        columns = (SpinnerColumn(), "{task.description}", TimeElapsedColumn())
        self.bars = Progress(*columns, console=console(), transient=True, disable=not self.live)
        self.task = self.bars.add_task("")

    def __call__(self, metric: str, number: int, count: int) -> None:
        """Metric `number` of `count` is asked now."""
        self.asked, self.minutes = f"{self.title}: {metric} ({number} of {count})", 0
        if self.live:
            self.bars.reset(self.task, description=self.asked)
        else:
            say(self.asked)

    def _tick(self) -> None:
        self.minutes += 1
        say(f"{self.asked}: {self.minutes} min so far")

    def __enter__(self) -> Self:
        (self.bars.start if self.live else self.ticks.__enter__)()
        return self

    def __exit__(self, *error: object) -> None:
        self.bars.stop()
        self.ticks.__exit__()


def finish(run: Run, summary: Summary, evaluate: bool, report: bool, as_json: bool) -> int:
    """After training: evaluate, write the report, and say what came of it."""
    from counterfeit.engine.distributed import processes

    if not processes().is_main:
        return 0
    say(_trained(run, summary))
    results, skipped = _evaluated(run) if evaluate else ({}, {})
    if not as_json:
        _results(results, skipped)
    if report:
        from counterfeit.report.run_page.page import write

        say(f"Report: {write(run)}")
    if as_json:
        values = {name: {"value": r.value, "error": r.error} for name, r in results.items()}
        content = {"run": str(run.path), **dataclasses.asdict(summary), "evaluation": values}
        print(dumps(content | ({"skipped": skipped} if skipped else {})))
    return 0


def _trained(run: Run, summary: Summary) -> str:
    """What training did, in a line: of this trainer, and of all where there were others before."""
    if not summary.trained:
        train = run.config.train
        early = train.patience if summary.steps < train.steps else None
        option = f"--train.patience {2 * early}" if early else f"--train.steps {2 * summary.steps}"
        more = f"Train it for longer: counterfeit resume {run.path} {option}"
        return f"{run.name} had ended, at step {summary.steps:,}: nothing was trained. {more}"
    done = f"{summary.trained:,} steps"
    if summary.trained != summary.steps:
        done += f" more, {summary.steps:,} in all,"
    cost = f"{summary.cpu_seconds:.1f} CPU-seconds, {summary.images_per_second:,.0f} images/s"
    return f"Trained {run.name}: {done} in {summary.seconds:.1f} s ({cost})"


def _evaluated(run: Run) -> tuple[Mapping[str, Result], Mapping[str, str]]:
    """What could be measured, and why the rest was not: what was learnt is safe, and no evaluation makes it fail."""
    from counterfeit.evaluation.measure import UnmeasuredError

    try:
        with Watch(run.name) as watch:
            results = run.evaluate(tell=watch)
        return results, results.skipped
    except UnmeasuredError as error:
        return {}, error.skipped
    except (OSError, ValueError) as error:
        say(f"Not evaluated: {' '.join(str(error).split())}")
        return {}, {}


def measured(by_name: Mapping[str, Results], as_json: bool) -> None:
    """Print the results of each run as a table with their protocols, or as JSON."""
    from counterfeit.report.results_file import spreads

    several = spreads(by_name) if len(by_name) > 1 else {}
    if as_json:
        content = {name: _listed(results) for name, results in by_name.items()}
        print(dumps(content if len(content) > 1 else next(iter(content.values()))))
        return
    for name, results in by_name.items():
        print(name)
        _results(results, results.skipped, protocols=len(by_name) == 1)
        print()
    if several:
        _spread(by_name, several)
    if len(by_name) > 1:
        _protocols(by_name)


def _spread(by_name: Mapping[str, Results], several: Mapping[str, Mapping[str, Any]]) -> None:
    """A row for each number that all have under one protocol: its mean, and the deviation between them."""
    from counterfeit.common.numbers import number

    print(f"mean ± standard deviation between {len(by_name)}")
    rows = [(name, number(found["mean"], found["std"])) for name, found in several.items()]
    table(("metric", "mean"), rows)
    print()


def _protocols(by_name: Mapping[str, Results]) -> None:
    """How every number was measured, each way once."""
    from counterfeit.report.comparison.protocols import footnoted

    ways: dict[str, dict[str, None]] = {}
    for results in by_name.values():
        for row, result in results.items():
            ways.setdefault(row, {})[result.protocol] = None
    flat = {
        row if len(found) == 1 else f"{row} [{i}]": protocol
        for row, found in ways.items() for i, protocol in enumerate(found, 1)
    }  # fmt: skip
    for line in footnoted(flat):
        print(f"- {line}")


def _listed(results: Results) -> dict[str, Any]:
    """Metric -> its result, or why it gave none."""
    reasons = {name: {"skipped": why} for name, why in results.skipped.items()}
    return {row: result.to_dict() for row, result in results.items()} | reasons


def _results(results: Mapping[str, Result], skipped: Mapping[str, str], protocols: bool = False) -> None:
    """A row for each result and for what it is to be compared to, and one for what gave none.

    Below it warnings, reasons, and how it was measured.
    """
    if not results and not skipped:
        return
    from counterfeit.common.numbers import listed, measured
    from counterfeit.report.run_page.facts import measurement

    found = [measurement(name, result) for name, result in results.items()]
    numbers = [
        (name, row) for m in found
        for name, row in ((m.name, m.found), *((f"  {name}", row) for name, row in m.references.items()))
    ]  # fmt: skip
    rows = [(name, measured(row), f"{row.n:,}" if row.n else "") for name, row in numbers]
    table(("metric", "value", "n"), [*rows, *((name, "skipped", "") for name in skipped)])
    for m in found:
        words = [f"warning: {text}" for text in m.warnings]
        if protocols:
            words += [text for text in (m.note, listed(m.details)) if text]
            print(f"{m.name}: {m.summary}\n  {m.protocol}")
        for text in words:
            print(f"  {text}" if protocols else f"{m.name}: {text}")
    for name, why in skipped.items():
        print(f"{name}: skipped: {why}")


def show(tables: Sequence[Table], to_markdown: str | None, to_latex: str | None, as_json: str | None) -> None:
    """Write tables as Markdown and LaTeX to the files named, "-" for standard output; print them, or the JSON.

    What goes to standard output as Markdown, LaTeX or JSON is not printed for a person too.
    """
    from counterfeit.common.files import atomic
    from counterfeit.report.paper.cells import latex, markdown

    printed = [as_json] if as_json else []
    for write, target in ((markdown, to_markdown), (latex, to_latex)):
        text = "\n\n".join(map(write, tables))
        if target == "-":
            printed.append(text)
        elif target:
            with atomic(Path(target)) as part:
                part.write_text(f"{text}\n", encoding="utf-8")
    for text in printed:
        print(text)
    for one in [] if printed else tables:
        table(one.columns, [[f"{cell.text} *" if cell.best else cell.text for cell in row] for row in one.rows])
        if any(cell.best for row in one.rows for cell in row):
            print("* the best under one protocol, and what lies within two standard errors of it")
        for note in one.notes:
            print(f"- {note}")
        print()


def table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print a table as wide as the terminal, or as COLUMNS says; where it is wider, each row as a few lines."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.measure import Measurement
    from rich.table import Column, Table
    from rich.text import Text  # as it is: a name with brackets is no markup

    view = Table(*(Column(Text(name)) for name in columns), box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for row in rows:
        view.add_row(*(Text(str(cell)) for cell in row))
    console = Console(width=None if sys.stdout.isatty() or "COLUMNS" in os.environ else WIDE)
    needed = Measurement.get(console, console.options.update(width=10_000), view).maximum
    if len(columns) > 1 and console.width < min(WIDE, needed):
        _stacked(columns, rows, console.width)
    else:
        console.print(view)


def _stacked(columns: Sequence[str], rows: Sequence[Sequence[Any]], width: int) -> None:
    """Each row as its first cell, below it its longest, and below that the others with their names."""
    texts = [[str(cell) for cell in row] for row in rows]
    longest = max(range(1, len(columns)), key=lambda i: max((len(row[i]) for row in texts), default=0), default=0)
    for row in texts:
        others = [f"{columns[i]}: {row[i]}" for i in range(1, len(row)) if i != longest and row[i]]
        print(row[0])
        for line in filter(None, (row[longest] if longest else "", ", ".join(others))):
            print(textwrap.fill(line, width, initial_indent="  ", subsequent_indent="  ", break_long_words=False))

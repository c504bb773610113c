"""Goals and measurements as HTML tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from counterfeit.common.estimate import Estimate
from counterfeit.common.numbers import listed, measured
from counterfeit.report.html.markup import Markup, tag
from counterfeit.report.run_page.facts import Goal, Measurement

__all__ = ["evaluation_table", "goal_text", "goals_table", "skipped_list", "verdict"]


def goals_table(goals: Sequence[Goal]) -> Markup:
    """A row for each goal."""
    head = tag("tr", *(tag("th", name, scope="col") for name in ("Metric", "Goal", "Measured", "Verdict", "Source")))
    return tag("table", tag("thead", head), tag("tbody", *map(_goal, goals)), class_="goals")


def evaluation_table(measurements: Sequence[Measurement]) -> Markup:
    """A group of rows for each metric: its value, what to compare it to, and how it was measured."""
    numbers = [tag("th", name, scope="col", class_="number") for name in ("Value", "n")]
    head = tag("thead", tag("tr", tag("th", "Metric", scope="col"), *numbers))
    return tag("table", head, *map(_measurement, measurements))


def skipped_list(skipped: Mapping[str, str]) -> Markup:
    """The metrics that gave no number, each with its reason."""
    reasons = [tag("li", tag("strong", name), f": {why}") for name, why in skipped.items()]
    return tag("div", tag("p", "Skipped, since they could not be measured:"), tag("ul", *reasons), class_="notes")


def goal_text(goal: Goal) -> str:
    """What is to be reached.

    Example:
        >>> goal_text(Goal("parzen", Estimate(225.0, 2.0), "higher", None, "", ""))
        '≥ 225 ± 2'
    """
    error = f" ± {goal.goal.error:g}" if goal.goal.error else ""
    return f"{'≤' if goal.better == 'lower' else '≥'} {goal.goal.value:,g}{error}"


def verdict(goal: Goal) -> str:
    """Whether the goal was reached, or by how much it was missed."""
    if goal.measured is None:
        return "not measured"
    if goal.hollow:
        return f"not reached: {goal.hollow}"
    if goal.reached:
        return "reached"
    close = ", within its error" if goal.goal.error and goal.short <= goal.goal.error else ""
    return f"{'too high' if goal.better == 'lower' else 'short'} by {goal.short:.3g}{close}"


def _goal(goal: Goal) -> Markup:
    mark, style = {True: ("✓ ", "good"), False: ("", "short"), None: ("", "soft")}[goal.reached]
    return tag(
        "tr",
        tag("th", goal.metric, scope="row"),
        tag("td", goal_text(goal)),
        tag("td", measured(goal.measured) if goal.measured else ""),
        tag("td", f"{mark}{verdict(goal)}", class_=style),
        tag("td", goal.source, class_="soft"),
    )


def _measurement(found: Measurement) -> Markup:
    warnings = [tag("p", f"Warning: {text}.", class_="warning") for text in found.warnings]
    words = [tag("p", text) for text in (found.note, found.protocol, listed(found.details)) if text]
    return tag(
        "tbody",
        _row(found.name, found.found, "own"),
        _notes(tag("p", found.summary)),
        *(_row(name, row, "reference") for name, row in found.references.items()),
        _notes(*warnings, _bars(found.histogram), *words),
    )


def _row(name: str, row: Estimate, style: str) -> Markup:
    numbers = [tag("td", text, class_="number") for text in (measured(row), f"{row.n:,}" if row.n else "")]
    return tag("tr", tag("th", name, scope="row"), *numbers, class_=style)


def _notes(*content: Markup) -> Markup:
    return tag("tr", tag("td", *content, colspan="3", class_="notes"))


def _bars(counts: Sequence[float]) -> Markup:
    """How many samples fell into each class, as bars."""
    if not counts:
        return Markup()
    top = max(*counts, 1)
    bars = [
        tag("span", f"{count:,.0f}", tag("i", style=f"height: {60 * count / top:.0f}%"), str(name))
        for name, count in enumerate(counts)
    ]
    label = f"Samples in each class: {', '.join(map(str, counts))}"
    return tag("div", *bars, class_="bars", role="img", aria_label=label)

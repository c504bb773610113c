"""What the training doctor found while a run trained, for its page."""

from __future__ import annotations

import shlex
from typing import Any

from counterfeit.report.html.markup import Markup, tag
from counterfeit.run.run import Run

__all__ = ["findings", "options"]


def findings(run: Run) -> list[Markup]:
    """Findings and rollbacks in the order they came, or that there were none."""
    events = run.events
    notes = [note for event in events for note in (_finding(event), _rollback(event)) if note]
    if notes:
        return notes
    examined = sum(any(key.startswith("doctor/") for key in event) for event in events)
    command = tag("code", f"counterfeit doctor {shlex.quote(str(run.path))}")
    if not examined:
        return [tag("p", "Nobody watched this run: ", command, " examines it now.")]
    return [tag("p", f"Examined at {examined} checkpoints; nothing was found. ", command, " examines it again.")]


def _finding(event: dict[str, Any]) -> Markup | None:
    found = event.get("finding")
    if not isinstance(found, dict):
        return None
    kind, severity, saw, why, change = (str(found.get(k, "")) for k in ("kind", "severity", "saw", "why", "change"))
    name = tag("strong", kind.replace("-", " ").capitalize())
    head = tag("p", name, f" at step {event['step']:,} ({severity}): {saw}.")
    return tag("div", head, tag("p", f"{why} ", *options(change)), class_="warning")


def options(text: str) -> list[str]:
    """What stands between backticks as code."""
    return [tag("code", part) if i % 2 else part for i, part in enumerate(text.split("`"))]


def _rollback(event: dict[str, Any]) -> Markup | None:
    back = event.get("rollback")
    if not isinstance(back, dict):
        return None
    times = f"with {back.get('lr_times')} times the learning rate"
    return tag("p", f"Went back from step {back.get('from')} to {back.get('to')} {times}: {back.get('because')}")

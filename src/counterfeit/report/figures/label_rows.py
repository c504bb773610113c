"""Samples of what was asked for, in rows with their names: classes, categories or captions."""

from __future__ import annotations

from collections.abc import Sequence

from counterfeit.core import labels_of
from counterfeit.data.conditions import RequestedRows, captions_in_rows, conditions
from counterfeit.inference.draws import Drawn

__all__ = ["named", "rows_asked"]


def named(subject: Drawn, label: int) -> str:
    """What to call a label: the name of a class, or the number of a category."""
    source = subject.source
    return source.called(label) if labels_of(subject.model) == source.spec.classes else f"category {label}"


def rows_asked(
    subject: Drawn, classes: str | None, per_class: int | None, captions: Sequence[str] | None, n: int
) -> RequestedRows | None:
    """What a command asks for; captions of the data where it asks for nothing and there are some, else None.

    Arguments:
        subject: what is asked.
        classes: names or numbers, between commas.
        per_class: how many of each class, all where none are named.
        captions: texts.
        n: how many in all, shared among classes or captions, where `per_class` does not say it.

    Raises:
        ValueError: the model takes no labels or captions, or knows none of that name.
    """
    if classes is None and per_class is None and not captions:
        return captions_in_rows(subject.source, "test", n) if subject.source.spec.captioned else None
    source, labels = subject.source, labels_of(subject.model)
    names = [*captions] if captions else [part.strip() for part in (classes or "").split(",") if part.strip()]
    if captions and not source.spec.captioned:
        raise ValueError(f"a caption came; {subject.name} learnt from data without captions. Leave it out.")
    if not captions and not labels:
        raise ValueError(f"a class came; {subject.name} samples without labels. Leave it out, or train cgan.")
    if not captions and not names:
        names = [str(label) for label in range(labels)]
    each = [per_class or n // len(names) + (i < n % len(names)) for i in range(len(names))]
    pairs = [(name, count) for name, count in zip(names, each, strict=True) if count]
    asked = conditions([name for name, count in pairs for _ in range(count)], sum(each), source, labels)
    if asked is None:
        raise ValueError("nothing was asked for; a class or a caption is expected. Name one.")
    counts = [count for _, count in pairs]
    if captions:
        return RequestedRows(asked, [name for name, _ in pairs], counts)
    return RequestedRows(asked, [named(subject, int(row[0])) for row in asked.split(counts)], counts)

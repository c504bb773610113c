"""Tables as text: Markdown and LaTeX."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

__all__ = ["Cell", "Table", "latex", "markdown"]

SYMBOLS = {
    "±": r"$\pm$", "−": "$-$", "≤": r"$\le$", "≥": r"$\ge$", "↑": r"$\uparrow$", "↓": r"$\downarrow$", "…": r"\dots{}",
    "–": "--", "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
}  # fmt: skip


class Cell(NamedTuple):
    """A text, and whether it is to stand out as the best of its row."""

    text: str
    best: bool = False


class Table(NamedTuple):
    """Names of columns, rows of cells, and sentences below."""

    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    notes: Sequence[str] = ()


def markdown(table: Table) -> str:
    """The table in Markdown, best cells in bold.

    Example:
        >>> print(markdown(Table(["a", "b"], [[Cell("x"), Cell("1", best=True)]])))
        | a | b |
        | --- | --- |
        | x | **1** |
    """
    rows = [[f"**{cell.text}**" if cell.best else cell.text for cell in row] for row in table.rows]
    lines = [table.columns, ["---"] * len(table.columns), *rows]
    escaped = [[text.replace("|", "\\|") for text in line] for line in lines]
    text = "\n".join(f"| {' | '.join(line)} |" for line in escaped)
    return "\n\n".join(filter(None, [text, "\n".join(f"- {note}" for note in table.notes)]))


def latex(table: Table) -> str:
    r"""The table in LaTeX, for the package booktabs, best cells in bold; notes are comments below it.

    Example:
        >>> print(latex(Table(["a_1"], [[Cell("2 ± 1", best=True)]])).splitlines()[4])
        \textbf{2 $\pm$ 1} \\
    """
    rows = [[rf"\textbf{{{_escaped(c.text)}}}" if c.best else _escaped(c.text) for c in row] for row in table.rows]
    head, *body = (" & ".join(row) + r" \\" for row in [[_escaped(name) for name in table.columns], *rows])
    lines = [rf"\begin{{tabular}}{{{'l' * len(table.columns)}}}", r"\toprule", head, r"\midrule", *body, r"\bottomrule"]
    return "\n".join([*lines, r"\end{tabular}", *(f"% {note}" for note in table.notes)])


def _escaped(text: str) -> str:
    return re.sub("|".join(map(re.escape, SYMBOLS)), lambda match: SYMBOLS[match[0]], text)

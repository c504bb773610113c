"""Plots as figures, for light and for dark pages."""

from __future__ import annotations

from collections.abc import Callable

from counterfeit.report.html import plot
from counterfeit.report.html.figure import Figure, Picture

__all__ = ["themed"]


def themed(name: str, section: str, caption: str, draw: Callable[[plot.Theme], bytes]) -> Figure:
    """A plot, drawn for light and for dark pages."""
    light, dark = (Picture(draw(theme), ".svg") for theme in (plot.LIGHT, plot.DARK))
    return Figure(name, section, caption, f"Plot: {caption}", light, dark)

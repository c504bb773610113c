"""Figures of what models do: one declaration in a file of this folder, found as metrics are."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from torch import Tensor

from counterfeit.common.discovery import declared
from counterfeit.data.images import tile
from counterfeit.inference.draws import Drawn
from counterfeit.report.html import grids
from counterfeit.report.html.figure import Figure
from counterfeit.report.html.texts import in_rows
from counterfeit.run.run import Run

__all__ = ["RunFigures", "always", "example_rows", "figures_of_models"]


def always(run: Drawn) -> bool:  # noqa: ARG001
    """Whatever the data are."""
    return True


@dataclass(frozen=True)
class RunFigures:
    """Figures that a run has whose model can do something.

    Arguments:
        name: of what they show.
        needs: the capabilities that the model must have, all of them.
        draw: makes them of a run, the same every time.
        order: their place in a report, from the first on.
        applies: whether there is anything to draw for a run; its data must be images where nothing else is said.
    """

    name: str
    needs: tuple[type, ...]
    draw: Callable[[Run], Iterator[Figure]]
    order: int
    applies: Callable[[Drawn], bool] = grids.has_images

    def of(self, run: Run) -> Iterator[Figure]:
        """The figures of a run; none where it has none such."""
        if all(isinstance(run.model, need) for need in self.needs) and self.applies(run):
            yield from self.draw(run)


def example_rows(run: Run, name: str, section: str, alt: str, rows: Mapping[str, Tensor]) -> Figure:
    """Examples of the test split, and what became of them, as a row each under its name.

    Arguments:
        run: whose they are.
        name: of the figure.
        section: under which it stands.
        alt: for who cannot see it.
        rows: as many pictures each, (N, C, H, W), in the data's natural unit.
    """
    bands = [tile(row.cpu(), len(row)) for row in rows.values()]
    caption = "Examples of the test split, evenly spaced through it."
    return Figure(name, section, caption, alt, *in_rows(run, [*rows], bands))


@cache
def figures_of_models() -> tuple[RunFigures, ...]:
    """Every declaration, in the order of a report."""
    return tuple(sorted(declared("counterfeit.report.figures", RunFigures).values(), key=lambda one: one.order))

"""What a metric needs of the rooms after its own, which it may not import: they provide it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, ParamSpec, TypeVar

__all__ = ["Provided", "html"]

P = ParamSpec("P")
T = TypeVar("T")


class Provided(Generic[P, T]):
    """A function that is named here, called here, and written elsewhere.

    Arguments:
        task: what it is for, in words.
        where: the module of the package that provides it.

    Example:
        >>> double: Provided[[int], int] = Provided("double a number")
        >>> double.by(lambda x: 2 * x)
        >>> double(21)
        42
    """

    def __init__(self, task: str, where: str = "evaluation") -> None:
        self.task, self.where = task, where
        self.function: Callable[P, T] | None = None

    def by(self, function: Callable[P, T]) -> None:
        """Provide it, in place of any before."""
        self.function = function

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> T:
        """Call what was provided.

        Raises:
            ValueError: where nothing was.
        """
        if self.function is None:
            raise ValueError(f"nothing here can {self.task}. Import counterfeit.{self.where} first.")
        return self.function(*args, **kwargs)


html: Provided[[object], str] = Provided("show it in a notebook", "report.notebook")
"""What runs, results, comparisons and examinations look like in a notebook, as HTML."""

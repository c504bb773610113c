"""Markov models of any order: each value depends on the n before it.

References:
    An Example of Statistical Investigation of the Text Eugene Onegin, Markov, 1913.
"""

from __future__ import annotations

from counterfeit.core import Spec
from counterfeit.models.autoregressive.shared.orders import OrderName
from counterfeit.models.autoregressive.shared.tables import Tables

__all__ = ["Markov"]


class Markov(Tables):
    """Binary values that depend on the n before them, each by a table of its own, fitted exactly by counting.

    A chain of order 1 over n values has 2n - 1 parameters; one of order n - 1 is a full table, 1 + 2 + … + 2^(n-1).

    Arguments:
        spec: what the data are; binary.
        memory: the order of the chain: how many values before it the probability of a value depends on.
        smoothing: added to the counts of 0 and of 1 in every context, so that nothing is impossible.
        order: of the values, by which some are before others.
        order_seed: of a random order.

    Raises:
        ValueError: where data are not binary, or the tables of that memory are too large.

    Example:
        >>> sum(p.numel() for p in Markov(Spec((10,), "binary")).parameters())
        19
    """

    def __init__(
        self, spec: Spec, memory: int = 1, smoothing: float = 1.0, order: OrderName = "raster", order_seed: int = 0
    ) -> None:  # fmt: skip
        super().__init__(spec, memory, smoothing, order, order_seed)

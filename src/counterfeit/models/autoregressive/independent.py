"""Independent values: one probability for each, and nothing that any value says of another.

The fewest parameters that a distribution over n binary values can do with: n, where a full table has 2^n - 1.
"""

from __future__ import annotations

from counterfeit.core import Spec
from counterfeit.models.autoregressive.shared.tables import Tables

__all__ = ["Independent"]


class Independent(Tables):
    """Binary values that are independent of each other: p(x) = Π p(x_i), fitted exactly by counting.

    Arguments:
        spec: what the data are; binary.
        smoothing: added to the counts of 0 and of 1 of every value, so that nothing is impossible.

    Raises:
        ValueError: where data are not binary.

    Example:
        >>> sum(p.numel() for p in Independent(Spec((10,), "binary")).parameters())
        10
    """

    def __init__(self, spec: Spec, smoothing: float = 1.0) -> None:
        super().__init__(spec, 0, smoothing, "raster", 0)

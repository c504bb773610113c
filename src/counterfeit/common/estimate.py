"""A number with how sure it is: what metrics find, and what stands beside it for scale."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

__all__ = ["Estimate"]


@dataclass(frozen=True)
class Estimate:
    """A number, and what is known of its error; what it lacks is None.

    Arguments:
        value: NaN where a file has none.
        error: standard error.
        n: how many it averages.
        low: lower end of the 95 % interval of a share.
        high: upper end of that interval.
        more: further numbers of the same thing, by name, as the bandwidth that was chosen for it.
    """

    value: float
    error: float | None = None
    n: int | None = None
    low: float | None = None
    high: float | None = None
    more: Mapping[str, float] = field(default_factory=dict)

    @property
    def standard_error(self) -> float:
        """The standard error; of a share, which may be 0 or 1 by chance, a quarter of its interval at least."""
        return max(self.error or 0.0, ((self.high or 0.0) - (self.low or 0.0)) / 4)

    def to_dict(self) -> dict[str, Any]:
        """As reference rows have it: what is known.

        Example:
            >>> Estimate(0.5, 0.1, 25).to_dict()
            {'value': 0.5, 'error': 0.1, 'n': 25}
        """
        known = {"value": self.value, "error": self.error, "low": self.low, "high": self.high, **self.more, "n": self.n}
        return {name: value for name, value in known.items() if value is not None}

    @classmethod
    def from_dict(cls, row: Mapping[str, Any]) -> Self:
        """What `to_dict` wrote; files have null in the place of a value that was not finite."""
        known = {name: row.get(name) for name in ("error", "n", "low", "high")}
        more = {name: value for name, value in row.items() if name != "value" and name not in known}
        return cls(math.nan if row["value"] is None else row["value"], **known, more=more)

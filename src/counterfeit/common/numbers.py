"""Numbers with their errors, as text."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from counterfeit.common.estimate import Estimate

__all__ = ["listed", "measured", "number"]


def number(value: Any, error: Any = None) -> str:
    """A value with its standard error, whose two leading digits say how many of the value's mean something.

    Example:
        >>> number(225.284, 2.07), number(1.2345), number(12345.0)
        ('225.3 ± 2.1', '1.234', '12,345')
    """
    if not isinstance(value, (int, float)):
        return str(value)
    if isinstance(error, (int, float)) and 0 < error < math.inf:
        digits = max(0, 1 - math.floor(math.log10(error)))
        text = f"{value:,.{digits}f} ± {error:,.{digits}f}"
    else:
        text = f"{value:,.0f}" if value == round(value) else f"{value:,.4g}"
    return text.replace("-", "−")


def measured(found: Estimate) -> str:
    """The number of a result, or of a reference row: a share with its 95 % interval, others with their standard error.

    Example:
        >>> measured(Estimate(1.0, 0.0, low=0.9630, high=1.0)), measured(Estimate(2.5, 0.1))
        ('1.000 (0.963 to 1.000)', '2.50 ± 0.10')
    """
    if found.low is None or found.high is None:
        return number(None if math.isnan(found.value) else found.value, found.error)
    wide = max(found.high - found.low, 1e-12)
    digits = max(0, 1 - math.floor(math.log10(wide)))
    return f"{found.value:.{digits}f} ({found.low:.{digits}f} to {found.high:.{digits}f})"


def listed(details: Mapping[str, Any]) -> str:
    """Numbers, and whatever else, by name as one text.

    Example:
        >>> listed({"seed": 0, "high_quality": Estimate(0.5, low=0.4, high=0.6), "classes": [0.28096, None]})
        'seed 0; high quality 0.50 (0.40 to 0.60); classes 0.281, –'
    """
    return "; ".join(f"{key.replace('_', ' ')} {_any(value)}" for key, value in details.items())


def _any(value: Any) -> str:
    """A number, several, or another thing as text; what is missing as a dash."""
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_any, value))
    if value is None:
        return "–"
    return measured(value) if isinstance(value, Estimate) else number(value)

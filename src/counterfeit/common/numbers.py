"""Numbers with their errors, as text."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

__all__ = ["measured", "number"]


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


def measured(entry: Mapping[str, Any]) -> str:
    """The number of a result, or of a reference row: a share with its 95 % interval, others with their standard error.

    Example:
        >>> measured({"value": 1.0, "error": 0.0, "low": 0.9630, "high": 1.0}), measured({"value": 2.5, "error": 0.1})
        ('1.000 (0.963 to 1.000)', '2.50 ± 0.10')
    """
    ends = entry.get("details", entry)
    if "low" not in ends or "high" not in ends:
        return number(entry["value"], entry.get("error"))
    wide = max(ends["high"] - ends["low"], 1e-12)
    digits = max(0, 1 - math.floor(math.log10(wide)))
    return f"{entry['value']:.{digits}f} ({ends['low']:.{digits}f} to {ends['high']:.{digits}f})"

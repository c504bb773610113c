"""JSON that every program reads: JSON knows no NaN and no infinity, so null stands in their place."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

__all__ = ["dumps", "finite"]


def finite(content: Any) -> Any:
    """`content` of mappings, sequences, numbers and texts, with None in the place of every number that is not finite.

    Example:
        >>> finite({"loss": [1.0, float("nan")]})
        {'loss': [1.0, None]}
    """
    if isinstance(content, float):
        return content if math.isfinite(content) else None
    if isinstance(content, Mapping):
        return {key: finite(value) for key, value in content.items()}
    return [finite(value) for value in content] if isinstance(content, list | tuple) else content


def dumps(content: Any, indent: int | None = None) -> str:
    """`content` as JSON, with null in the place of every number that is not finite.

    Example:
        >>> dumps({"loss": float("inf")})
        '{"loss": null}'
    """
    return json.dumps(finite(content), indent=indent, allow_nan=False)

"""What a request says, checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request

from counterfeit.common.schema import MisfitError, parse_json

__all__ = ["MissingError", "asked", "number", "seed_of"]


class MissingError(ValueError):
    """There is no such run, picture or job."""


async def asked(request: Request) -> dict[str, Any]:
    """The JSON object of a request.

    Raises:
        ValueError: it holds none.
    """
    try:
        found = parse_json((await request.body()).decode("utf-8") or "{}", lambda *_: None)
    except (MisfitError, UnicodeDecodeError):
        found = None
    if not isinstance(found, dict):
        raise ValueError("the request holds no JSON object. Reload the page.")
    return found


def number(asked: Mapping[str, Any], name: str, default: int, low: int, high: int) -> int:
    """A whole number of a request.

    Raises:
        ValueError: it is none, or out of range.
    """
    value = asked.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise ValueError(f"{name}: {str(value)[:40]} came; a whole number from {low} to {high} is expected.")
    return value


def seed_of(asked: Mapping[str, Any]) -> int:
    """The seed of a request, 0 where it has none."""
    return number(asked, "seed", 0, 0, 2**31 - 1)

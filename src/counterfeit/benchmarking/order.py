"""What a benchmark is asked for, and the files that it keeps in its folder.

DIR/
    benchmark.json    what was asked for, and every row of the result: enough to write the page and to repeat each run
    benchmark.html    the page
    NAME/             the run folder of one recipe with one seed
    NAME.json         its plan, what was measured of it, and why it failed where it did
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from counterfeit.common.files import write_json
from counterfeit.common.schema import MisfitError, mapping, read_json, whatever

__all__ = ["COSTLY", "METRICS", "Entry", "Order", "read", "seconds", "write"]

METRICS = (
    "fid", "kid", "prdc", "memorization", "mode-coverage", "bits-per-dim", "log-likelihood", "ais", "elbo",
    "probability-flow", "nats-per-token",
)  # fmt: skip
"""What is asked of every model that has the capability, where nobody says otherwise."""

COSTLY = ("probability-flow",)
"""Those that of pictures take longer than training; they are measured where they are asked for."""

UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}


@dataclass(frozen=True)
class Order:
    """What is the same for every recipe of a benchmark.

    Arguments:
        out: the folder of the benchmark.
        budget: seconds of training: of one core's time on a CPU, by the clock on another device.
        settings: nested settings over those of every recipe, among them the data.
        metrics: names of what to measure.
    """

    out: Path
    budget: float
    settings: Mapping[str, Any]
    metrics: tuple[str, ...] = METRICS


@dataclass(frozen=True)
class Entry:
    """One recipe with one seed.

    Arguments:
        name: of its folder, the recipe's and the seed where there are several.
        recipe: the recipe's name, or the path of its file.
        family: of the recipe's model.
        seed: of training.
    """

    name: str
    recipe: str
    family: str
    seed: int


def seconds(budget: str | float) -> float:
    """A time in seconds: 90 and "90s" are a minute and a half, "10m" ten minutes, "1.5h" an hour and a half.

    Raises:
        ValueError: where it is none, or nothing.

    Example:
        >>> seconds("10m"), seconds("1.5h"), seconds(90)
        (600.0, 5400.0, 90.0)
    """
    found = re.fullmatch(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*([smh]?)\s*", str(budget))
    value = float(found[1]) * UNITS[found[2] or "s"] if found else 0.0
    if value <= 0:
        raise ValueError(f"budget {budget!r} came; a time such as 90s, 10m or 1.5h is expected.")
    return value


def read(path: Path) -> dict[str, Any]:
    """What a file of a benchmark holds; nothing where there is none.

    Raises:
        ValueError: it is damaged.
    """
    try:
        return dict(read_json(path, mapping(whatever))) if path.is_file() else {}
    except MisfitError as error:
        raise ValueError(f"{path} is damaged: {error}. Remove it; what it held is measured again.") from None


def write(path: Path, content: Mapping[str, Any]) -> None:
    """Write a file of a benchmark whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, content)

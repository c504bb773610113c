"""How far back a model of sound listens, in words."""

from __future__ import annotations

from counterfeit.core import Generator, LooksBack
from counterfeit.data.source import Source

__all__ = ["receptive_field"]


def receptive_field(model: Generator, source: Source) -> str:
    """How many samples before each it depends on, and how long they last; "" where it is no such model of sound."""
    rate = source.raw.rate
    if rate is None or not isinstance(model, LooksBack):
        return ""
    channels = source.raw.spec.shape[0]
    samples = model.receptive_field // channels
    of_each = " of each channel" if channels > 1 else ""
    return f"{samples:,} samples{of_each}, {1000 * samples / rate:.4g} ms at {rate:,} Hz"

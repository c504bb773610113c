"""Texts within pictures of a page."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from counterfeit.data.images import encode_png
from counterfeit.data.labelled_images import below_texts

__all__ = ["labelled"]


def labelled(texts: Sequence[str], bands: Sequence[np.ndarray], ink: str, ground: str | None = None) -> bytes:
    """A PNG of pictures, (H, W) or (H, W, 3) each, one below the other, each below its text; see `below_texts`."""
    return encode_png(below_texts(texts, bands, ink, ground))

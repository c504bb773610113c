"""Texts within pictures of a page."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from counterfeit.data.images import encode_png
from counterfeit.data.labelled_images import below_texts
from counterfeit.inference.draws import Drawn
from counterfeit.report.html import grids, plot
from counterfeit.report.html.figure import Picture

__all__ = ["in_rows", "labelled"]


def labelled(texts: Sequence[str], bands: Sequence[np.ndarray], ink: str, ground: str | None = None) -> bytes:
    """A PNG of pictures, (H, W) or (H, W, 3) each, one below the other, each below its text; see `below_texts`."""
    return encode_png(below_texts(texts, bands, ink, ground))


def in_rows(run: Drawn, texts: Sequence[str], bands: Sequence[np.ndarray]) -> tuple[Picture, Picture]:
    """Pictures of a run below their texts as pictures of a figure, for light and for dark pages; see `labelled`."""
    light, dark = (
        Picture(labelled(texts, bands, theme.ink), ".png", grids.crisp(run)) for theme in (plot.LIGHT, plot.DARK)
    )
    return light, dark

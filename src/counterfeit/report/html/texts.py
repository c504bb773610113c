"""Texts within pictures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from counterfeit.data.images import encode_png

__all__ = ["labelled"]

LINE, SIZE = 18, 13  # pixels for a line of text, and of its letters


def labelled(texts: Sequence[str], bands: Sequence[np.ndarray], ink: str, ground: str | None = None) -> bytes:
    """A PNG of pictures, (H, W) or (H, W, 3) each, one below the other, each below its text.

    Arguments:
        texts: one for each picture.
        bands: the pictures.
        ink: color of the texts.
        ground: color behind them; nothing is behind them where None.
    """
    font = ImageFont.load_default(SIZE)
    width = max(*(band.shape[1] for band in bands), *(int(font.getlength(text)) + 4 for text in texts))
    height = sum(band.shape[0] + LINE + 6 for band in bands)
    canvas = Image.new("RGBA", (width, height), ground or (0, 0, 0, 0))
    draw, top = ImageDraw.Draw(canvas), 0
    for text, band in zip(texts, bands, strict=True):
        draw.text((2, top), text, fill=ink, font=font)
        canvas.paste(Image.fromarray(band).convert("RGBA"), (0, top + LINE))
        top += band.shape[0] + LINE + 6
    return encode_png(np.asarray(canvas))

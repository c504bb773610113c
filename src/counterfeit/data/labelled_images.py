"""Pictures with texts: rows below what they are of, columns below theirs, and lines alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

__all__ = ["below_texts", "headed", "written"]

LINE, SIZE = 18, 13  # pixels for a line of text, and of its letters


def below_texts(texts: Sequence[str], bands: Sequence[np.ndarray], ink: str, ground: str | None = None) -> np.ndarray:
    """Pictures, (H, W), (H, W, 3) or (H, W, 4) each, one below the other, each below its text.

    Arguments:
        texts: one for each picture.
        bands: the pictures.
        ink: color of the texts.
        ground: color behind them; nothing is behind them where None.

    Returns:
        uint8 (height, width, 3), or (height, width, 4) where nothing is behind the texts.
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
    return np.asarray(canvas.convert("RGB") if ground else canvas)


def headed(texts: Sequence[str], grid: np.ndarray, ink: str, ground: str) -> np.ndarray:
    """A grid of as many columns as there are texts, (H, W) or (H, W, 3), each column below its text.

    Returns:
        uint8 (height, width, 3).
    """
    font = ImageFont.load_default(SIZE)
    canvas = Image.new("RGB", (grid.shape[1], grid.shape[0] + LINE), ground)
    canvas.paste(Image.fromarray(grid).convert("RGB"), (0, LINE))
    draw, column = ImageDraw.Draw(canvas), grid.shape[1] / len(texts)
    for number, text in enumerate(texts):
        draw.text((column * (number + 0.5), 1), text, fill=ink, font=font, anchor="mt")
    return np.asarray(canvas)


def written(lines: Sequence[str], ink: str, ground: str | None = None) -> np.ndarray:
    """Lines of text, one below the other, as a picture.

    Returns:
        uint8 (height, width, 3), or (height, width, 4) where nothing is behind the texts.
    """
    font = ImageFont.load_default(SIZE)
    width = max(int(font.getlength(line)) for line in [*lines, " "]) + 4
    canvas = Image.new("RGBA", (width, LINE * max(1, len(lines))), ground or (0, 0, 0, 0))
    draw = ImageDraw.Draw(canvas)
    for number, line in enumerate(lines):
        draw.text((2, LINE * number + 1), line, fill=ink, font=font)
    return np.asarray(canvas.convert("RGB") if ground else canvas)

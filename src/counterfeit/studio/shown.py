"""Examples as a page can show them: one picture of all of them side by side, points, lines of text, or rows."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import torch
from torch import Tensor

from counterfeit.data.images import encode_png, to_bytes
from counterfeit.data.sounds import shown
from counterfeit.data.source import Source
from counterfeit.data.sources.table import Table
from counterfeit.data.sources.text_lines import Text

__all__ = ["examples", "heat", "picture_uri"]

ACROSS = 16  # pictures in a row of a sprite
WHITE, RED, BLUE = (np.array(color, np.float32) for color in ((255, 255, 255), (178, 24, 43), (33, 102, 172)))


def examples(x: Tensor, source: Source) -> dict[str, Any]:
    """Examples `x` in the natural unit of the data, (N, *shape), for the page.

    Returns:
        kind, and what belongs to it: "pictures" with `uri`, a PNG in which they lie in rows of `across`, `width`,
        `height` and `count`; "points" with `points`; "texts" with `lines`; "rows" with `columns` and `rows`.
    """
    raw = source.raw
    if isinstance(raw, Text):
        return {"kind": "texts", "lines": raw.decode(x)}
    if isinstance(raw, Table):
        columns = raw.decode(x)
        rows = [list(map(str, row)) for row in zip(*columns.values(), strict=True)]
        return {"kind": "rows", "columns": list(columns), "rows": rows}
    if x.ndim == 2:
        return {"kind": "points", "points": x.float().tolist()}
    return _sprite(shown(x, raw.rate))


def _sprite(x: Tensor) -> dict[str, Any]:
    """Pictures (N, C, H, W) in [0, 1], or films (N, T, C, H, W), whose frames lie side by side."""
    if x.ndim == 5:
        x = x.permute(0, 2, 3, 1, 4).flatten(3)  # (N, C, H, T W)
    n, c, h, w = x.shape
    x = x[:, :3] if c >= 3 else x[:, :1]
    across = min(ACROSS, n)
    rows = -(-n // across)
    blank = x.new_zeros(rows * across - n, *x.shape[1:])
    grid = torch.cat([x, blank]).unflatten(0, (rows, across)).permute(0, 3, 1, 4, 2).flatten(2, 3).flatten(0, 1)
    array = to_bytes(grid).numpy()
    return {
        "kind": "pictures", "uri": picture_uri(array[..., 0] if array.shape[-1] == 1 else array), "width": w,
        "height": h, "count": n, "across": across,
    }  # fmt: skip


def picture_uri(array: np.ndarray) -> str:
    """8-bit pixels, (H, W) or (H, W, 3), as the address of a PNG."""
    return "data:image/png;base64," + base64.b64encode(encode_png(array)).decode()


def heat(x: Tensor) -> str:
    """Signed values (H, W) as a picture, red where they are high and blue where they are low; its address."""
    x = x / x.abs().max().clamp(min=1e-12)
    share = x.abs().numpy()[..., None]
    color = np.where(x.numpy()[..., None] > 0, RED, BLUE)
    return picture_uri(((1 - share) * WHITE + share * color).round().astype(np.uint8))

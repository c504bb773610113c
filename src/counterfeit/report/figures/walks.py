"""Walks between codes, as rows of pictures, as an animation or as an array.

References:
    Sampling Generative Networks, White, 2016 (arXiv 1609.04468).
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

from PIL import Image
from torch import Tensor

from counterfeit.common.files import atomic
from counterfeit.core import Decodes, require
from counterfeit.data.images import Span, tile
from counterfeit.data.sources.arrays import SUFFIXES
from counterfeit.inference.draws import Drawn, evaluating
from counterfeit.inference.latent import interpolate, lerp, slerp
from counterfeit.report.export import write_samples

__all__ = ["walk", "write_steps", "write_walks", "writes_walks"]

ANIMATED = {".gif": "GIF", ".webp": "WEBP"}
MILLISECONDS = 80  # for which a picture of an animation stays
HELD = 2_000  # for which the last one of samples does


def walk(subject: Drawn, n: int, steps: int, path: str = "spherical", seed: int = 0) -> Tensor:
    """What lies between `n` pairs of codes drawn under `seed`, in the data's natural unit: (n, steps, *shape).

    Arguments:
        subject: what is asked.
        n: how many pairs.
        steps: pictures on each walk, its ends among them.
        path: "spherical", on which Gaussian codes keep a likely length, or "linear".
        seed: of the codes.

    Raises:
        ValueError: the model does not decode codes.
    """
    model = require(subject.model, Decodes)
    if path not in ("spherical", "linear"):
        raise ValueError(f"path {path!r} came; spherical or linear is expected.")
    if n < 1 or steps < 2:
        raise ValueError(f"n={n} and steps={steps} came; at least 1 walk of at least 2 steps is expected.")
    with evaluating(subject.model, seed):
        a, b = model.prior(2 * n).chunk(2)
        x = interpolate(model, a, b, steps, slerp if path == "spherical" else lerp)
        return subject.source.natural(x.flatten(0, 1)).cpu().unflatten(0, (n, steps))


def writes_walks(out: Path) -> None:
    """Raise a ValueError where walks cannot be written to a file of that name."""
    if out.suffix.lower() not in {".png", *ANIMATED, *SUFFIXES}:
        raise ValueError(f"{out} came for walks; a .png, .gif, .webp, .npy or .npz is expected. Choose another --out.")


def write_walks(x: Tensor, out: Path, span: Span | None = None) -> Path:
    """Write walks, (N, steps, C, H, W): rows in a .png; all at once in an animation, there and back; or an array.

    Returns:
        `out`.

    Raises:
        ValueError: for a name that ends otherwise, or walks that are no pictures.
    """
    writes_walks(out)
    kind = ANIMATED.get(out.suffix.lower())
    if kind is None:
        return write_samples(x, out, span)
    if x.ndim != 5 or x.shape[2] not in (1, 3):
        raise ValueError(f"walks have shape {tuple(x.shape)}; pictures are expected. Choose a .npy as --out.")
    there = [Image.fromarray(tile(step)) for step in x.unbind(1)]
    return _animated(there + there[-2:0:-1], MILLISECONDS, out, kind)


def write_steps(x: Tensor, out: Path, span: Span | None = None) -> Path:
    """Write what samples are after each step, (N, steps, C, H, W), as `write_walks`, but an animation ends at the last.

    Returns:
        `out`.
    """
    kind = ANIMATED.get(out.suffix.lower())
    if kind is None or x.ndim != 5 or x.shape[2] not in (1, 3):
        return write_walks(x, out, span)
    frames = [Image.fromarray(tile(step)) for step in x.unbind(1)]
    return _animated(frames, [MILLISECONDS] * (len(frames) - 1) + [HELD], out, kind)


def _animated(frames: Sequence[Image.Image], milliseconds: int | list[int], out: Path, kind: str) -> Path:
    """Write pictures as an animation, each shown so long."""
    buffer = io.BytesIO()
    options = {"save_all": True, "append_images": frames[1:], "duration": milliseconds, "loop": 0}
    frames[0].save(buffer, kind, **options, **({"lossless": True} if kind == "WEBP" else {}))
    with atomic(out) as part:
        part.write_bytes(buffer.getvalue())
    return out

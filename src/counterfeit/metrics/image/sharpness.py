"""How sharp pictures are: the mean size of their gradient, beside that of true ones."""

from __future__ import annotations

from torch import Tensor

from counterfeit.common.numerics import mean_and_error, sharpness

__all__ = ["NOTE", "relative_sharpness"]

NOTE = "1 is as sharp as the truth; below is blur, above is noise or false detail"


def relative_sharpness(x: Tensor, truth: Tensor) -> tuple[float, float | None]:
    """Mean sharpness of `x` as a multiple of that of `truth`, both (B, …, H, W), and its standard error.

    See `NOTE`: neither direction is better.

    Raises:
        ValueError: where the truth is flat: nothing is a multiple of 0.
    """
    ours, theirs = sharpness(x).double(), sharpness(truth).double()
    if not float(theirs.sum()):
        raise ValueError("true pictures came that are flat, each of one color; some detail is expected. Take others.")
    ratio = float(ours.mean() / theirs.mean())
    _, error = mean_and_error((ours - ratio * theirs) / theirs.mean())  # to first order
    return ratio, error

"""How far reconstructions are from the data: squared error, or the cross-entropy of values in [0, 1].

References:
    Extracting and Composing Robust Features with Denoising Autoencoders, Vincent, Larochelle, Bengio & Manzagol, 2008.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from counterfeit.core import Spec

__all__ = ["ErrorName", "Reconstruction", "reconstruction"]

ErrorName = Literal["auto", "squared", "cross-entropy"]


class Reconstruction(NamedTuple):
    """What a decoder's output says of the data; bounded data are its sigmoid.

    Arguments:
        spec: what the data are.
        error: "squared" or "cross-entropy".

    Example:
        >>> reconstruction(Spec((2,), "real")).loss(torch.ones(1, 2), torch.zeros(1, 2, 1))
        tensor([1.])
    """

    spec: Spec
    error: str

    def loss(self, x: Tensor, raw: Tensor) -> Tensor:
        """The error of each example: (B, *shape), (B, *shape, 1) -> (B,).

        Half the squared distance, or the cross-entropy summed over values: in nats either way, of a normal density of
        unit variance, up to a constant, or of independent Bernoulli variables.
        """
        return ERRORS[self.error](self, x, raw).flatten(1).sum(1)

    def mean(self, raw: Tensor) -> Tensor:
        """The reconstruction, (B, *shape, 1) -> (B, *shape)."""
        x = raw.squeeze(-1)
        return x.sigmoid() if self.spec.bounded else x

    def drawn(self, mean: Tensor) -> Tensor:
        """Examples like the data: binary values drawn with the probabilities `mean`, or else these means themselves."""
        return (torch.rand_like(mean) < mean).to(mean.dtype) if self.spec.kind == "binary" else mean


def _squared(of: Reconstruction, x: Tensor, raw: Tensor) -> Tensor:
    return 0.5 * (of.mean(raw) - x).square()


def _cross_entropy(of: Reconstruction, x: Tensor, raw: Tensor) -> Tensor:  # noqa: ARG001
    return binary_cross_entropy_with_logits(raw.squeeze(-1), x, reduction="none")


ERRORS: dict[str, Callable[[Reconstruction, Tensor, Tensor], Tensor]] = {
    "squared": _squared,
    "cross-entropy": _cross_entropy,
}


def reconstruction(spec: Spec, error: ErrorName = "auto") -> Reconstruction:
    """The reconstruction by an error of that name; for "auto" cross-entropy of values in [0, 1], squared of others.

    Raises:
        ValueError: where cross-entropy is asked for of values that are not in [0, 1].
    """
    if error == "cross-entropy" and not spec.bounded:
        raise ValueError(f"error cross-entropy came for data of kind {spec.kind!r}; squared is expected. Take it.")
    return Reconstruction(spec, ("cross-entropy" if spec.bounded else "squared") if error == "auto" else error)

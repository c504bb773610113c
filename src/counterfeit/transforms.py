"""What data become before a model sees them, each step with the logarithm of its Jacobian determinant.

References:
    RNADE: The Real-Valued Neural Autoregressive Density-Estimator, Uria, Murray & Larochelle, 2013 (arXiv 1306.0186).
    Density Estimation Using Real NVP, Dinh, Sohl-Dickstein & Bengio, 2017 (arXiv 1605.08803), section 4.1.
    A Note on the Evaluation of Generative Models, Theis, van den Oord & Bethge, 2016 (arXiv 1511.01844).
"""

from __future__ import annotations

import difflib
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor
from torch.nn.functional import softplus

from counterfeit.core import Kind, Spec

__all__ = [
    "TRANSFORMS", "Affine", "Binarize", "Composition", "Dequantize", "Flatten", "Logit", "Standardize", "Transform",
    "build", "moments",
]  # fmt: skip

LEVELS = 256  # of an 8-bit value


class Transform(ABC):
    """A map of batches, (B, *event); draws, where it does, come from the global random state."""

    @abstractmethod
    def spec(self, spec: Spec) -> Spec:
        """What data described by `spec` become; a ValueError where the transform does not apply to them."""

    @abstractmethod
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The transformed batch and log |det dy/dx| of each example in nats, (B,)."""

    @abstractmethod
    def inverse(self, y: Tensor) -> Tensor:
        """The batch that `y` came from."""

    def fit(self, examples: Callable[[], Tensor]) -> None:  # noqa: B027
        """See the training examples, (N, *event), where the transform depends on them."""


class Affine(Transform):
    """y = loc + scale x; as "symmetric", images in [0, 1] to [-1, 1].

    Arguments:
        loc: what 0 becomes.
        scale: not 0.
    """

    def __init__(self, loc: float, scale: float) -> None:
        if scale == 0:
            raise ValueError("scale=0 came; any other is expected, since 0 has no inverse. Choose another.")
        self.loc, self.scale = loc, scale

    def spec(self, spec: Spec) -> Spec:
        """Real values of the same shape."""
        return replace(spec, kind="real")

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Shift and scale."""
        return self.loc + self.scale * x, _zeros(x) + x[0].numel() * math.log(abs(self.scale))

    def inverse(self, y: Tensor) -> Tensor:
        """Shift and scale back."""
        return (y - self.loc) / self.scale


class Binarize(Transform):
    """A fresh Bernoulli draw of every value, which is the probability of 1: dynamic binarization.

    Zeros and ones stay as they are, so that vectors of bits become binary data.

    References:
        On the Quantitative Analysis of Deep Belief Networks, Salakhutdinov & Murray, 2008.
    """

    def spec(self, spec: Spec) -> Spec:
        """Binary values of the same shape."""
        return replace(_of_kind(spec, "binarize", "image", "binary", "real"), kind="binary")

    def fit(self, examples: Callable[[], Tensor]) -> None:
        """See whether the values of training examples are probabilities, lest training begin where they are not."""
        _check(examples(), "binarize")

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Draw; probabilities of discrete values have no Jacobian, so its logarithm is 0."""
        _check(x, "binarize")
        return (torch.rand_like(x) < x).to(x.dtype), _zeros(x)

    def inverse(self, y: Tensor) -> Tensor:
        """`y` itself: zeros and ones are values too."""
        return y


class Dequantize(Transform):
    """Uniform noise that spreads each of 256 levels over its own 1/256 of [0, 1].

    Likelihoods then speak of the density on [0, 1], so the logarithm is 0; `bits_per_dim(…, offset=8)` adds the 8 bits
    by which 8-bit values are less probable.
    """

    def spec(self, spec: Spec) -> Spec:
        """Images of the same shape."""
        return _of_kind(spec, "dequantize", "image")

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Level l in 0 … 255 becomes (l + u) / 256 with u uniform on [0, 1)."""
        _check(x, "dequantize")
        noise = torch.rand_like(x).clamp_(max=1 - 2**-16)  # float32 would round 255 + u up to 256
        return ((x * (LEVELS - 1)).round() + noise) / LEVELS, _zeros(x)

    def inverse(self, y: Tensor) -> Tensor:
        """The level that `y` lies in, in [0, 1]."""
        return (y * LEVELS).floor().clamp(0, LEVELS - 1) / (LEVELS - 1)


class Flatten(Transform):
    """Events of any shape to vectors, (B, *event) -> (B, D); `spec` tells it the shape to return to."""

    def __init__(self) -> None:
        self.shape: tuple[int, ...] = ()

    def spec(self, spec: Spec) -> Spec:
        """One dimension."""
        self.shape = spec.shape
        return replace(spec, shape=(spec.dims,))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Flatten."""
        return x.flatten(1), _zeros(x)

    def inverse(self, y: Tensor) -> Tensor:
        """Unflatten."""
        if not self.shape:
            raise ValueError("`flatten` does not know the shape to return to; call `spec` first.")
        return y.unflatten(1, self.shape)


class Logit(Transform):
    """y = logit(alpha + (1 - 2 alpha) x), from [0, 1] to the whole line (Dinh et al., 2017, section 4.1).

    Arguments:
        alpha: keeps 0 and 1 finite, in (0, 0.5).
    """

    def __init__(self, alpha: float = 0.05) -> None:
        if not 0 < alpha < 0.5:
            raise ValueError(f"alpha={alpha} came; a number between 0 and 0.5 is expected. The usual one is 0.05.")
        self.alpha, self.scale = alpha, 1 - 2 * alpha

    def spec(self, spec: Spec) -> Spec:
        """Real values of the same shape."""
        return replace(_of_kind(spec, "logit", "image"), kind="real")

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Stretch [0, 1] to the line."""
        _check(x, "logit")
        y = (self.alpha + self.scale * x).logit()
        ladj = math.log(self.scale) + softplus(y) + softplus(-y)  # d logit(s)/ds = 1 / s(1 - s)
        return y, ladj.flatten(1).sum(1)

    def inverse(self, y: Tensor) -> Tensor:
        """Squeeze the line to [0, 1]."""
        return ((y.sigmoid() - self.alpha) / self.scale).clamp(0, 1)


class Standardize(Transform):
    """y = (x - mean) / std, by the mean and the standard deviation of every value in training.

    A value that never changes in training is shifted alone.
    """

    loc: Tensor
    scale: Tensor

    def fit(self, examples: Callable[[], Tensor]) -> None:
        """See the mean and the standard deviation of training examples."""
        x = examples()
        self.loc, scale = _mean_and_std(x)
        self.scale = torch.where(_still(x), torch.ones_like(scale), scale)

    def spec(self, spec: Spec) -> Spec:
        """Real values of the same shape."""
        return replace(spec, kind="real")

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Shift and scale; what is subtracted and divided by is float64."""
        y = (x - self.loc.to(x.device)) / self.scale.to(x.device)
        return y.to(x.dtype), _zeros(x) - self.scale.log().sum().to(x)

    def inverse(self, y: Tensor) -> Tensor:
        """Scale and shift back."""
        return (y * self.scale.to(y.device) + self.loc.to(y.device)).to(y.dtype)


class Composition(Transform):
    """One transform after another; none leaves the data as they are.

    Arguments:
        transforms: in the order that data meet them.
    """

    def __init__(self, *transforms: Transform) -> None:
        self.transforms = transforms

    def spec(self, spec: Spec) -> Spec:
        """What the last one gives."""
        for transform in self.transforms:
            spec = transform.spec(spec)
        return spec

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """In order."""
        ladj = _zeros(x)
        for transform in self.transforms:
            x, change = transform.forward(x)
            ladj = ladj + change
        return x, ladj

    def fit(self, examples: Callable[[], Tensor]) -> None:
        """Fit each that depends on the training examples to what those before it make of them."""
        for i, transform in enumerate(self.transforms):
            before = Composition(*self.transforms[:i])
            transform.fit(lambda before=before: before.forward(examples())[0])  # type: ignore[misc]

    def inverse(self, y: Tensor) -> Tensor:
        """In the opposite order."""
        for transform in reversed(self.transforms):
            y = transform.inverse(y)
        return y


TRANSFORMS: Mapping[str, Callable[[], Transform]] = {
    "binarize": Binarize,
    "dequantize": Dequantize,
    "flatten": Flatten,
    "logit": Logit,
    "standardize": Standardize,
    "symmetric": partial(Affine, -1.0, 2.0),
}


def build(names: Sequence[str]) -> Composition:
    """The transforms of those names, in order.

    Raises:
        ValueError: for a name that is unknown; says which known one is nearest.

    Example:
        >>> spec = build(["binarize", "flatten"]).spec(Spec((1, 28, 28)))
        >>> spec.shape, spec.kind
        ((784,), 'binary')
    """
    for name in names:
        if name not in TRANSFORMS:
            close = difflib.get_close_matches(name, TRANSFORMS, n=1, cutoff=0.5)
            hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(TRANSFORMS)}"
            raise ValueError(f"transform {name!r} is unknown; {hint}")
    return Composition(*(TRANSFORMS[name]() for name in names))


def _zeros(x: Tensor) -> Tensor:
    return x.new_zeros(len(x))


def _check(x: Tensor, who: str) -> None:
    Spec(tuple(x.shape[1:])).check(x.detach(), who)


def _of_kind(spec: Spec, who: str, *kinds: Kind) -> Spec:
    if spec.kind not in kinds:
        expected = " or ".join(kinds)
        raise ValueError(f"the data are of kind {spec.kind!r}; {who} expects {expected}. Leave it out.")
    return spec


def moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """The mean and the standard deviation of every value of training examples, (N, *event): float64 (*event,) each.

    Raises:
        ValueError: where a value never changes, since a density is as high as it likes there.

    Example:
        >>> moments(torch.tensor([[1.0, 0.0], [3.0, 4.0]]))
        (tensor([2., 2.], dtype=torch.float64), tensor([1., 2.], dtype=torch.float64))
    """
    still = _still(x).flatten()
    if bool(still.any()):
        value = int(still.nonzero()[0])
        raise ValueError(
            f"value {value} of the data is {float(x[0].flatten()[value]):g} everywhere; values that change are "
            "expected, since a density is as high as it likes there. Leave it out."
        )
    return _mean_and_std(x)


def _mean_and_std(x: Tensor) -> tuple[Tensor, Tensor]:
    mean = x.mean(0, dtype=torch.float64)
    squares = torch.stack([(part - mean).square().sum(0) for part in x.split(4096)]).sum(0)
    return mean, (squares / len(x)).sqrt()


def _still(x: Tensor) -> Tensor:
    """Which values never change, bool (*event,)."""
    return (x == x[0]).all(0)

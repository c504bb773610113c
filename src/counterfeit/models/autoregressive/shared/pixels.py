"""What models of pictures share that go through pixels row by row, and through the channels of each in turn.

References:
    Pixel Recurrent Neural Networks, van den Oord, Kalchbrenner & Kavukcuoglu, 2016 (arXiv 1601.06759).
    Conditional Image Generation with PixelCNN Decoders, van den Oord et al., 2016 (arXiv 1606.05328): labels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from torch import Tensor
from torch.nn.functional import one_hot

from counterfeit.core import Spec
from counterfeit.likelihoods import Likelihood, likelihood
from counterfeit.models.autoregressive.shared.causal import CausalConv2d, Places, Reach
from counterfeit.models.autoregressive.shared.conditionals import Likely
from counterfeit.models.autoregressive.shared.labelled import LabelledAutoregressive
from counterfeit.models.autoregressive.shared.orders import ordering
from counterfeit.models.autoregressive.shared.pixel_chain import PixelChain
from counterfeit.models.autoregressive.shared.pixel_nets import Head, PixelNet, Residual, ResidualNet, whole

__all__ = ["PixelLikelihood", "PixelModel", "PixelSettings", "ResidualModel", "odd", "positive", "square"]

PixelLikelihood = Literal["auto", "bernoulli", "categorical", "logistic"]


@dataclass(frozen=True)
class PixelSettings:
    """What models of pixels have in common.

    Arguments:
        first_kernel: side of the first convolution, odd; its mask leaves out the pixel itself.
        head: features of the layer before the output.
        likelihood: of a value: bernoulli for binary data; for pictures categorical (256 free probabilities) or logistic
            (a discretized logistic distribution, of two parameters); auto: the first that suits.
        conditional: whether every layer sees the label, and `sample` takes one.
        positions: whether every place of the picture adds something of its own to the first features, so that layers
            know where they are also where they do not reach the borders.
    """

    first_kernel: int = 7
    head: int = 32
    likelihood: PixelLikelihood = "auto"
    conditional: bool = False
    positions: bool = False

    def places(self, spec: Spec, features: int) -> Places | None:
        """What places add, where they add anything."""
        return Places(features, *spec.shape[1:]) if self.positions else None

    def head_of(self, features: int, channels: int, parameters: int) -> Head:
        """From the last features to the parameters."""
        return Head(features, self.head, channels, parameters)

    def chosen(self, spec: Spec) -> Likelihood:
        """The likelihood of such data.

        Raises:
            ValueError: where data are no pictures, or it does not suit them.
        """
        if len(spec.shape) != 3 or not spec.bounded:
            raise ValueError(
                f"data of kind {spec.kind!r} and shape {spec.shape} came; pictures (C, H, W) in [0, 1] are expected. "
                "Leave dequantize, logit and flatten out of data.transforms, or take rnade."
            )
        free = self.likelihood == "auto" and spec.kind == "image"
        found = likelihood(spec, "categorical" if free else self.likelihood)
        if not found.levels:
            raise ValueError(f"likelihood {found.name} came; one of levels is expected. Take categorical or logistic.")
        return found

    def first(self, spec: Spec, features: int) -> CausalConv2d:
        """The first convolution, from the values to features."""
        return CausalConv2d(
            spec.shape[0], features, square(odd("first_kernel", self.first_kernel)), "A", spec.shape[0]
        )  # fmt: skip


def odd(name: str, side: int) -> int:
    """A kernel's side, or a ValueError unless it is odd."""
    if side < 1 or side % 2 == 0:
        raise ValueError(f"{name}={side} came; an odd side is expected, so that a pixel is in the middle. Take 3.")
    return side


def square(side: int) -> Reach:
    """What a masked kernel of that side covers."""
    return Reach(side // 2, side // 2, side // 2)


def positive(**given: int) -> None:
    """Raise a ValueError unless all are 1 or more."""
    if min(given.values()) < 1:
        came = ", ".join(f"{name}={value}" for name, value in given.items())
        raise ValueError(f"{came} came; 1 or more are expected. Raise it.")


class PixelModel(LabelledAutoregressive):
    """Pictures as a net of pixels sees them, given labels where the settings ask for it.

    Given labels, log p(x) = log Σ p(y) p(x | y), with labels as frequent as in the training data.

    Arguments:
        spec: what the data are; pictures, binary or of 8 bits.
        build: from the likelihood's number of parameters and the number of labels, 0 for none, to the net.
        settings: what such models have in common.
    """

    places: Tensor

    def __init__(self, spec: Spec, build: Callable[[int, int], PixelNet], settings: PixelSettings) -> None:
        p = settings.chosen(spec)
        super().__init__(spec, settings.conditional)
        self.p, self.settings, self.levels = p, settings, p.levels
        self.net = build(p.parameters, self.labels)
        self.register_buffer("places", ordering(spec.shape))

    def given(self, y: Tensor | None) -> PixelChain:
        """The conditionals of examples of the labels `y`, int64 (n,), or (1,) for all; None where there are none."""
        condition = None if y is None else one_hot(y, self.labels).to(self.frequencies)
        return PixelChain(self.net, self.spec.shape, self.places, Likely(self.p), condition)

    def encode(self, x: Tensor) -> Tensor:
        """The last features, averaged over the picture and, given labels, of the likeliest label: (B, features)."""
        self.spec.check(x, f"{type(self).__name__}.encode")
        y = self.joint(x).argmax(1) if self.labels else None
        return self.net.features(2 * x - 1, whole, self.given(y).condition).mean((2, 3))


class ResidualModel(PixelModel):
    """A masked convolution, and residual blocks of one kind (2016, table 1).

    Arguments:
        spec: what the data are; pictures, binary or of 8 bits.
        hidden: features inside of each block; between blocks there are twice as many.
        layers: blocks.
        block: from the number of labels, 0 for none, to a block.
        settings: what models of pixels have in common.
    """

    def __init__(
        self, spec: Spec, hidden: int, layers: int, block: Callable[[int], Residual], settings: PixelSettings
    ) -> None:  # fmt: skip
        positive(hidden=hidden, layers=layers, head=settings.head)

        def build(parameters: int, labels: int) -> PixelNet:
            head = settings.head_of(2 * hidden, spec.shape[0], parameters)
            first, blocks = settings.first(spec, 2 * hidden), [block(labels) for _ in range(layers)]
            return ResidualNet(first, blocks, head, settings.places(spec, 2 * hidden))

        super().__init__(spec, build, settings)
        self.hidden, self.layers = hidden, layers

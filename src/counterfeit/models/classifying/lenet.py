"""A convolutional net that tells classes apart, small enough to train on a data set before evaluating on it.

References:
    Gradient-Based Learning Applied to Document Recognition, LeCun, Bottou, Bengio & Haffner, 1998.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from counterfeit.core import Clock, Draw, Model, Net, Spec, Update

__all__ = ["LeNet"]

SIDE = 7  # pixels: stages follow each other until a picture is no larger
WHOLE = 32  # pixels: of larger pictures, the first convolution looks at every second, fourth, … position


class Body(Net):
    """Images (B, C, H, W) -> features (B, features): stages of convolution, ReLU and pooling, then a linear map.

    The features are those before the last activation: closer to Gaussian, and of full rank.
    """

    def __init__(self, shape: tuple[int, ...], channels: int, features: int) -> None:
        super().__init__()
        inputs, *sides = shape
        layers: list[nn.Module] = []
        stride = 2 ** max(0, (-(-max(sides) // WHOLE) - 1).bit_length())
        while len(layers) < 6 or max(sides) > SIDE:  # two stages at least
            reach = max(2, stride)
            layers += [nn.Conv2d(inputs, channels, 2 * reach + 1, stride, reach), nn.ReLU()]
            layers += [nn.MaxPool2d(2, ceil_mode=True)]
            inputs, channels, sides = channels, 2 * channels, [-(-side // (2 * stride)) for side in sides]
            stride = 1
        self.stages, self.linear = nn.Sequential(*layers), nn.Linear(inputs * sides[0] * sides[1], features)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) in [0, 1] -> (B, features)."""
        return self.linear(self.stages(2 * x - 1).flatten(1)).float()


class LeNet(Model):
    """A classifier in the manner of LeNet-5, for labelled images of any size.

    References:
        Gradient-Based Learning Applied to Document Recognition, LeCun, Bottou, Bengio & Haffner, 1998.

    Arguments:
        spec: what the data are: images with labels.
        channels: of the first convolution; each stage, which halves the image, has twice those of the one before.
        features: size of the code that `encode` gives.

    Raises:
        ValueError: where the data are no images or have no labels.

    Example:
        >>> import torch
        >>> LeNet(Spec((1, 8, 8), classes=10)).classify(torch.rand(2, 1, 8, 8)).exp().sum(1).detach().round(decimals=4)
        tensor([1., 1.])
    """

    def __init__(self, spec: Spec, channels: int = 16, features: int = 64) -> None:
        if len(spec.shape) != 3 or not spec.bounded:
            raise ValueError(
                f"data of kind {spec.kind!r} and shape {spec.shape} came; LeNet expects images (C, H, W) in [0, 1]. "
                "Leave data.transforms out."
            )
        if spec.classes < 2:
            raise ValueError(f"{spec.classes} classes came; LeNet expects 2 or more. Choose data with labels.")
        super().__init__(spec)
        self.channels, self.code_size = channels, features
        self.body, self.head = Body(spec.shape, channels, features), nn.Linear(features, spec.classes)
        self.scale: Tensor
        self.register_buffer("scale", torch.ones(()))

    def updates(self, draw: Draw, clock: Clock) -> Iterator[Update]:  # noqa: ARG002
        """One player: descend the cross-entropy."""
        x, y = draw()
        if y is None:
            raise ValueError("examples without labels came; LeNet expects labels. Choose data with labels.")
        logits = self._head(self.body(x))
        loss = cross_entropy(logits, y)
        yield Update(loss, logs={"loss": loss.detach(), "accuracy": (logits.argmax(1) == y).float().mean()})

    def _head(self, features: Tensor) -> Tensor:
        return self.head(features.relu()).float()

    @torch.no_grad()
    def normalize(self, x: Tensor) -> None:
        """Scale the features that `encode` gives so that those of images `x`, (N, C, H, W), have mean square 1."""
        squares = [self.body(some).square().mean(1) for some in x.split(500)]
        self.scale.copy_(torch.cat(squares).mean().sqrt())

    def encode(self, x: Tensor) -> Tensor:
        """Features of images, (B, features)."""
        self.spec.check(x, "LeNet.encode")
        return self.body(x) / self.scale

    def logits(self, features: Tensor) -> Tensor:
        """What features that `encode` gave say of each class, (B, features) -> (B, classes)."""
        return self._head(features * self.scale)

    def classify(self, x: Tensor) -> Tensor:
        """Log-probability of each class in nats, (B, classes)."""
        self.spec.check(x, "LeNet.classify")
        return self._head(self.body(x)).log_softmax(1)

"""Features: what metrics compare pictures by, each with a description that travels with every number.

References:
    GANs Trained by a Two Time-Scale Update OptimizerSettings Converge to a Local Nash Equilibrium, Heusel et al., 2017
        (arXiv 1706.08500).
    On Aliased Resizing and Surprising Subtleties in GAN Evaluation, Parmar, Zhang & Zhu, 2022 (arXiv 2104.11222).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from counterfeit.common.progress import Bar
from counterfeit.common.seeding import seeded
from counterfeit.core import Spec

__all__ = ["FeatureExtractor", "convolutions", "from_module", "pixels", "rounded", "weights_hash"]

CHANNELS, GRID = 32, 2  # of random convolutions: features of 32 channels in 2 x 2 places


@dataclass(frozen=True)
class FeatureExtractor:
    """Maps examples to features, and says how.

    Arguments:
        name: as in settings.
        summary: what computes the features, in words.
        net: examples (B, *shape), prepared as below, -> features (B, d).
        weights: hash of what the net has learnt; "none" where there is nothing.
        size: side in pixels that pictures are resized to, bilinear and antialiased; None keeps their own.
        channels: that pictures are given, gray ones by repetition; None keeps their own.
        rounded: whether values are rounded to 8 bits first, as pictures in files are.
        head: features (B, d) -> log-probabilities in nats (B, classes); None where it does not classify.
        batch_size: examples handed to the net at once.

    Example:
        >>> extractor = pixels(Spec((1, 8, 8)))
        >>> extractor(torch.rand(5, 1, 8, 8)).shape
        torch.Size([5, 64])
        >>> extractor.protocol
        'pixels; images rounded to 8 bits, not resized'
    """

    name: str
    summary: str
    net: Callable[[Tensor], Tensor]
    weights: str = "none"
    size: int | None = None
    channels: int | None = None
    rounded: bool = True
    head: Callable[[Tensor], Tensor] | None = None
    batch_size: int = 500

    @property
    def resize(self) -> str:
        """How pictures come to the size that the net takes, in words."""
        return f"resized to {self.size}x{self.size}, bilinear, antialiased" if self.size else "not resized"

    @property
    def protocol(self) -> str:
        """Everything that decides the features but the examples, in words."""
        weights = "" if self.weights == "none" else f", weights {self.weights}"
        return f"{self.summary}{weights}; {f'images rounded to 8 bits, {self.resize}' if self.rounded else 'as given'}"

    def __call__(self, x: Tensor) -> Tensor:
        """Features of examples in the data's natural unit, (N, *shape) -> float32 (N, d) on the CPU."""
        return torch.cat([*self._batches(x)])

    @torch.no_grad()
    def _batches(self, x: Tensor) -> Iterator[Tensor]:
        with Bar(f"features of {len(x):,} examples", len(x)) as bar:
            for batch in x.split(self.batch_size):
                yield self.net(self._prepared(batch)).flatten(1).float().cpu()
                bar.update(len(batch))

    def _prepared(self, x: Tensor) -> Tensor:
        x = rounded(x) if self.rounded else x
        if self.channels is not None and x.shape[1] != self.channels:
            x = x[:, :1].expand(-1, self.channels, -1, -1)
        if self.size is None or x.shape[2:] == (self.size, self.size):
            return x
        return interpolate(x, (self.size, self.size), mode="bilinear", align_corners=False, antialias=True)

    @torch.no_grad()
    def log_probs(self, features: Tensor) -> Tensor:
        """Log-probability of each class in nats, (N, d) -> float64 (N, classes).

        Raises:
            ValueError: where the extractor does not classify.
        """
        if self.head is None:
            raise ValueError(
                f"features {self.name!r} came; some that classify are expected. Take classifier (data with labels) "
                "or inception."
            )
        return self.head(features).double()


def rounded(x: Tensor) -> Tensor:
    """Values as an 8-bit picture file keeps them: clamped to [0, 1] and rounded to a multiple of 1/255.

    Example:
        >>> rounded(torch.tensor([-0.5, 0.5, 2.0])) * 255
        tensor([  0., 128., 255.])
    """
    return (x.clamp(0, 1) * 255).round() / 255


def pixels(spec: Spec) -> FeatureExtractor:
    """The values themselves; those of pictures rounded to 8 bits."""
    summary = "pixels" if spec.bounded else "values"
    return FeatureExtractor("pixels", summary, lambda x: x.flatten(1), rounded=spec.bounded)


def convolutions(spec: Spec, seed: int = 0) -> FeatureExtractor:
    """Two layers of convolutions with random weights, fixed by `seed`: for pictures without labels.

    Raises:
        ValueError: where the data are no pictures.
    """
    if len(spec.shape) != 3 or not spec.bounded:
        raise ValueError(f"data of shape {spec.shape} came; random convolutions expect pictures. Take features pixels.")
    with seeded(seed):
        layers = [nn.Conv2d(spec.shape[0], CHANNELS // 2, 5, 2, 2), nn.Conv2d(CHANNELS // 2, CHANNELS, 5, 2, 2)]
    net = nn.Sequential(layers[0], nn.ReLU(), layers[1], nn.ReLU(), nn.AdaptiveAvgPool2d(GRID))
    return from_module(net, "convolutions", f"random convolutions, {CHANNELS * GRID**2} features")


def from_module(
    net: nn.Module,
    name: str = "module",
    summary: str = "",
    size: int | None = None,
    channels: int | None = None,
    head: Callable[[Tensor], Tensor] | None = None,
) -> FeatureExtractor:
    """Features by any module that maps images in [0, 1], (B, C, H, W), to (B, d) or (B, …), which is flattened.

    The module is put in evaluation mode; examples meet it where its weights lie.

    Example:
        >>> extractor = from_module(nn.Conv2d(1, 4, 8))
        >>> extractor(torch.rand(3, 1, 8, 8)).shape
        torch.Size([3, 4])
    """
    net.eval()
    summary = summary or f"features of {type(net).__name__}"
    device = next((p.device for p in net.parameters()), torch.device("cpu"))

    def apply(x: Tensor) -> Tensor:
        features: Tensor = net(x.to(device))
        return features

    facts = f"{net!r} {channels} {size} {weights_hash(net)}"  # stride, padding and the like are no weights
    return FeatureExtractor(
        name, summary, apply, hashlib.sha256(facts.encode()).hexdigest()[:16], size, channels, head=head
    )


def weights_hash(net: nn.Module) -> str:
    """A short hash of names, shapes, types and values of parameters and buffers, the same on every device."""
    digest = hashlib.sha256()
    for name, value in sorted(net.state_dict().items()):
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]

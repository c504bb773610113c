"""Whole images from a few of their patches, which come without their places.

References:
    Unsupervised Holistic Image Generation from Key Local Patches, Lee et al., 2017 (arXiv 1703.10730).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from counterfeit.core import Batch, Spec, check_request
from counterfeit.models.adversarial.shared.alternating import GANSettings, Losses
from counterfeit.models.adversarial.shared.prior import Prior
from counterfeit.models.adversarial.shared.sampling_gan import Fake, SamplingGAN
from counterfeit.nets.conv import ConvPlayers
from counterfeit.nets.patches import PatchGenerator, covered, key_patches

__all__ = ["PuzzleGAN", "PuzzleSettings"]

MOST = 6  # patches, which have 720 orders
KEPT = 1_024  # training images whose patches samples are made of
NETS = ConvPlayers(discriminator_norm="none")


@dataclass(frozen=True)
class PuzzleSettings:
    """Which patches come, and what it weighs where they are put.

    Arguments:
        num_patches: how many pieces of an image come, at most 6, of which a metric tries every order.
        patch_size: side of a patch in pixels; null for 8, or what leaves three quarters of smaller images open.
        spatial_weight: weight of the places (spatial loss).
        appearance_weight: weight of the absolute difference, in [0, 1], of patches and what is painted there.
        features: of a patch.

    Raises:
        ValueError: where there are too many patches, or a weight is negative.
    """

    num_patches: int = 3
    patch_size: int | None = None
    spatial_weight: float = 1.0
    appearance_weight: float = 10.0
    features: int = 256

    def __post_init__(self) -> None:
        if self.num_patches > MOST:
            raise ValueError(
                f"num_patches={self.num_patches} came; at most {MOST} are expected. Lower model.num_patches."
            )
        if min(self.spatial_weight, self.appearance_weight) < 0:
            came = f"spatial_weight={self.spatial_weight} and appearance_weight={self.appearance_weight} came"
            raise ValueError(f"{came}; at least 0 is expected. Raise them.")

    def size(self, spec: Spec) -> int:
        """The side of a patch of such data, in pixels.

        Raises:
            ValueError: the data are no images, or too small for so many patches.
        """
        size = self.patch_size
        if size is None:
            size = min(8, math.isqrt(math.prod(spec.shape[1:]) // (4 * max(1, self.num_patches))))
        room = 4 * self.num_patches * size**2  # however the first ones lie, another finds its place
        if len(spec.shape) != 3 or min(self.num_patches, size) < 1 or room > spec.shape[1] * spec.shape[2]:
            raise ValueError(
                f"{self.num_patches} patches of {size}x{size} of data of shape {spec.shape} came; patches that cover "
                "at most a quarter of images (C, H, W) are expected. Set model.num_patches or model.patch_size."
            )
        return size


class PuzzleGAN(SamplingGAN):
    """Puzzle-GAN: from key patches of an image, without their places, the whole image and where the patches lie.

    The patches are cut where the image has the strongest edges. One net says where each lies, as a distribution over
    places; another paints the image around them. The places descend their negative log-likelihood in the image that
    the patches are from, in place of the squared difference of masks of the paper.

    References:
        Unsupervised Holistic Image Generation from Key Local Patches, Lee et al., 2017 (arXiv 1703.10730).

    Arguments:
        spec: what the data are: gray or RGB images.
        puzzle: which patches come, and what their places weigh.
        nets: sizes and norms of both players.
        prior: over the noise in a code.
        settings: what the game is played for, and what keeps it stable.

    Raises:
        ValueError: where the data are no images, or too small for so many patches.

    Example:
        >>> model = PuzzleGAN(Spec((1, 16, 16)), PuzzleSettings(patch_size=4), ConvPlayers(8, 8)).eval()
        >>> patches, corners = model.cut(torch.rand(2, 1, 16, 16))
        >>> image, places = model.assemble(patches)
        >>> image.shape, places.shape
        (torch.Size([2, 1, 16, 16]), torch.Size([2, 3, 13, 13]))
    """

    generator: PatchGenerator

    def __init__(
        self, spec: Spec, puzzle: PuzzleSettings = PuzzleSettings(), nets: ConvPlayers = NETS,
        prior: Prior = Prior(noise_dim=32), settings: GANSettings = GANSettings(),  # noqa: B008
    ) -> None:  # fmt: skip
        num_patches, patch_size = puzzle.num_patches, puzzle.size(spec)
        generator = PatchGenerator(spec, num_patches, patch_size, prior.noise_dim, nets.width, puzzle.features)
        super().__init__(spec, generator, nets.discriminator(spec), prior, settings)
        self.nets = nets
        self.puzzle, self.num_patches, self.patch_size = puzzle, num_patches, patch_size
        self.kept: Tensor
        self.register_buffer("kept", torch.zeros(KEPT, math.prod(generator.patch)))

    def initialize(self, data: Batch) -> None:
        """Keep the patches of training images, evenly spaced."""
        rows = torch.arange(KEPT, device=data.x.device) * len(data.x) // KEPT
        self.kept.copy_(self.cut(data.x[rows])[0].flatten(1))

    def cut(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Key patches of images `x`, (B, K, C, size, size), and their upper left corners, int64 (B, K, 2)."""
        self.spec.check(x, "PuzzleGAN.cut")
        return key_patches(x, self.num_patches, self.patch_size)

    def assemble(self, patches: Tensor) -> tuple[Tensor, Tensor]:
        """A draw of the image around patches, (B, C, H, W), and where each lies, (B, num_patches, rows, columns).

        Arguments:
            patches: (B, num_patches, C, size, size), in any order.
        """
        if patches.shape[1:] != self.generator.patch or not patches.is_floating_point():
            want = f"(B, {', '.join(map(str, self.generator.patch))}) of floating point"
            raise ValueError(
                f"`patches` has shape {tuple(patches.shape)}, dtype {patches.dtype}; {want} is expected. Use `cut`."
            )
        places = self.generator.places(patches)
        return self.spec.rounded(self.generator.paint(super().prior(len(patches)), patches, places)), places

    def generate(self, real: Batch) -> Fake:
        """An image around the patches of each of the data, with gradients."""
        z = self._code(key_patches(real.x, self.num_patches, self.patch_size)[0])
        return Fake(self.generator(z), z, None)

    def generator_losses(self, real: Batch, fake: Fake, on_fake: Tensor) -> Losses:
        """The objective, where patches lie (spatial loss), and that they look there as they came (appearance loss)."""
        patches, corners = key_patches(real.x, self.num_patches, self.patch_size)
        logits = self.generator.locator(patches)
        true = corners[..., 0] * logits.shape[3] + corners[..., 1]
        spatial = cross_entropy(logits.flatten(2).flatten(0, 1), true.flatten())
        off = (fake.x - real.x).abs() * covered(corners, self.patch_size, self.spec.shape)
        appearance = off.sum((1, 2, 3)).mean() / (self.num_patches * self.patch_size**2 * self.spec.shape[0])
        placed = {
            "spatial": self.puzzle.spatial_weight * spatial,
            "appearance": self.puzzle.appearance_weight * appearance,
        }
        return super().generator_losses(real, fake, on_fake) | placed

    @property
    def code_dim(self) -> int:
        """Size of a code: the noise and the patches' pixels."""
        return self.noise_dim + self.kept.shape[1]

    def prior(self, n: int, y: Tensor | None = None) -> Tensor:
        """Draw `n` codes, (n, code_dim): noise, and the patches of training images."""
        check_request(n, y)
        return self._code(self.kept[torch.randint(KEPT, (n,), device=self.device)])

    def _code(self, patches: Tensor) -> Tensor:
        """Noise before patches, (n, num_patches, C, size, size) -> (n, code_dim)."""
        return torch.cat([super().prior(len(patches)), patches.flatten(1)], 1)

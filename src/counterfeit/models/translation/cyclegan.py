"""Cycle-consistent adversarial nets: translation between two domains without pairs.

References:
    Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks, Zhu et al., 2017 (arXiv
        1703.10593).
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import l1_loss

from counterfeit.core import Batch, Clock, Spec, Update, check_labels
from counterfeit.models.adversarial.shared.alternating import AlternatingGAN, GANSettings
from counterfeit.nets.translation import ImagePool, PatchDiscriminator, TranslationPlayers

__all__ = ["CycleGAN", "by_domain"]

SETTINGS = GANSettings(objective="least-squares", resample_noise=False)
Pair = tuple[Tensor, Tensor]


class Halves(NamedTuple):
    """As many examples of domain 0 as of domain 1, (B / 2, *shape) each, and whether there were any of both, scalar."""

    x: Pair
    whole: Tensor


def by_domain(real: Batch) -> Halves:
    """Half a minibatch of each domain: where one is rarer its examples are repeated, and some others left out.

    Raises:
        ValueError: where there are no labels, or fewer than two examples.

    Example:
        >>> x = torch.arange(6.0).view(6, 1)
        >>> [half.flatten().tolist() for half in by_domain(Batch(x, torch.tensor([0, 1, 0, 0, 1, 0]))).x]
        [[0.0, 2.0, 3.0], [1.0, 4.0, 1.0]]
    """
    n = len(real.x)
    if n < 2:
        raise ValueError(f"minibatches of {n} came; CycleGAN expects 2 or more at once. Raise train.batch_size.")
    y, place = check_labels(real.y, n, 2, values=False), torch.arange(n // 2, device=real.x.device)
    counts = [(y == domain).sum() for domain in (0, 1)]
    first, second = (  # no size depends on the labels, so nothing waits for the device
        real.x[(y != domain).argsort(stable=True)[place % count.clamp(min=1)]] for domain, count in enumerate(counts)
    )
    return Halves((first, second), ((counts[0] > 0) & (counts[1] > 0)).to(real.x.dtype))


class Crossed(NamedTuple):
    """Halves of a minibatch, and what the generators make of them: of images of domain 1 in 0, and of 0 in 1."""

    real: Halves
    x: Pair


class CycleGAN(AlternatingGAN[Crossed]):
    """Cycle-consistent adversarial nets: two generators, each into a domain, that undo each other.

    The domains are the data's two classes. Each has a discriminator of patches, which sees fakes out of a pool.

    References:
        Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks, Zhu et al., 2017 (arXiv
            1703.10593).

    Arguments:
        spec: what the data are: gray or RGB images in two classes, whose sides can be halved.
        nets: sizes of the players.
        adversarial_weight: weight of the game. Least squares halve the generator's square (LSGAN, eq. 9) and the paper
            does not, so that 2 gives the weights beside it their meaning there.
        cycle_weight: weight of the distance from an image to its translation and back; 0 leaves the cycle out.
        identity_weight: weight of the distance from an image to what the generator into its own domain makes of it.
        pool: fakes that are kept for each discriminator; 0 shows it the newest only.
        settings: what the game is played for, and what keeps it stable.

    Raises:
        ValueError: where the data are no images, or not of two classes.

    Example:
        >>> model = CycleGAN(Spec((1, 8, 8), classes=2), TranslationPlayers(4, 1, 4))
        >>> model.translate(torch.rand(3, 1, 8, 8), torch.tensor([0, 1, 1])).shape
        torch.Size([3, 1, 8, 8])
    """

    generator: nn.ModuleList
    discriminator: nn.ModuleList

    def __init__(
        self, spec: Spec, nets: TranslationPlayers = TranslationPlayers(),  # noqa: B008
        adversarial_weight: float = 2.0, cycle_weight: float = 10.0, identity_weight: float = 5.0,
        pool: int = 50, settings: GANSettings = SETTINGS,
    ) -> None:  # fmt: skip
        if spec.classes != 2:
            raise ValueError(
                f"data of {spec.classes} classes came; CycleGAN expects 2, its domains. Give two folders of pictures "
                "in one, choose two with data.classes, or take stargan for more."
            )
        generators = nn.ModuleList(nets.generator(spec) for _ in range(2))
        discriminators = nn.ModuleList(PatchDiscriminator(spec, nets.discriminator_width) for _ in range(2))
        super().__init__(spec, generators, discriminators, settings)
        self.domains = spec.classes
        self.nets = nets
        self.adversarial_weight = adversarial_weight
        self.cycle_weight, self.identity_weight = cycle_weight, identity_weight
        self.pool = nn.ModuleList(ImagePool(pool, spec.shape) for _ in range(2))

    def generate(self, real: Batch) -> Crossed:
        """Half a minibatch of each domain, taken into the other."""
        halved = by_domain(real)
        return Crossed(halved, self._cross(halved.x))

    def _cross(self, x: Pair) -> Pair:
        """Images of domain 1 taken into domain 0, and of 0 into 1."""
        return self.generator[0](x[1]), self.generator[1](x[0])

    def discriminator_update(self, real: Batch, fake: Crossed, clock: Clock) -> Update:  # noqa: ARG002
        """Each discriminator tells images of its own domain from those that were taken there (eq. 1)."""
        losses: list[Tensor] = []
        shown: dict[str, Tensor] = {}
        for domain in (0, 1):
            x, made = fake.real.x[domain], self.pool[domain](fake.x[domain].detach(), fake.real.whole)
            on_real, on_fake = self._outputs(domain, torch.cat([x, made])).chunk(2)
            penalty = self.penalty(partial(self._mean_output, domain), x, made, clock)
            losses.append(sum(penalty.values(), self.settings.discriminator_loss(on_real, on_fake)))
            shown |= {f"{name}-{domain}": value for name, value in self.shown(on_real, on_fake).items()}
        return Update.of("discriminator", {"loss": torch.stack(losses).sum()}, shown).times(fake.real.whole)

    def generator_update(self, real: Batch, fake: Crossed) -> Update:  # noqa: ARG002
        """The generators are taken for data (eq. 1), find the way back (eq. 2), and leave what is there already."""
        halved, made = fake
        adversarial = [self.objective.generator(self._outputs(domain, x)) for domain, x in enumerate(made)]
        losses = {"loss": self.adversarial_weight * torch.stack(adversarial).sum()}
        if self.cycle_weight:
            losses["cycle"] = self.cycle_weight * _distance(self._cross(made), halved.x)
        if self.identity_weight:
            same = self.generator[0](halved.x[0]), self.generator[1](halved.x[1])
            losses["identity"] = self.identity_weight * _distance(same, halved.x)  # section 5.2
        return Update.of("generator", losses).times(halved.whole)

    def _outputs(self, domain: int, x: Tensor) -> Tensor:
        """Logits of the patches of images in a domain, (B, patches)."""
        return self.discriminator[domain](self.settings.augmented(x))

    def _mean_output(self, domain: int, x: Tensor) -> Tensor:
        return self._outputs(domain, x).mean(1)

    def translate(self, x: Tensor, to: Tensor) -> Tensor:
        """Images `x`, (B, C, H, W), in the domains `to`, (B,), as (B, C, H, W)."""
        self.spec.check(x, "CycleGAN.translate")
        to, out = check_labels(to, len(x), 2), torch.empty_like(x)
        for domain, generator in enumerate(self.generator):
            if bool((to == domain).any()):
                out[to == domain] = generator(x[to == domain])
        return out


def _distance(found: Pair, expected: Pair) -> Tensor:
    """Mean absolute difference in [-1, 1], the paper's unit of pixels, over both domains, scalar."""
    return torch.stack([2 * l1_loss(*pair) for pair in zip(found, expected, strict=True)]).sum()

"""Players in turn, by settings that every adversarial model takes: Algorithm 1 of the founding paper.

References:
    Generative Adversarial Nets, Goodfellow et al., 2014 (arXiv 1406.2661).
    Amortised MAP Inference for Image Super-resolution, Sønderby et al., 2016 (arXiv 1610.04490): instance noise.
    Improved Techniques for Training GANs, Salimans et al., 2016 (arXiv 1606.03498): smoothing, feature matching.
    Wasserstein GAN, Arjovsky et al., 2017 (arXiv 1701.07875): clipping.
    Analyzing and Improving the Image Quality of StyleGAN, Karras et al., 2019 (arXiv 1912.04958): lazy penalties.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Generic, TypeVar

import torch
from torch import Tensor, nn

from counterfeit.core import Batch, Clock, Draw, Model, Net, Spec, Update, frozen, without_statistics
from counterfeit.losses import (
    OBJECTIVES,
    PENALTIES,
    SMOOTHED,
    Critic,
    Objective,
    ObjectiveName,
    PenaltyName,
    label_smoothing,
)  # fmt: skip
from counterfeit.nets.augment import Augmentation, augment

__all__ = ["AlternatingGAN", "GANSettings", "Losses"]

Losses = dict[str, Tensor]
"""Named scalars whose sum a player descends."""
Made = TypeVar("Made")
LOWEST = {
    "discriminator_steps": 1, "generator_steps": 1, "instance_noise": 0, "label_smoothing": 0, "weight_clip": 0,
    "penalty_weight": 0, "penalty_every": 1,
}  # fmt: skip


@dataclass(frozen=True)
class GANSettings:
    """What an adversarial game is played for, and what keeps it stable.

    Arguments:
        objective: what each player descends; the last six are f-divergences, and with feature-matching the generator
            descends the distance of the mean features that the discriminator has of data and samples. With
            relativistic, outputs count only beside those on the other side's examples.
        discriminator_steps: updates of the discriminator in a training step, the `k` of Algorithm 1.
        generator_steps: updates of the generator that follow; Algorithm 1 has one.
        simultaneous: let both players move at once from the same point, each by its gradient at the other's old
            weights; of several steps, the discriminator's last and the generator's first.
        resample_noise: draw fresh codes for the generator's update, as Algorithm 1 does, or save a pass and reuse
            the last fakes.
        instance_noise: standard deviation of the Gaussian noise on everything the discriminator sees, in the unit
            of the data, [0, 1] of images.
        label_smoothing: by how much less than 1 data are called data, where the discriminator gives probabilities.
        weight_clip: the discriminator's weights are kept in ±`weight_clip` (WGAN's first means); 0 leaves them free.
        penalty: on the gradient of the discriminator: gradient (WGAN-GP), r1, r2, both, dragan. As in their papers,
            gradients at images are per unit of [-1, 1], half of those per unit of [0, 1].
        penalty_weight: its weight.
        penalty_every: steps between penalties, whose weight is multiplied by it.
        augment: random changes to everything the discriminator sees: flip, color, translation, cutout, affine.
    """

    objective: ObjectiveName = "non-saturating"
    discriminator_steps: int = 1
    generator_steps: int = 1
    simultaneous: bool = False
    resample_noise: bool = True
    instance_noise: float = 0.0
    label_smoothing: float = 0.0
    weight_clip: float = 0.0
    penalty: PenaltyName = "none"
    penalty_weight: float = 10.0
    penalty_every: int = 1
    augment: tuple[Augmentation, ...] = ()

    def __post_init__(self) -> None:
        for name, low in LOWEST.items():
            if not getattr(self, name) >= low:
                raise ValueError(f"{name}={getattr(self, name)} came; at least {low} is expected. Raise it.")
        if self.label_smoothing and (self.objective not in SMOOTHED or self.label_smoothing >= 1):
            raise ValueError(
                f"label_smoothing={self.label_smoothing} came with objective {self.objective}; a share below 1 is "
                f"expected, with one of {', '.join(sorted(SMOOTHED))}. Leave it out, or change the objective."
            )

    def undivided(self) -> tuple[str, ...]:
        """Settings by which a loss is of a whole minibatch: of means of features, or of the data's deviation."""
        matched = ("model.objective",) if OBJECTIVES[self.objective].features else ()
        return matched + (("model.penalty",) if self.penalty == "dragan" else ())

    def of_outputs(self) -> Objective:
        """The objective, for a game whose generator descends what the discriminator says of samples, and no more.

        Raises:
            ValueError: where it is a function of features, or of outputs on data, too.
        """
        objective = OBJECTIVES[self.objective]
        if objective.features or objective.relative:
            what = "one of outputs on samples alone is expected. Take non-saturating, say."
            raise ValueError(f"objective {self.objective} came; {what}")
        return objective

    def augmented(self, x: Tensor) -> Tensor:
        """What a discriminator in training is shown of examples `x`, (B, *shape): augmented and blurred."""
        x = augment(x, self.augment)
        return x + self.instance_noise * torch.randn_like(x) if self.instance_noise else x

    def discriminator_loss(self, on_real: Tensor, on_fake: Tensor) -> Tensor:
        """What a discriminator descends, by its outputs on data and on samples, scalar."""
        loss = OBJECTIVES[self.objective].discriminator(on_real, on_fake)
        return loss + label_smoothing(on_real, self.label_smoothing) if self.label_smoothing else loss

    def gradient_penalty(self, critic: Critic, real: Tensor, fake: Tensor, step: int, unit: float = 1.0) -> Losses:
        """The weighted penalty on the gradient of `critic` per `unit` of its input; none where `step` has none."""
        if self.penalty == "none" or step % self.penalty_every:
            return {}
        weight = self.penalty_weight * self.penalty_every
        return {"penalty": weight * PENALTIES[self.penalty](critic, real, fake.detach(), unit)}

    @torch.no_grad()
    def clip_weights(self, net: nn.Module) -> None:
        """Keep the weights of a discriminator in ±`weight_clip`, where there is one."""
        for p in net.parameters() if self.weight_clip else ():
            p.clamp_(-self.weight_clip, self.weight_clip)


class AlternatingGAN(Model, Generic[Made]):
    """Players in turn: `discriminator` descends, on a fresh minibatch each time, then `generator`; or both at once.

    What a generator makes of a minibatch, and what players descend, is for the model to say.

    Arguments:
        spec: what the data are.
        generator: one net, or several that move together.
        discriminator: likewise.
        settings: what the game is played for, and what keeps it stable.

    Raises:
        ValueError: where the objective is a function of features or of outputs on data, too, and the model's generator
            knows of samples alone.
    """

    compares: ClassVar[bool] = False
    """Whether the generator can descend a comparison with data: of features, or of the discriminator's outputs."""

    def __init__(self, spec: Spec, generator: nn.Module, discriminator: nn.Module, settings: GANSettings) -> None:
        super().__init__(spec)
        self.generator, self.discriminator, self.settings = generator, discriminator, settings
        self.undivided = settings.undivided()
        self.objective = OBJECTIVES[settings.objective] if self.compares else settings.of_outputs()
        for net in discriminator.modules():
            if isinstance(net, Net):
                net.double_backward = settings.penalty != "none"

    def updates(self, draw: Draw, clock: Clock) -> Iterator[Update]:
        """Algorithm 1: steps of the discriminator, each on a fresh minibatch, then of the generator.

        The generator's first step is on the discriminator's last minibatch; simultaneous players take both in one.
        """
        rules = self.settings
        for left in reversed(range(rules.discriminator_steps)):
            real = draw()
            with torch.set_grad_enabled(not rules.resample_noise):
                fake = self.generate(real)
            update, last = self.discriminator_update(real, fake, clock), None if rules.resample_noise else fake
            if rules.simultaneous and not left:
                update = update.beside(self._answer(real, last))
            yield update
            rules.clip_weights(self.discriminator)
        if not rules.simultaneous:
            yield self._answer(real, last)
        for _ in range(rules.generator_steps - 1):
            yield self._answer(draw())

    def _answer(self, real: Batch, fake: Made | None = None) -> Update:
        """The generator's move, by `fake`, or by what it makes anew where None."""
        with frozen(self.discriminator):
            return self.generator_update(real, self.generate(real) if fake is None else fake)

    @abstractmethod
    def generate(self, real: Batch) -> Made:
        """What the generator makes in the place of a minibatch of data, with gradients."""

    @abstractmethod
    def discriminator_update(self, real: Batch, fake: Made, clock: Clock) -> Update:
        """The discriminator's move, which must not reach the generator."""

    @abstractmethod
    def generator_update(self, real: Batch, fake: Made) -> Update:
        """The generator's move; the discriminator's weights get no gradient in it."""

    def penalty(self, critic: Critic, real: Tensor, fake: Tensor, clock: Clock) -> Losses:
        """The weighted penalty on the gradient of `critic`; none where this step has none.

        Slopes of bounded data are per unit of [-1, 1], in which papers give images, whatever a net makes of them.
        """
        with without_statistics(self.discriminator):
            return self.settings.gradient_penalty(critic, real, fake, clock.step, 0.5 if self.spec.bounded else 1.0)

    def shown(self, on_real: Tensor, on_fake: Tensor) -> dict[str, Tensor]:
        """Mean outputs on data and on samples, for logs, as the objective shows them: probabilities where they are."""
        return {name: self.objective.shown(v.detach()).mean() for name, v in (("real", on_real), ("fake", on_fake))}

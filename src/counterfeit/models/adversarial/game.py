"""The adversarial game that every model of the family plays: Algorithm 1 of the founding paper.

References:
    Generative Adversarial Nets, Goodfellow et al., 2014 (arXiv 1406.2661).
    Amortised MAP Inference for Image Super-resolution, Sønderby et al., 2016 (arXiv 1610.04490): instance noise.
    Improved Techniques for Training GANs, Salimans et al., 2016 (arXiv 1606.03498): smoothing, feature matching.
    Wasserstein GAN, Arjovsky et al., 2017 (arXiv 1701.07875): clipping.
    Analyzing and Improving the Image Quality of StyleGAN, Karras et al., 2019 (arXiv 1912.04958): lazy penalties.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from counterfeit.core import (
    Batch,
    Clock,
    Draw,
    Model,
    Net,
    Spec,
    Structure,
    Update,
    check_codes,
    check_labels,
    check_request,
    frozen,
)  # fmt: skip
from counterfeit.losses import OBJECTIVES, PENALTIES, SMOOTHED, Critic, Objective, ObjectiveName, PenaltyName, smoothing
from counterfeit.nets.augment import Augmentation, augment
from counterfeit.nets.conv import MinibatchDeviation, MinibatchDiscrimination

__all__ = ["Fake", "Game", "Noise", "Player", "Rules"]

Noise = Literal["gaussian", "uniform"]
Player = Literal["discriminator", "generator"]
LOWEST = {"k": 1, "instance_noise": 0, "smoothing": 0, "clip": 0, "penalty_weight": 0, "penalty_every": 1}
# real and fake must not share what these see
POOLING = (nn.BatchNorm1d, nn.BatchNorm2d, MinibatchDeviation, MinibatchDiscrimination)


@dataclass(frozen=True)
class Rules:
    """What an adversarial game is played for, and what keeps it stable.

    Arguments:
        objective: what each player descends; the last six are f-divergences, and with feature-matching the generator
            descends the distance of the mean features that the discriminator has of data and samples.
        k: discriminator updates for each one of the generator.
        fresh: draw new codes for the generator's update, as Algorithm 1 does, or save a pass and reuse the last fakes.
        instance_noise: standard deviation of the Gaussian noise on everything the discriminator sees.
        smoothing: by how much less than 1 data are called data, where the discriminator gives probabilities.
        clip: the discriminator's weights are kept in ±`clip` (WGAN's first means); 0 leaves them free.
        penalty: on the slope of the discriminator: gradient (WGAN-GP), r1, r2, dragan.
        penalty_weight: its weight.
        penalty_every: steps between penalties, whose weight is multiplied by it.
        augment: random changes to everything the discriminator sees: flip, color, translation, cutout, affine.
    """

    objective: ObjectiveName = "non-saturating"
    k: int = 1
    fresh: bool = True
    instance_noise: float = 0.0
    smoothing: float = 0.0
    clip: float = 0.0
    penalty: PenaltyName = "none"
    penalty_weight: float = 10.0
    penalty_every: int = 1
    augment: tuple[Augmentation, ...] = ()

    def __post_init__(self) -> None:
        for name, low in LOWEST.items():
            if not getattr(self, name) >= low:
                raise ValueError(f"{name}={getattr(self, name)} came; at least {low} is expected. Raise it.")
        if self.smoothing and (self.objective not in SMOOTHED or self.smoothing >= 1):
            raise ValueError(
                f"smoothing={self.smoothing} came with objective {self.objective}; a share below 1 is expected, with "
                f"one of {', '.join(sorted(SMOOTHED))}. Leave it out, or change the objective."
            )

    def of_outputs(self) -> Objective:
        """The objective, for a game whose generator descends what the discriminator says and knows no features.

        Raises:
            ValueError: where it is a function of features.
        """
        objective = OBJECTIVES[self.objective]
        if objective.features:
            raise ValueError(f"objective {self.objective} came; one of outputs is expected. Take non-saturating, say.")
        return objective

    def seen(self, x: Tensor) -> Tensor:
        """What a discriminator in training is shown of examples `x`, (B, *shape): augmented and blurred."""
        x = augment(x, self.augment)
        return x + self.instance_noise * torch.randn_like(x) if self.instance_noise else x

    def discrimination(self, on_real: Tensor, on_fake: Tensor) -> Tensor:
        """What a discriminator descends, by its outputs on data and on samples, scalar."""
        loss = OBJECTIVES[self.objective].discriminator(on_real, on_fake)
        return loss + smoothing(on_real, self.smoothing) if self.smoothing else loss

    def slope(self, critic: Critic, real: Tensor, fake: Tensor, step: int) -> Tensor | None:
        """The weighted penalty on the slope of `critic`, scalar; None where `step` has none."""
        if self.penalty == "none" or step % self.penalty_every:
            return None
        return self.penalty_weight * self.penalty_every * PENALTIES[self.penalty](critic, real, fake.detach())

    @torch.no_grad()
    def clamp(self, net: nn.Module) -> None:
        """Keep the weights of a discriminator in ±`clip`, where there is one."""
        for p in net.parameters() if self.clip else ():
            p.clamp_(-self.clip, self.clip)


class Fake(NamedTuple):
    """Samples in training: `x`, (B, *shape), made from the codes `z`, (B, code_size).

    The discriminator is told `y`, (B, …), beside them, and beside data the same, or `real_y` where it is given: labels
    where the game is conditional, codes where data have some too.
    """

    x: Tensor
    z: Tensor
    y: Tensor | None
    real_y: Tensor | None = None

    def told(self) -> tuple[Tensor | None, Tensor | None]:
        """What the discriminator is told beside data and beside samples, without gradients."""
        on_real = self.y if self.real_y is None else self.real_y
        return None if on_real is None else on_real.detach(), None if self.y is None else self.y.detach()


class Game(Model):
    """Two players over one value function: `discriminator` descends, then `generator`.

    Arguments:
        spec: what the data are.
        generator: codes (B, code_size) -> examples (B, *shape).
        discriminator: examples, and labels where it is conditional -> (B, 1 + more): a logit, and what `beside` uses.
            Its `features`, (B, features), are asked for where the objective is a function of them.
        noise: the prior over codes, of unit variance: "gaussian", or "uniform" on (-√3, √3).
        noise_size: size of the noise in a code, which a conditional game lets the label follow, one-hot.
        rules: what the game is played for, and what keeps it stable.
        conditional: whether both players are told labels.

    Raises:
        ValueError: where a conditional game has data without labels.
    """

    makers: tuple[str, ...] = ("generator",)
    """The parts that move with the generator."""

    def __init__(
        self, spec: Spec, generator: Net, discriminator: Net, noise: Noise, noise_size: int, rules: Rules,
        conditional: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(spec)
        if noise_size < 1:
            raise ValueError(f"noise_size={noise_size} came; at least 1 is expected. Raise it.")
        if conditional and spec.classes < 1:
            raise ValueError("data without labels came; a conditional model expects labels. Choose data with classes.")
        self.generator, self.discriminator = generator, discriminator
        self.noise, self.noise_size, self.rules, self.objective = noise, noise_size, rules, OBJECTIVES[rules.objective]
        self.conditional, self.discriminator.twice = conditional, rules.penalty != "none"
        if self.objective.features and not hasattr(discriminator, "features"):
            who = type(discriminator).__name__
            raise ValueError(f"objective {rules.objective} came; a discriminator with features is expected, not {who}.")
        self.apart = any(isinstance(module, POOLING) for module in discriminator.modules())

    def updates(self, draw: Draw, clock: Clock) -> Iterator[Update]:
        """Algorithm 1: `k` steps of the discriminator, each on a fresh minibatch, then one of the generator."""
        for _ in range(self.rules.k):
            real = draw()
            with torch.set_grad_enabled(not self.rules.fresh):
                fake = self.forge(real)
            yield self._discriminator(real, fake, clock)
            self.rules.clamp(self.discriminator)
        with frozen(self.discriminator):
            fake = self.forge(real) if self.rules.fresh else fake
            out = self.judge(fake.x, fake.y)
            loss = self._imitation(out, real, fake)
            logs = self._logs("generator", loss)
            loss = self._and_beside("generator", loss, logs, None, out, real, fake)
        yield Update(loss, self.makers, logs)

    def _discriminator(self, real: Batch, fake: Fake, clock: Clock) -> Update:
        real_y, fake_y = fake.told()
        if self.apart:
            on_real, on_fake = self.judge(real.x, real_y), self.judge(fake.x.detach(), fake_y)
        else:
            told = None if real_y is None or fake_y is None else torch.cat([real_y, fake_y])
            on_real, on_fake = self.judge(torch.cat([real.x, fake.x.detach()]), told).chunk(2)
        loss = self.rules.discrimination(on_real[:, :1], on_fake[:, :1])
        logs = self._logs("discriminator", loss, real=on_real[:, :1], fake=on_fake[:, :1])
        loss = self._and_beside("discriminator", loss, logs, on_real, on_fake, real, fake)
        return Update(loss + self._penalty(real.x, fake, clock, logs), ("discriminator",), logs)

    def _imitation(self, out: Tensor, real: Batch, fake: Fake) -> Tensor:
        if self.objective.features is None:
            return self.objective.generator(out[:, :1])
        with torch.no_grad():
            wanted = self._features(real.x, fake.told()[0])
        return self.objective.features(wanted, self._features(fake.x, fake.y))

    def _features(self, x: Tensor, y: Tensor | None) -> Tensor:
        shown = [some for some in self.shown(x, y) if some is not None]
        return self.discriminator.features(*shown)  # type: ignore[operator]

    def beside(
        self, player: Player, on_real: Tensor | None, on_fake: Tensor, real: Batch, fake: Fake  # noqa: ARG002
    ) -> Mapping[str, Tensor]:  # fmt: skip
        """Named losses that a player descends beside the objective; none unless a paper adds them.

        Arguments:
            player: whose move it is.
            on_real: the discriminator's outputs on data, (B, 1 + more); None in the generator's move.
            on_fake: its outputs on samples.
            real: the data.
            fake: the samples.
        """
        return {}

    def _and_beside(
        self, player: Player, loss: Tensor, logs: dict[str, Tensor], on_real: Tensor | None, on_fake: Tensor,
        real: Batch, fake: Fake,
    ) -> Tensor:  # fmt: skip
        for name, value in self.beside(player, on_real, on_fake, real, fake).items():
            logs[f"{player}/{name}"] = value.detach()
            loss = loss + value
        return loss

    def forge(self, real: Batch) -> Fake:
        """As many samples as there are data, with gradients, of the same labels where the game is conditional."""
        n, y = len(real.x), None
        if self.conditional:
            y = check_labels(real.y, n, self.spec.classes, values=False)  # they are the data's own
        z = self.prior(n, y)
        return Fake(self.generator(z), z, y)

    def judge(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """The discriminator's outputs on examples `x`, (B, 1 + more), augmented and blurred while training."""
        if self.training:
            x, y = self.shown(x, y)
        else:
            self.spec.check(x, f"{type(self).__name__}.judge")
        return self.discriminator(x) if y is None else self.discriminator(x, y)

    def shown(self, x: Tensor, y: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """What the discriminator in training sees of examples `x`, (B, *shape), and of what it is told, `y`."""
        return self.rules.seen(x), y

    def slope(self, real: Tensor, fake: Fake, step: int) -> Tensor | None:
        """The weighted penalty on the slope of the discriminator, scalar; None where `step` has none."""
        return self.rules.slope(lambda x: self.judge(x, fake.told()[0])[:, :1], real, fake.x, step)

    def _penalty(self, real: Tensor, fake: Fake, clock: Clock, logs: dict[str, Tensor]) -> Tensor | float:
        penalty = self.slope(real, fake, clock.step)
        if penalty is None:
            return 0.0
        logs["discriminator/penalty"] = penalty.detach()
        return penalty

    def _logs(self, player: Player, loss: Tensor, **outputs: Tensor) -> dict[str, Tensor]:
        logs = {f"{player}/loss": loss.detach()}
        return logs | {f"{player}/{name}": self.objective.shown(v.detach()).mean() for name, v in outputs.items()}

    @property
    def labels(self) -> int:
        """How many labels `prior` and `sample` choose from: the data's where the game is conditional, else 0."""
        return self.spec.classes if self.conditional else 0

    def structure(self) -> Structure:
        """What a code is made of: noise, and a label where there are labels."""
        return Structure(self.noise_size, self.labels)

    @property
    def code_size(self) -> int:
        """Size of a code."""
        return sum(self.structure())

    def prior(self, n: int, y: Tensor | None = None) -> Tensor:
        """Draw `n` codes, (n, code_size): noise, then the labels `y`, (n,), one-hot where there are labels.

        All labels are equally likely where `y` is None.
        """
        check_request(n)
        draw = torch.randn if self.noise == "gaussian" else torch.rand
        z = draw(n, self.noise_size, device=self.device)
        z = z if self.noise == "gaussian" else (z - 0.5) * 12**0.5  # unit variance
        if not self.labels:
            return z
        y = torch.randint(self.labels, (n,), device=self.device) if y is None else y
        return torch.cat([z, one_hot(y, self.labels).to(z.dtype)], 1)

    def decode(self, z: Tensor) -> Tensor:
        """The examples that the codes `z`, (B, code_size), stand for, (B, *shape)."""
        check_codes(z, self.code_size)
        return self.generator(z)

    def sample(self, n: int, y: Tensor | None = None) -> Tensor:
        """Draw `n` examples in the data's natural unit, (n, *shape), rounded where the data are binary.

        Arguments:
            n: how many.
            y: their labels, (n,), where there are labels; all are equally likely where None.
        """
        check_request(n, y if not self.labels else None)
        y = None if y is None else check_labels(y, n, self.labels).to(self.device)
        x = self.generator(self.prior(n, y))
        return x.round() if self.spec.kind == "binary" else x

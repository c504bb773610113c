"""The adversarial game of a generator of samples and a discriminator, which most of the family play.

References:
    Generative Adversarial Nets, Goodfellow et al., 2014 (arXiv 1406.2661).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from counterfeit.core import Batch, Clock, Net, Spec, Structure, Update, check_codes, check_labels, check_request
from counterfeit.models.adversarial.shared.alternating import AlternatingGAN, GANSettings
from counterfeit.nets.layers import MinibatchDeviation, MinibatchDiscrimination

__all__ = ["Fake", "Noise", "Player", "SamplingGAN"]

Noise = Literal["gaussian", "uniform"]
Player = Literal["discriminator", "generator"]
# real and fake must not share what these see
POOLING = (nn.BatchNorm1d, nn.BatchNorm2d, MinibatchDeviation, MinibatchDiscrimination)


class Fake(NamedTuple):
    """Samples in training: `x`, (B, *shape), made from the codes `z`, (B, code_dim).

    The discriminator is told `y`, (B, …), beside them, and beside data the same, or `real_y` where it is given: labels
    where the game is conditional, codes where data have some too.
    """

    x: Tensor
    z: Tensor
    y: Tensor | None
    real_y: Tensor | None = None

    def conditioning(self) -> tuple[Tensor | None, Tensor | None]:
        """What the discriminator is told beside data and beside samples, without gradients."""
        on_real = self.y if self.real_y is None else self.real_y
        return None if on_real is None else on_real.detach(), None if self.y is None else self.y.detach()


class SamplingGAN(AlternatingGAN[Fake]):
    """Two players over one value function: `discriminator` descends, then `generator`.

    Arguments:
        spec: what the data are.
        generator: codes (B, code_dim) -> examples (B, *shape).
        discriminator: examples, and labels where it is conditional -> (B, 1 + more): a logit, and what `beside` uses.
            Its `features`, (B, features), are asked for where the objective is a function of them.
        noise: the prior over codes, of unit variance: "gaussian", or "uniform" on (-√3, √3).
        noise_dim: size of the noise in a code, which a conditional game lets the label follow, one-hot.
        settings: what the game is played for, and what keeps it stable.
        conditional: whether both players are told labels.

    Raises:
        ValueError: where a conditional game has data without labels.
    """

    frequencies: Tensor
    featured = True
    makers: tuple[str, ...] = ("generator",)
    """The parts that move with the generator."""
    categories: int = 0
    """Values of a category in every code, which data never show; 0 for none."""

    def __init__(
        self, spec: Spec, generator: Net, discriminator: Net, noise: Noise, noise_dim: int, settings: GANSettings,
        conditional: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(spec, generator, discriminator, settings)
        if noise_dim < 1:
            raise ValueError(f"noise_dim={noise_dim} came; at least 1 is expected. Raise it.")
        if conditional and spec.classes < 1:
            raise ValueError("data without labels came; a conditional model expects labels. Choose data with classes.")
        self.noise, self.noise_dim, self.conditional = noise, noise_dim, conditional
        if conditional:
            self.register_buffer("frequencies", torch.full((spec.classes,), 1 / spec.classes))
        if self.objective.features and not hasattr(discriminator, "features"):
            who = type(discriminator).__name__
            raise ValueError(
                f"objective {settings.objective} came; a discriminator with features is expected, not {who}."
            )
        self.separate_batches = any(isinstance(module, POOLING) for module in discriminator.modules())

    @torch.no_grad()
    def initialize(self, data: Batch) -> None:
        """See how frequent labels are, where the game is conditional."""
        if self.conditional:
            y = check_labels(data.y, len(data.x), self.spec.classes)
            self.frequencies.copy_(torch.bincount(y, minlength=self.spec.classes) / len(y))

    def discriminator_update(self, real: Batch, fake: Fake, clock: Clock) -> Update:
        """The discriminator tells data from samples, in one pass where none of its layers looks at a minibatch."""
        real_y, fake_y = fake.conditioning()
        if self.separate_batches:
            on_real, on_fake = (
                self.discriminator_outputs(real.x, real_y),
                self.discriminator_outputs(fake.x.detach(), fake_y),
            )
        else:
            conditioning = None if real_y is None or fake_y is None else torch.cat([real_y, fake_y])
            on_real, on_fake = self.discriminator_outputs(torch.cat([real.x, fake.x.detach()]), conditioning).chunk(2)
        loss = self.settings.discrimination(on_real[:, :1], on_fake[:, :1])
        logs = self._logs("discriminator", loss, real=on_real[:, :1], fake=on_fake[:, :1])
        loss = self._and_beside("discriminator", loss, logs, on_real, on_fake, real, fake)
        return Update(loss + self._penalty(real.x, fake, clock, logs), ("discriminator",), logs)

    def generator_update(self, real: Batch, fake: Fake) -> Update:
        """The generator descends what the objective gives it, and what is `beside`."""
        out = self.discriminator_outputs(fake.x, fake.y)
        loss = self._imitation(out, real, fake)
        logs = self._logs("generator", loss)
        return Update(self._and_beside("generator", loss, logs, None, out, real, fake), self.makers, logs)

    def _imitation(self, out: Tensor, real: Batch, fake: Fake) -> Tensor:
        if self.objective.features is None:
            return self.objective.generator(out[:, :1])
        with torch.no_grad():
            wanted = self._features(real.x, fake.conditioning()[0])
        return self.objective.features(wanted, self._features(fake.x, fake.y))

    def _features(self, x: Tensor, y: Tensor | None) -> Tensor:
        shown = [some for some in self.augmented(x, y) if some is not None]
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

    def generate(self, real: Batch) -> Fake:
        """As many samples as there are data, with gradients, of the same labels where the game is conditional."""
        n, y = len(real.x), None
        if self.conditional:
            y = check_labels(real.y, n, self.spec.classes, values=False)  # they are the data's own
        z = self.prior(n, y)
        return Fake(self.generator(z), z, y)

    def discriminator_outputs(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """The discriminator's outputs on examples `x`, (B, 1 + more), augmented and blurred while training."""
        if self.training:
            x, y = self.augmented(x, y)
        else:
            self.spec.check(x, f"{type(self).__name__}.discriminator_outputs")
        return self.discriminator(x) if y is None else self.discriminator(x, y)

    def augmented(self, x: Tensor, y: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """What the discriminator in training sees of examples `x`, (B, *shape), and of what it is told, `y`."""
        return self.settings.augmented(x), y

    def gradient_penalty(self, real: Tensor, fake: Fake, clock: Clock) -> Tensor | None:
        """The weighted penalty on the slope of the discriminator, scalar; None where this step has none."""
        return self.penalty(lambda x: self.discriminator_outputs(x, fake.conditioning()[0])[:, :1], real, fake.x, clock)

    def _penalty(self, real: Tensor, fake: Fake, clock: Clock, logs: dict[str, Tensor]) -> Tensor | float:
        penalty = self.gradient_penalty(real, fake, clock)
        if penalty is None:
            return 0.0
        logs["discriminator/penalty"] = penalty.detach()
        return penalty

    def _logs(self, player: Player, loss: Tensor, **outputs: Tensor) -> dict[str, Tensor]:
        logs = {f"{player}/loss": loss.detach()}
        return logs | {f"{player}/{name}": self.objective.shown(v.detach()).mean() for name, v in outputs.items()}

    @property
    def labels(self) -> int:
        """How many labels `prior` and `sample` choose from: the data's in a conditional game, else the categories."""
        return self.spec.classes if self.conditional else self.categories

    def structure(self) -> Structure:
        """What a code is made of: noise, and a label where there are labels."""
        return Structure(self.noise_dim, self.labels)

    @property
    def code_dim(self) -> int:
        """Size of a code."""
        return sum(self.structure())

    def prior(self, n: int, y: Tensor | None = None) -> Tensor:
        """Draw `n` codes, (n, code_dim): noise, then the labels `y`, (n,), one-hot where there are labels.

        Labels are as frequent as in the data, and categories equally likely, where `y` is None.
        """
        check_request(n)
        draw = torch.randn if self.noise == "gaussian" else torch.rand
        z = draw(n, self.noise_dim, device=self.device)
        z = z if self.noise == "gaussian" else (z - 0.5) * 12**0.5  # unit variance
        if not self.labels:
            return z
        y = self._labels(n) if y is None else y
        return torch.cat([z, one_hot(y, self.labels).to(z.dtype)], 1)

    def _labels(self, n: int) -> Tensor:
        if self.conditional:
            return torch.multinomial(self.frequencies, n, replacement=True)
        return torch.randint(self.labels, (n,), device=self.device)

    def decode(self, z: Tensor) -> Tensor:
        """The examples that the codes `z`, (B, code_dim), stand for, (B, *shape)."""
        check_codes(z, self.code_dim)
        return self.generator(z)

    def sample(self, n: int, y: Tensor | None = None) -> Tensor:
        """Draw `n` examples in the data's natural unit, (n, *shape), rounded where the data are binary.

        Arguments:
            n: how many.
            y: their labels, (n,), where there are labels; as frequent as in the data where None.
        """
        check_request(n, y if not self.labels else None)
        y = None if y is None else check_labels(y, n, self.labels).to(self.device)
        x = self.generator(self.prior(n, y))
        return x.round() if self.spec.kind == "binary" else x

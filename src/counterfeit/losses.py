"""Adversarial objectives, f-divergences and gradient penalties: pure functions of what the discriminator says.

`real` and `fake` are the discriminator's outputs, (B, 1) or (B,). In the game of 2014 they are logits a = log D / (1 -
D), so every logarithm is a softplus and none overflows.

References:
    Generative Adversarial Nets, Goodfellow et al., 2014 (arXiv 1406.2661).
    On Distinguishability Criteria for Estimating Generative Models, Goodfellow, 2014 (arXiv 1412.6515).
    NIPS 2016 Tutorial: Generative Adversarial Networks, Goodfellow, 2016 (arXiv 1701.00160).
    f-GAN: Training Generative Neural Samplers using Variational Divergence Minimization, Nowozin et al., 2016
        (arXiv 1606.00709).
    Least Squares Generative Adversarial Networks, Mao et al., 2016 (arXiv 1611.04076).
    Improved Techniques for Training GANs, Salimans et al., 2016 (arXiv 1606.03498).
    Wasserstein GAN, Arjovsky et al., 2017 (arXiv 1701.07875).
    Geometric GAN, Lim and Ye, 2017 (arXiv 1705.02894).
    Improved Training of Wasserstein GANs, Gulrajani et al., 2017 (arXiv 1704.00028).
    On Convergence and Stability of GANs, Kodali et al., 2017 (arXiv 1705.07215).
    Which Training Methods for GANs do actually Converge?, Mescheder et al., 2018 (arXiv 1801.04406).
    The Relativistic Discriminator, Jolicoeur-Martineau, 2018 (arXiv 1807.00734).
    Invariant Information Clustering for Unsupervised Image Classification and Segmentation, Ji et al., 2018 (arXiv
        1807.06653).
    The GAN is dead; long live the GAN! A Modern Baseline GAN, Huang et al., 2024 (arXiv 2501.05441): R3GAN.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid, softplus

__all__ = [
    "DIVERGENCES", "OBJECTIVES", "PENALTIES", "SMOOTHED", "Divergence", "Objective", "ObjectiveName", "PenaltyName",
    "feature_matching", "iic_loss", "label_smoothing", "variational",
]  # fmt: skip

ObjectiveName = Literal[
    "non-saturating", "minimax", "maximum-likelihood", "classification-error", "least-squares", "hinge", "wasserstein",
    "relativistic", "feature-matching", "kl", "reverse-kl", "pearson", "hellinger", "jensen-shannon", "gan",
]  # fmt: skip
PenaltyName = Literal["none", "gradient", "r1", "r2", "r1-r2", "dragan"]
Critic = Callable[[Tensor], Tensor]


class Objective(NamedTuple):
    """What each player descends, and how the discriminator's outputs are shown: as probabilities where they are.

    A generator that descends a function of the discriminator's features of data and samples has it as `features`, and
    one that descends a function of its outputs on data and on samples as `relative`.
    """

    discriminator: Callable[[Tensor, Tensor], Tensor]
    generator: Callable[[Tensor], Tensor]
    shown: Callable[[Tensor], Tensor] = torch.sigmoid
    features: Callable[[Tensor, Tensor], Tensor] | None = None
    relative: Callable[[Tensor, Tensor], Tensor] | None = None


class Divergence(NamedTuple):
    """An f-divergence D(P || Q) = E_Q f(p/q), f convex with f(1) = 0 (for "gan" -log 4), by its variational bound.

    Arguments:
        f: the function of the density ratio u > 0.
        activation: maps a net's output v, any real number, into the domain of the conjugate f*: T = g(v).
        conjugate: v -> f*(g(v)), written so that nothing overflows before its value does.
        ratio: v -> log u of the density ratio at which T = f'(u) is optimal, NaN where no ratio is.
    """

    f: Callable[[Tensor], Tensor]
    activation: Callable[[Tensor], Tensor]
    conjugate: Callable[[Tensor], Tensor]
    ratio: Callable[[Tensor], Tensor]


def cross_entropy(real: Tensor, fake: Tensor) -> Tensor:
    """Discriminator: -½ E log D(x) - ½ E log(1 - D(G(z))) in nats, scalar (tutorial, eq. 8)."""
    return 0.5 * (softplus(-real).mean() + softplus(fake).mean())


def label_smoothing(real: Tensor, share: float) -> Tensor:
    """What `cross_entropy` grows by where data count as data only by 1 - `share`, scalar (Salimans et al., 3.4)."""
    return 0.5 * share * real.mean()


def minimax(fake: Tensor) -> Tensor:
    """Generator: ½ E log(1 - D(G(z))), the other side of the zero-sum game, scalar (tutorial, eq. 10)."""
    return -0.5 * softplus(fake).mean()


def non_saturating(fake: Tensor) -> Tensor:
    """Generator: -E log D(G(z)), whose gradient does not vanish while it is poor, scalar (2014, section 3)."""
    return softplus(-fake).mean()


def maximum_likelihood(fake: Tensor) -> Tensor:
    """Generator: -½ E exp(logit D(G(z))), scalar; at the optimal D its gradient is half that of KL(data || model)."""
    return -0.5 * fake.exp().mean()


def soft_error(real: Tensor, fake: Tensor) -> Tensor:
    """Discriminator: its probability of error, ½ E (1 - D(x)) + ½ E D(G(z)), scalar in [0, 1]."""
    return 0.5 * ((-real).sigmoid().mean() + fake.sigmoid().mean())


def error_raiser(fake: Tensor) -> Tensor:
    """Generator: -½ E D(G(z)), which raises the discriminator's error, scalar."""
    return -0.5 * fake.sigmoid().mean()


def least_squares(real: Tensor, fake: Tensor) -> Tensor:
    """Discriminator: ½ E (a(x) - 1)² + ½ E a(G(z))², scalar (LSGAN, eq. 9)."""
    return 0.5 * ((real - 1).square().mean() + fake.square().mean())


def least_squares_to_real(fake: Tensor) -> Tensor:
    """Generator: ½ E (a(G(z)) - 1)², scalar (LSGAN, eq. 9)."""
    return 0.5 * (fake - 1).square().mean()


def hinge(real: Tensor, fake: Tensor) -> Tensor:
    """Discriminator: E max(0, 1 - a(x)) + E max(0, 1 + a(G(z))), scalar (Geometric GAN)."""
    return (1 - real).relu().mean() + (1 + fake).relu().mean()


def wasserstein(real: Tensor, fake: Tensor) -> Tensor:
    """Critic: E a(G(z)) - E a(x), less the Earth mover's distance where a is the best 1-Lipschitz one (WGAN, eq. 2)."""
    return fake.mean() - real.mean()


def raiser(fake: Tensor) -> Tensor:
    """Generator: -E a(G(z)), scalar."""
    return -fake.mean()


def relativistic(more: Tensor, less: Tensor) -> Tensor:
    """-E log σ(a - b) of pairs, scalar: either player wants the other side's output, b, below a (2018, eq. 3 and 4)."""
    return softplus(less - more).mean()


def variational(divergence: Divergence, real: Tensor, fake: Tensor) -> Tensor:
    """Lower bound of the divergence of data from model, E g(v(x)) - E f*(g(v(G(z)))), scalar (f-GAN, eq. 4 and 6)."""
    return divergence.activation(real).mean() - divergence.conjugate(fake).mean()


def f_objective(divergence: Divergence) -> Objective:
    """The saddle point of f-GAN (eq. 6): the discriminator raises the variational bound, the generator lowers it."""
    return Objective(
        lambda real, fake: -variational(divergence, real, fake),
        lambda fake: -divergence.conjugate(fake).mean(),
        lambda v: divergence.ratio(v).sigmoid().nan_to_num(0.0),  # where no ratio has so low a slope: surely fake
    )


def feature_matching(real: Tensor, fake: Tensor) -> Tensor:
    """Generator: ‖E f(x) - E f(G(z))‖² of features (B, d), scalar (Salimans et al., 2016, section 3.1)."""
    return (real.mean(0) - fake.mean(0)).square().sum()


def iic_loss(one: Tensor, other: Tensor, even: float = 5.0) -> Tensor:
    """Less what the classes of two views of the same images tell of each other, scalar, in nats.

    Their mutual information I (2018, eq. 3) is highest where each view tells the other's class for certain and all K
    classes are as frequent. Near its top it hardly minds two classes in one and another cut in two, so the entropy of a
    single class is raised beside it, by `even` I / log K: little before there are classes, and more as they form.

    Arguments:
        one: probabilities of the classes of a view of each image, (B, K).
        other: those of another view, (B, K).
        even: weight of the entropy once I is log K.

    Example:
        >>> iic_loss(torch.eye(4), torch.eye(4), even=0.0)  # -log 4
        tensor(-1.3863)
    """
    joint = (one[:, :, None] * other[:, None]).mean(0)  # a matrix product would be rounded under autocast
    joint = (joint + joint.T) / 2
    entropy, of_both = (-torch.xlogy(p, p.clamp(min=1e-8)).sum() for p in (joint.sum(0), joint))
    information = 2 * entropy - of_both
    return -information - even * information.detach() / math.log(len(joint)) * entropy


def gradient_norms(critic: Critic, x: Tensor, unit: float = 1.0) -> Tensor:
    """Norm of the critic's gradient in its input at each example, (B,), differentiable in the critic's weights.

    Arguments:
        critic: examples (B, …) -> (B,) or (B, 1).
        x: where, (B, …).
        unit: what the gradient is per, in the unit of `x`: 0.5 where `x` lies in [0, 1] and papers in [-1, 1].
    """
    x = x.detach().requires_grad_()
    with torch.enable_grad():
        (gradient,) = torch.autograd.grad(critic(x).sum(), x, create_graph=True)
    return unit * gradient.flatten(1).square().sum(1).add(1e-12).sqrt()  # 1e-12: the root has no slope at 0


def gradient_penalty(critic: Critic, real: Tensor, fake: Tensor, unit: float = 1.0) -> Tensor:
    """E (‖∇a(x̂)‖ - 1)² between real and fake, scalar (WGAN-GP, eq. 3)."""
    share = torch.rand_like(real.flatten(1)[:, :1]).view(-1, *[1] * (real.ndim - 1))
    return (gradient_norms(critic, share * real + (1 - share) * fake, unit) - 1).square().mean()


def dragan(critic: Critic, real: Tensor, fake: Tensor, unit: float = 1.0) -> Tensor:  # noqa: ARG001
    """E (‖∇a(x + δ)‖ - 1)² around the data, δ uniform in ±half of their standard deviation, scalar (DRAGAN, eq. 3)."""
    around = real + real.std() * (torch.rand_like(real) - 0.5)
    return (gradient_norms(critic, around, unit) - 1).square().mean()


def r1(critic: Critic, real: Tensor, fake: Tensor, unit: float = 1.0) -> Tensor:  # noqa: ARG001
    """½ E ‖∇a(x)‖² on the data, scalar (Mescheder et al., eq. 9)."""
    return 0.5 * gradient_norms(critic, real, unit).square().mean()


def r2(critic: Critic, real: Tensor, fake: Tensor, unit: float = 1.0) -> Tensor:  # noqa: ARG001
    """½ E ‖∇a(G(z))‖² on samples, scalar (Mescheder et al., eq. 10)."""
    return 0.5 * gradient_norms(critic, fake, unit).square().mean()


def r1_and_r2(critic: Critic, real: Tensor, fake: Tensor, unit: float = 1.0) -> Tensor:
    """½ E ‖∇a(x)‖² + ½ E ‖∇a(G(z))‖², scalar: with which a relativistic game converges locally (R3GAN, prop. 2)."""
    return r1(critic, real, fake, unit) + r2(critic, real, fake, unit)


DIVERGENCES: Mapping[str, Divergence] = {
    "kl": Divergence(lambda u: u * u.log(), lambda v: v, lambda v: (v - 1).exp(), lambda v: v - 1),
    "reverse-kl": Divergence(lambda u: -u.log(), lambda v: -(-v).exp(), lambda v: v - 1, lambda v: v),
    "pearson": Divergence(
        lambda u: (u - 1).square(), lambda v: v, lambda v: v.square() / 4 + v, lambda v: (1 + v / 2).log()
    ),
    "hellinger": Divergence(
        lambda u: (u.sqrt() - 1).square(), lambda v: 1 - (-v).exp(), lambda v: v.exp() - 1, lambda v: 2 * v
    ),
    "jensen-shannon": Divergence(
        lambda u: u * u.log() - (1 + u) * ((1 + u) / 2).log(),
        lambda v: math.log(2) + logsigmoid(v), lambda v: softplus(v) - math.log(2), lambda v: v,
    ),
    "gan": Divergence(lambda u: u * u.log() - (1 + u) * (1 + u).log(), logsigmoid, softplus, lambda v: v),
}  # fmt: skip
OBJECTIVES: Mapping[str, Objective] = {
    "non-saturating": Objective(cross_entropy, non_saturating),
    "minimax": Objective(cross_entropy, minimax),
    "maximum-likelihood": Objective(cross_entropy, maximum_likelihood),
    "classification-error": Objective(soft_error, error_raiser),
    "feature-matching": Objective(cross_entropy, non_saturating, features=feature_matching),
    "least-squares": Objective(least_squares, least_squares_to_real, lambda a: a),
    "hinge": Objective(hinge, raiser, lambda a: a),
    "wasserstein": Objective(wasserstein, raiser, lambda a: a),
    "relativistic": Objective(  # of samples alone: beside data whose output is 0
        relativistic, non_saturating, lambda a: a, relative=lambda real, fake: relativistic(fake, real)
    ),
    **{name: f_objective(divergence) for name, divergence in DIVERGENCES.items()},
}
SMOOTHED = frozenset(name for name, objective in OBJECTIVES.items() if objective.discriminator is cross_entropy)
PENALTIES: Mapping[str, Callable[[Critic, Tensor, Tensor, float], Tensor]] = {
    "gradient": gradient_penalty, "r1": r1, "r2": r2, "r1-r2": r1_and_r2, "dragan": dragan
}  # fmt: skip

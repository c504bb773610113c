"""What a decoder says of data: likelihoods of binary, 8-bit and real values, each from parameters that a net gives.

Parameters stand in the last dimension, (*values, parameters), so that one net serves them all. Likelihoods of pictures
are densities on [0, 1], in the unit of the data as given: those of 8-bit levels spread the probability of each level
evenly over its own 1/256, as `dequantize` spreads the data, so that their bits per dimension compare with a flow's.

References:
    PixelCNN++: Improving the PixelCNN with Discretized Logistic Mixture Likelihood and Other Modifications, Salimans,
        Karpathy, Chen & Kingma, 2017 (arXiv 1701.05517), section 2.1.
    Pixel Recurrent Neural Networks, van den Oord, Kalchbrenner & Kavukcuoglu, 2016 (arXiv 1601.06759), section 3.3.
    Improving Variational Inference with Inverse Autoregressive Flow, Kingma et al., 2016 (arXiv 1606.04934).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, logsigmoid, softplus

from counterfeit.core import Kind, Spec

__all__ = ["LIKELIHOODS", "Likelihood", "LikelihoodName", "likelihood"]

LikelihoodName = Literal["auto", "bernoulli", "logistic", "categorical", "gaussian", "student"]
LEVELS = 256  # of an 8-bit value
LEAST = -7.0  # logarithm of the smallest scale: a third of a level of pictures in [0, 1]


class Likelihood(NamedTuple):
    """A distribution of single values, independent of each other given their parameters.

    Arguments:
        name: as in settings.
        parameters: how many a value has.
        kinds: of data that it suits.
        levels: whether it is even over each of 256 levels, so that values that repeat make it no higher.
        log_prob: (values, parameters) -> log-likelihood of each value in nats.
        mean: parameters -> mean of each value.
        sample: parameters -> a draw of each value.

    Example:
        >>> likelihood(Spec((1, 2, 2), "binary")).log_prob(torch.ones(1), torch.zeros(1, 1))
        tensor([-0.6931])
    """

    name: str
    parameters: int
    kinds: tuple[Kind, ...]
    levels: bool
    log_prob: Callable[[Tensor, Tensor], Tensor]
    mean: Callable[[Tensor], Tensor]
    sample: Callable[[Tensor], Tensor]

    def of_examples(self, x: Tensor, parameters: Tensor) -> Tensor:
        """Log-likelihood of examples in nats: (B, *shape), (B, *shape, parameters) -> (B,)."""
        return self.log_prob(x, parameters).flatten(1).sum(1)


def _bernoulli(x: Tensor, parameters: Tensor) -> Tensor:
    return -binary_cross_entropy_with_logits(parameters.squeeze(-1), x, reduction="none")


def _bernoulli_mean(parameters: Tensor) -> Tensor:
    return parameters.squeeze(-1).sigmoid()


def _bernoulli_sample(parameters: Tensor) -> Tensor:
    mean = _bernoulli_mean(parameters)
    return (torch.rand_like(mean) < mean).to(mean.dtype)


def _bounded(raw: Tensor) -> Tensor:
    """A log scale that `raw` asks for and that cannot fall below `LEAST`: the density of what repeats stays finite."""
    return LEAST + softplus(raw - LEAST)


def _level(x: Tensor) -> Tensor:
    """The level in 0 … 255 that a value in [0, 1] is nearest to."""
    return (x * (LEVELS - 1)).round()


def _logistic_parameters(parameters: Tensor) -> tuple[Tensor, Tensor]:
    loc, log_scale = parameters.unbind(-1)
    # at 0 the middle of [0, 1], and a scale that covers it; beyond the largest, levels are alike in float32
    return 0.5 + loc, _bounded(log_scale - 2).clamp(max=-LEAST)


def _logistic(x: Tensor, parameters: Tensor) -> Tensor:
    """Log of sigmoid(a) - sigmoid(b) at the edges a, b of the level of x, open at black and white, + log 256.

    Since a - b = d is the width of a level, sigmoid(a) - sigmoid(b) = sigmoid(a) sigmoid(-b) (1 - exp(-d)).
    """
    loc, log_scale = _logistic_parameters(parameters)
    level = _level(x)
    steep, half = (-log_scale).exp(), 0.5 / (LEVELS - 1)
    centred = level / (LEVELS - 1) - loc
    above, below = (centred + half) * steep, (centred - half) * steep
    inside = logsigmoid(above) + logsigmoid(-below) + (-torch.expm1(-2 * half * steep)).log()
    open_below = torch.where(level == 0, logsigmoid(above), inside)
    return torch.where(level == LEVELS - 1, logsigmoid(-below), open_below) + math.log(LEVELS)


def _logistic_mean(parameters: Tensor) -> Tensor:
    return _logistic_parameters(parameters)[0].clamp(0, 1)


def _logistic_sample(parameters: Tensor) -> Tensor:
    loc, log_scale = _logistic_parameters(parameters)
    u = torch.rand_like(loc).clamp(1e-6, 1 - 1e-6)
    return _level((loc + log_scale.exp() * u.logit()).clamp(0, 1)) / (LEVELS - 1)


def _categorical(x: Tensor, parameters: Tensor) -> Tensor:
    log_p = parameters.log_softmax(-1).gather(-1, _level(x).long().unsqueeze(-1)).squeeze(-1)
    return log_p + math.log(LEVELS)


def _categorical_mean(parameters: Tensor) -> Tensor:
    levels = torch.linspace(0, 1, LEVELS, dtype=parameters.dtype, device=parameters.device)
    return parameters.softmax(-1) @ levels


def _categorical_sample(parameters: Tensor) -> Tensor:
    p = parameters.float().softmax(-1)
    level = torch.multinomial(p.flatten(0, -2), 1).view(p.shape[:-1])
    return level.to(parameters.dtype) / (LEVELS - 1)


def _location(parameters: Tensor) -> Tensor:
    return parameters[..., 0]


def _gaussian(x: Tensor, parameters: Tensor) -> Tensor:
    log_scale = _bounded(parameters[..., 1])
    z = (x - parameters[..., 0]) * (-log_scale).exp()
    return -0.5 * (z.square() + math.log(2 * math.pi)) - log_scale


def _gaussian_sample(parameters: Tensor) -> Tensor:
    loc = _location(parameters)
    return loc + _bounded(parameters[..., 1]).exp() * torch.randn_like(loc)


def _degrees(raw: Tensor) -> Tensor:
    """Degrees of freedom above 2, where mean and variance exist."""
    return 2 + softplus(raw)


def _student(x: Tensor, parameters: Tensor) -> Tensor:
    log_scale, df = _bounded(parameters[..., 1]), _degrees(parameters[..., 2])
    z = (x - parameters[..., 0]) * (-log_scale).exp()
    norm = torch.lgamma((df + 1) / 2) - torch.lgamma(df / 2) - 0.5 * (math.pi * df).log() - log_scale
    return norm - (df + 1) / 2 * torch.log1p(z.square() / df)


def _student_sample(parameters: Tensor) -> Tensor:
    loc, df = _location(parameters), _degrees(parameters[..., 2])
    spread = (torch._standard_gamma(df / 2) / (df / 2)).rsqrt()  # a chi-squared variable over its degrees of freedom
    return loc + _bounded(parameters[..., 1]).exp() * spread * torch.randn_like(loc)


LIKELIHOODS: Mapping[str, Likelihood] = {
    row.name: row
    for row in (
        Likelihood("bernoulli", 1, ("binary",), True, _bernoulli, _bernoulli_mean, _bernoulli_sample),
        Likelihood("logistic", 2, ("image",), True, _logistic, _logistic_mean, _logistic_sample),
        Likelihood("categorical", LEVELS, ("image",), True, _categorical, _categorical_mean, _categorical_sample),
        Likelihood("gaussian", 2, ("real", "image"), False, _gaussian, _location, _gaussian_sample),
        Likelihood("student", 3, ("real",), False, _student, _location, _student_sample),
    )
}  # fmt: skip


def likelihood(spec: Spec, name: LikelihoodName = "auto") -> Likelihood:
    """The likelihood of that name; for "auto" the first that suits the kind of the data.

    Raises:
        ValueError: where it does not suit the data.

    Example:
        >>> likelihood(Spec((3, 8, 8))).name, likelihood(Spec((5,), "real")).name
        ('logistic', 'gaussian')
    """
    suited = [row for row in LIKELIHOODS.values() if spec.kind in row.kinds]
    chosen = suited[0] if name == "auto" else LIKELIHOODS[name]
    if chosen not in suited:
        remedy = " Add `binarize` to data.transforms, or take another." if name == "bernoulli" else " Take another."
        raise ValueError(
            f"likelihood {name} came for data of kind {spec.kind!r}; one of {', '.join(row.name for row in suited)} is "
            f"expected.{remedy}"
        )
    return chosen

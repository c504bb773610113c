"""How the game converges: always in the space of distributions; in that of parameters it may turn in circles.

References:
    Generative Adversarial Nets, Goodfellow et al., 2014 (arXiv 1406.2661), section 4.2.
    NIPS 2016 Tutorial: Generative Adversarial Networks, Goodfellow, 2016 (arXiv 1701.00160), section 8.2.
    Which Training Methods for GANs Do Actually Converge?, Mescheder, Geiger and Nowozin, 2018 (arXiv 1801.04406).
    A Variational Inequality Perspective on Generative Adversarial Networks, Gidel et al., 2019 (arXiv 1802.10551).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from counterfeit.theory.game import optimal_logits
from counterfeit.theory.information import Probabilities, distribution

__all__ = ["GAMES", "Field", "GameName", "Order", "descend", "growth", "play"]

Order = Literal["simultaneous", "alternating", "extragradient"]
GameName = Literal["bilinear", "dirac"]


def descend(p: Probabilities, q: Probabilities, steps: int, lr: float = 0.5) -> Tensor:
    """Algorithm 1 with all distributions in place of a generator's, and the optimal discriminator at every step.

    The generator's distribution descends its gradient, log(1 - D*), along the simplex (exponentiated gradient), so
    q is multiplied by (1 - D*)^-lr and normalized. At lr = 1 that is the way half to p: q becomes (p + q)/2.

    Arguments:
        p: of the data, (K,).
        q: of the generator at the start, (K,), above 0 wherever `p` is.
        steps: how many.
        lr: learning rate, in (0, 1].

    Returns:
        The generator's distribution at every step, (steps + 1, K).

    Example:
        >>> descend([0.5, 0.5], [0.9, 0.1], steps=2, lr=1.0)[:, 0]
        tensor([0.9000, 0.7000, 0.6000], dtype=torch.float64)
    """
    p, q = distribution(p), distribution(q)
    if not 0 < lr <= 1:
        raise ValueError(f"lr={lr} came; more than 0 and at most 1 is expected. Lower it.")
    path = [q]
    for _ in range(steps):
        gradient = torch.nn.functional.logsigmoid(-optimal_logits(p.log(), path[-1].log()))  # log(1 - D*)
        gradient = torch.where(path[-1] > 0, gradient, 0.0)  # where neither is, nothing is to be moved
        path.append((path[-1].log() - lr * gradient).softmax(-1))
    return torch.stack(path)


class Field(NamedTuple):
    """A game of one parameter a player over f(θψ), which θ descends and ψ ascends: f' at 0, and whether f bends."""

    slope: float
    bends: bool

    def at(self, product: float) -> float:
        """The derivative f' at `product` = θψ."""
        return 1 / (1 + math.exp(product)) if self.bends else self.slope


GAMES: Mapping[GameName, Field] = {"bilinear": Field(1.0, False), "dirac": Field(0.5, True)}
"""V = θψ; and the Dirac-GAN, V = -log(1 + exp(-θψ)) + const: data at 0, samples at θ, discriminator x -> ψx."""


def play(
    game: GameName, start: tuple[float, float], lr: float, steps: int, order: Order = "simultaneous", r1: float = 0.0
) -> Tensor:
    """Gradient steps of two players with one parameter each.

    Arguments:
        game: "bilinear" or "dirac".
        start: the generator's θ and the discriminator's ψ.
        lr: learning rate of both.
        steps: of each player.
        order: whether both move from the same place, or the discriminator after the generator, or both by the gradients
            of the place where a step of both at once would lead (extragradient, Korpelevich, 1976).
        r1: weight of the penalty ½ r1 ψ² on the discriminator's gradient at the data.

    Returns:
        θ and ψ at every step, (steps + 1, 2).
    """
    field, (theta, psi) = _field(game), start
    path = [start]
    for _ in range(steps):
        at = (theta, psi)
        if order == "extragradient":
            at = (theta - lr * _slope(field, *at), psi + lr * _pull(field, *at, r1))
        moved = theta - lr * _slope(field, *at)
        at = (moved, psi) if order == "alternating" else at
        theta, psi = moved, psi + lr * _pull(field, *at, r1)
        path.append((theta, psi))
    return torch.tensor(path, dtype=torch.float64)


def _slope(field: Field, theta: float, psi: float) -> float:
    """What the generator descends."""
    return psi * field.at(theta * psi)


def _pull(field: Field, theta: float, psi: float, r1: float) -> float:
    """What the discriminator ascends."""
    return theta * field.at(theta * psi) - r1 * psi


def growth(game: GameName, lr: float, order: Order = "simultaneous", r1: float = 0.0) -> float:
    """Factor by which a small distance from the equilibrium grows in a step: the largest modulus of an eigenvalue.

    Near 0, with h = lr · f'(0) and a = lr · r1, a step adds A = ((0, -h), (h, -a)) times the place where gradients are
    taken. So it multiplies by I + A where both move at once, by I + A + A² with extragradient, and has trace 2 - a - h²
    and determinant 1 - a where they take turns. Complex eigenvalues, the rule at small learning rates, have the modulus
    √determinant: without a penalty √(1 + h²) at once, 1 in turns, and √(1 - h² + h⁴) with extragradient.

    Example:
        >>> growth("bilinear", lr=0.1) == (1 + 0.1**2) ** 0.5
        True
    """
    h, a = lr * _field(game).slope, lr * r1
    trace, determinant = {
        "simultaneous": (2 - a, 1 - a + h**2),
        "alternating": (2 - a - h**2, 1 - a),
        "extragradient": (2 - a - 2 * h**2 + a**2, (1 - h**2) * (1 - a - h**2 + a**2) + h**2 * (1 - a) ** 2),
    }[order]
    discriminant = trace**2 / 4 - determinant
    return math.sqrt(determinant) if discriminant <= 0 else abs(trace) / 2 + math.sqrt(discriminant)


def _field(game: GameName) -> Field:
    if game not in GAMES:
        raise ValueError(f"game {game!r} came; {' or '.join(GAMES)} is expected. Choose one of them.")
    return GAMES[game]

"""What the units of a deep net do to the size of what passes: forward to values, and back to gradients.

Weights are independent, of mean 0 and of variance `weight` over the number of inputs. In a wide layer the sums that
units see are then nearly Gaussian, and what becomes of their variance is a matter of one integral for each layer.

References:
    Understanding the Difficulty of Training Deep Feedforward Neural Networks, Glorot and Bengio, 2010.
    Delving Deep into Rectifiers, He, Zhang, Ren and Sun, 2015 (arXiv 1502.01852).
    Deep Information Propagation, Schoenholz, Gilmer, Ganguli and Sohl-Dickstein, 2017 (arXiv 1611.01232).
"""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

import torch
from torch import Tensor

from counterfeit.theory import quadrature

__all__ = ["DEFAULT", "STEEPEST", "UNITS", "Passed", "UnitName", "passed", "propagated"]

UnitName = Literal["sigmoid", "tanh", "relu", "maxout"]
UNITS: tuple[UnitName, ...] = get_args(UnitName)
STEEPEST: dict[UnitName, float] = {"sigmoid": 0.25, "tanh": 1.0, "relu": 1.0, "maxout": 1.0}
"""The largest slope of a unit in the sum that it sees."""
DEFAULT = 1 / 3  # PyTorch's weights are uniform in ±1/√inputs
NORMAL = quadrature.rule(-9.0, 9.0)


class Passed(NamedTuple):
    """What a unit makes of a sum a ~ N(0, variance): E φ(a)² of what it says, and E φ'(a)² of what it lets back."""

    square: float
    slope: float


def passed(unit: UnitName, variance: float) -> Passed:
    """What a unit passes of sums of that variance; maxout is the larger of two independent ones.

    Since max(a, b)² + min(a, b)² = a² + b² and both are equally distributed but for the sign, maxout of two passes as
    much as a linear unit, and a rectifier, which is right half of the time, half of that.

    Example:
        >>> passed("relu", 2.0), passed("maxout", 2.0)
        (Passed(square=1.0, slope=0.5), Passed(square=2.0, slope=1.0))
    """
    if variance < 0:
        raise ValueError(f"variance={variance} came; at least 0 is expected. Raise it.")
    if unit == "relu":
        return Passed(variance / 2, 0.5)
    if unit == "maxout":
        return Passed(variance, 1.0)
    a = NORMAL.x * variance**0.5
    said = a.sigmoid() if unit == "sigmoid" else a.tanh()
    slope = said * (1 - said) if unit == "sigmoid" else 1 - said.square()
    return Passed(_expected(said.square()), _expected(slope.square()))


def propagated(
    unit: UnitName, depth: int, inputs: float = 1.0, weight: float = DEFAULT, bias: float = 0.0
) -> tuple[list[float], list[float]]:
    """Mean squares of the values of each hidden layer, and by how much each multiplies the norm of a gradient.

    With the gradient δ in the values of a layer, that in the values before it is Wᵀ (φ' δ), of which the squared norm
    is `weight` E φ'² ‖δ‖² in expectation, whatever the widths.

    Arguments:
        unit: of the hidden layers.
        depth: how many there are.
        inputs: mean square of a value of the input.
        weight: variance of a weight times the number of inputs of its unit.
        bias: variance of a bias.

    Example:
        >>> squares, gains = propagated("relu", 2, weight=2.0)  # as He and others chose it
        >>> squares, [round(gain, 6) for gain in gains]
        ([1.0, 1.0], [1.0, 1.0])
    """
    squares, gains = [], []
    for _ in range(depth):
        square, slope = passed(unit, weight * inputs + bias)
        squares.append(square)
        gains.append((weight * slope) ** 0.5)
        inputs = square
    return squares, gains


def _expected(values: Tensor) -> float:
    density = torch.exp(-NORMAL.x.square() / 2) / (2 * torch.pi) ** 0.5
    return float(NORMAL.integrate(density * values))

"""The theory of adversarial nets as functions: information, divergences, the game, and how it converges.

Four modules compute the same quantities in four ways, each under the same names: `information` for discrete
distributions, `gaussian` in closed form, `quadrature` on the line, `montecarlo` from samples.

Example:
    >>> from counterfeit.theory import information
    >>> round(float(information.entropy([0.81, 0.05, 0.14], "bits")), 4)
    0.8595
"""

from counterfeit.theory import (
    chains,
    contrast,
    convergence,
    counting,
    fits,
    game,
    gaussian,
    information,
    montecarlo,
    quadrature,
)

__all__ = [
    "chains",
    "contrast",
    "convergence",
    "counting",
    "fits",
    "game",
    "gaussian",
    "information",
    "montecarlo",
    "quadrature",
]

"""The theory of generative models as functions: likelihood, information, divergences, games, and how they converge.

Four modules compute the same quantities in four ways, each under the same names: `information` for discrete
distributions, `gaussian` in closed form, `quadrature` on the line, `montecarlo` from samples.

Example:
    >>> from counterfeit.theory import information
    >>> round(float(information.entropy([0.81, 0.05, 0.14], "bits")), 4)
    0.8595
"""

from counterfeit.theory import (
    bayes,
    chains,
    contrast,
    convergence,
    counting,
    distances,
    fits,
    game,
    gaussian,
    information,
    likelihood,
    linear_gaussian,
    matrix_games,
    montecarlo,
    quadrature,
)

__all__ = [
    "bayes", "chains", "contrast", "convergence", "counting", "distances", "fits", "game",
    "gaussian", "information", "likelihood", "linear_gaussian", "matrix_games", "montecarlo", "quadrature",
]  # fmt: skip
